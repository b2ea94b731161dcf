"""What is said of an op's inputs and outputs: `In`, `Out`, `DynamicOut`, and the same of graphs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from upwell.definitions.errors import DagsterInvalidDefinitionError
from upwell.definitions.metadata import MetadataValue, normalize_metadata
from upwell.definitions.partitions.definition import assign
from upwell.definitions.results import DEFAULT_OUTPUT
from upwell.definitions.specs import UNSET

T_co = TypeVar("T_co", covariant=True)

_MAPPING_KEY = re.compile(r"[A-Za-z0-9_]+")


class Nothing:
    """The type of an input or output that only says what comes after what: no value is passed on."""


@dataclass(frozen=True)
class In:
    """An input: the type of its value (by default as the function says) and what it is when nothing is connected."""

    dagster_type: object = UNSET
    description: str | None = None
    metadata: Mapping[str, object] = field(default_factory=dict)
    default_value: Any = UNSET
    input_manager_key: str | None = None

    @property
    def is_nothing(self) -> bool:
        """Whether it is only waited for."""
        return self.dagster_type is Nothing


@dataclass(frozen=True)
class Out:
    """An output; one that is not required may be left out, and what reads it is then skipped."""

    dagster_type: object = UNSET
    description: str | None = None
    is_required: bool = True
    io_manager_key: str | None = None
    metadata: Mapping[str, object] = field(default_factory=dict)
    code_version: str | None = None

    @property
    def is_dynamic(self) -> bool:
        """Whether it is any number of values, each with a key."""
        return False


@dataclass(frozen=True)
class DynamicOut(Out):
    """An output that is any number of values, each with a key: what reads it runs once for each."""

    @property
    def is_dynamic(self) -> bool:
        return True


@dataclass(frozen=True)
class GraphIn:
    """An input of a graph."""

    description: str | None = None


@dataclass(frozen=True)
class GraphOut:
    """An output of a graph."""

    description: str | None = None


@dataclass(frozen=True, init=False)
class DynamicOutput(Generic[T_co]):
    """One of the values of a dynamic output."""

    value: T_co
    mapping_key: str
    output_name: str
    metadata: Mapping[str, MetadataValue] = field(hash=False)

    def __init__(
        self,
        value: T_co,
        mapping_key: str,
        output_name: str = DEFAULT_OUTPUT,
        metadata: Mapping[str, object] | None = None,
    ) -> None:
        if not isinstance(mapping_key, str) or not _MAPPING_KEY.fullmatch(mapping_key):
            raise DagsterInvalidDefinitionError(
                f"{mapping_key!r} is no mapping_key of a DynamicOutput: use letters, digits and '_'"
            )
        assign(
            self,
            value=value,
            mapping_key=mapping_key,
            output_name=output_name,
            metadata=normalize_metadata(metadata),
        )
