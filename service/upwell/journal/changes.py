"""Changes of rows that an event makes, and how those of a batch are brought together.

The changes of a batch are folded (`fold`) before they are written, so the order of events within a batch must not
matter beyond "the later value of a column wins". What an event does to the assets of a *step* needs the stored plan;
such changes keep their order and touch columns that no upsert touches.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from pydantic_core import to_json
from sqlalchemy import Table

from upwell.events import RunId

# What a column holds: numbers, strings, booleans, null.
Value: TypeAlias = Any


@dataclass(frozen=True, slots=True)
class Upsert:
    """The row of `table` with this primary key has these values; columns not named stay."""

    table: Table
    key: tuple[Value, ...]
    values: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Remove:
    """The row of `table` with this primary key is gone."""

    table: Table
    key: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class StepAssetsStarted:
    """The assets of a step are being materialised since this event."""

    run_id: RunId
    step_id: str
    event_id: int


@dataclass(frozen=True, slots=True)
class StepAssetsEnded:
    """The assets of a step are no longer being materialised since this event."""

    run_id: RunId
    step_id: str
    event_id: int


@dataclass(frozen=True, slots=True)
class RunAssetsEnded:
    """Whatever the run was still materialising ended with it."""

    run_id: RunId
    event_id: int


RowChange: TypeAlias = Upsert | Remove
AssetChange: TypeAlias = StepAssetsStarted | StepAssetsEnded | RunAssetsEnded
Change: TypeAlias = RowChange | AssetChange


def as_text(value: Any) -> str:
    """JSON as it is stored; `value` is whatever an event may carry."""
    return to_json(value).decode()


def optional_text(value: Any) -> str | None:
    return None if value is None else as_text(value)


@dataclass(slots=True)
class Folded:
    """The changes of a batch: rows to remove, then to write (some of them anew), then what the assets of steps do."""

    removals: dict[Table, set[tuple[Value, ...]]] = field(default_factory=dict)
    upserts: dict[Table, dict[tuple[Value, ...], Mapping[str, Value]]] = field(default_factory=dict)
    asset_changes: list[AssetChange] = field(default_factory=list)


def fold(changes: Iterable[Change]) -> Folded:
    """Bring the changes of a batch together; of several values for a column the later one stays."""
    folded = Folded()
    for change in changes:
        match change:
            case Upsert(table, key, values):
                rows = folded.upserts.setdefault(table, {})
                rows[key] = {**rows[key], **values} if key in rows else values
            case Remove(table, key):
                folded.upserts.get(table, {}).pop(key, None)
                folded.removals.setdefault(table, set()).add(key)
            case _:
                folded.asset_changes.append(change)
    return folded
