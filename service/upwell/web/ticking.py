"""When a timer ticks next: asked of the source that will tell it, so that what is announced is what comes."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from importlib.metadata import entry_points
from typing import Protocol, runtime_checkable

from pydantic_core import from_json, to_json

from upwell.clock import NEVER
from upwell.definitions.snapshot import SensorNode

_ENTRY_POINTS = "upwell.sources"


@runtime_checkable
class Ticking(Protocol):
    """A source whose events come at instants that are known before."""

    def tick_after(self, instant: datetime) -> datetime:
        """The first tick later than `instant`, or NEVER."""


def next_tick(schedule: SensorNode, now: datetime) -> datetime | None:
    """The next instant at which a schedule is called; None when that cannot be known."""
    timers = (_timer(on.source.kind, on.source.name, to_json(on.source.params)) for on in schedule.on)
    ticks = [timer.tick_after(now) for timer in timers if timer is not None]
    return min((tick for tick in ticks if tick < NEVER), default=None)


@lru_cache(maxsize=1024)
def _timer(kind: str, name: str, params: bytes) -> Ticking | None:
    installed = entry_points(group=_ENTRY_POINTS)
    if kind not in installed.names:
        return None
    source = installed[kind].load()(name, **from_json(params))
    return source if isinstance(source, Ticking) else None
