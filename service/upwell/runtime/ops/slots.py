"""What stands in an output: a value, values by key, or the reason why there is none."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, TypeAlias


class Absent(Enum):
    """There is no value: the output was left out, so that what reads it is skipped, or the op did not succeed."""

    SKIPPED = "skipped"
    FAILED = "failed"


@dataclass(frozen=True)
class Present:
    """A value; `load` brings it back from the IO manager that stored it."""

    value: Any
    load: Callable[[Any], Any] | None = None


@dataclass(frozen=True)
class Keyed:
    """The values of a dynamic output, or those of an op that ran for each of them."""

    slots: Mapping[str, Slot] = field(default_factory=dict)


Slot: TypeAlias = Absent | Present | Keyed


@dataclass(frozen=True)
class Listed:
    """Several values that are read as a list."""

    slots: tuple[Present, ...]


def listed(slots: Iterable[Slot], *, empty: bool) -> Listed | Absent:
    """Those that are there as a list; `empty` allows none at all."""
    several = list(slots)
    if Absent.FAILED in several:
        return Absent.FAILED
    found = tuple(slot for slot in several if isinstance(slot, Present))
    return Listed(found) if found or empty else Absent.SKIPPED


def plain(slot: Slot) -> Any:
    """The value, or values by key. (`Any`: of the user's types.)"""
    match slot:
        case Present(value=value):
            return value
        case Keyed(slots=slots):
            return {key: plain(one) for key, one in slots.items() if isinstance(one, Present | Keyed)}
        case _:
            return None
