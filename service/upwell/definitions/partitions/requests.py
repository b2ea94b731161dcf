"""Changes to dynamic partitions that a sensor asks for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from upwell.definitions.partitions.definition import assign


@dataclass(frozen=True, init=False)
class _PartitionsRequest:
    partitions_def_name: str
    partition_keys: Sequence[str]

    def __init__(self, partitions_def_name: str, partition_keys: Sequence[str]) -> None:
        name = type(self).__name__
        if not isinstance(partition_keys, list):
            raise TypeError(f"{name}(partition_keys=…) is a list of keys, not {partition_keys!r}")
        assign(
            self,
            partitions_def_name=_text(f"{name}(partitions_def_name=…)", partitions_def_name),
            partition_keys=[_text(f"a key of {name}", key) for key in partition_keys],
        )


class AddDynamicPartitionsRequest(_PartitionsRequest):
    """Keys to be added to the dynamic partitions of this name."""


class DeleteDynamicPartitionsRequest(_PartitionsRequest):
    """Keys to be taken from the dynamic partitions of this name."""


PartitionsRequest: TypeAlias = AddDynamicPartitionsRequest | DeleteDynamicPartitionsRequest


def _text(what: str, value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{what} is text, not {value!r}")
    return value
