"""What config may be, as users write it: `config_schema={"limit": int, "name": Field(str, default_value="x")}`.

A schema is a type (`int`), a dict of fields, a list of one element type, a subclass of `Config`, or one of the classes
here; `resolving.py` says what each takes. Inner schemas stay as they were written until they are needed.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from upwell.definitions.partitions.definition import assign
from upwell.definitions.specs import UNSET


@dataclass(frozen=True, kw_only=True)
class Scalar:
    """A str, int, float or bool, which may be said to be in the environment: `{"env": "NAME"}`."""

    kind: type
    from_environment: bool = False


StringSource = Scalar(kind=str, from_environment=True)
IntSource = Scalar(kind=int, from_environment=True)
BoolSource = Scalar(kind=bool, from_environment=True)


@dataclass(frozen=True)
class Anything:
    """Whatever JSON can hold."""


@dataclass(frozen=True)
class Noneable:
    """The inner schema, or none."""

    inner_type: object


@dataclass(frozen=True)
class Array:
    """A list of what the inner schema takes."""

    inner_type: object


@dataclass(frozen=True)
class Map:
    """A dict with any keys of one type, and values of another."""

    key_type: object
    inner_type: object


@dataclass(frozen=True)
class Shape:
    """A dict with these fields and no others."""

    fields: Mapping[str, object]
    description: str | None = None


@dataclass(frozen=True)
class Permissive:
    """A dict with these fields and any others."""

    fields: Mapping[str, object] = field(default_factory=dict)
    description: str | None = None


@dataclass(frozen=True)
class Selector:
    """A dict with exactly one of these fields."""

    fields: Mapping[str, object]
    description: str | None = None


@dataclass(frozen=True)
class ScalarUnion:
    """A scalar, or something that is none."""

    scalar_type: object
    non_scalar_schema: object


@dataclass(frozen=True)
class EnumValue:
    """One choice of an `Enum`: what config says, and what the function gets for it."""

    config_value: str
    python_value: object = None
    description: str | None = None


@dataclass(frozen=True)
class Enum:
    """One of several texts."""

    name: str
    enum_values: Sequence[EnumValue]

    @classmethod
    def from_python_enum(cls, enum: type[enum.Enum], name: str | None = None) -> Enum:
        """The members of an enum by name."""
        return cls(name or enum.__name__, [EnumValue(member.name, member) for member in enum])


@dataclass(frozen=True, init=False)
class Field:
    """A field of a schema that may be left out, or has a default, or a description."""

    config: object
    default_value: Any
    is_required: bool
    description: str | None

    def __init__(
        self,
        config: object = Anything(),
        default_value: Any = UNSET,
        is_required: bool | None = None,
        description: str | None = None,
    ) -> None:
        required = default_value is UNSET if is_required is None else is_required
        if required and default_value is not UNSET:
            raise ValueError("a field with a default value is not required; leave is_required=True out")
        assign(self, config=config, default_value=default_value, is_required=required, description=description)
