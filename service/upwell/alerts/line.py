"""A line of the log: its level, its name, its fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from upwell.events import ErrorInfo, Event, Json

Level: TypeAlias = Literal["debug", "info", "warning", "error"]

_MOST = 20  # names or ids in one field


@dataclass(frozen=True, kw_only=True, slots=True)
class LogLine:
    """A line: its level, the name of its event, its fields."""

    level: Level
    event: str
    fields: Mapping[str, Json]

    @property
    def matters(self) -> bool:
        """Whether somebody may be woken by it, so that it must survive a restart."""
        return self.level in ("warning", "error") or self.event == "freshness.recovered"


def line(level: Level, event: Event, **fields: Json) -> LogLine:
    """A line named after the event's kind; fields without a value are left out."""
    return LogLine(level=level, event=event.kind, fields={key: v for key, v in fields.items() if v not in (None, ())})


def sentence(error: ErrorInfo) -> str:
    """The error in one line."""
    return f"{error.type}: {error.message}" if error.message else error.type


def few(values: Sequence[Json]) -> Sequence[Json]:
    """The values; of many, the first ones and how many more there are: a line has to stay one that people can read."""
    return values if len(values) <= _MOST else (*values[:_MOST], f"and {len(values) - _MOST} more")
