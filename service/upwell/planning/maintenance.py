"""When maintenance was, or will be: windows that come again. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from upwell.clock import NEVER
from upwell.definitions.cron_ticks import CronTicks
from upwell.definitions.crons import plain_cron
from upwell.definitions.graph import AssetGraph
from upwell.definitions.selection import select
from upwell.errors import SelectionError
from upwell.planning.slo import Interval, united

_EVERYTHING = "*"


@dataclass(frozen=True, kw_only=True)
class PlannedMaintenance:
    """Begins at each tick of `cron` in `timezone` and lasts for `duration`; of what `select` means."""

    select: str
    cron: str
    duration: timedelta
    timezone: str = "UTC"

    def windows(self, start: datetime, end: datetime) -> Iterator[Interval]:
        """Those that have a part between the two instants."""
        ticks = CronTicks(plain_cron(self.cron, "a maintenance window"), ZoneInfo(self.timezone))
        tick = ticks.after(start - self.duration)
        while tick < min(end, NEVER):
            yield tick, tick + self.duration
            tick = ticks.after(tick)


class MaintenanceCalendar:
    """All maintenance between two instants, by asset."""

    def __init__(
        self, planned: Iterable[PlannedMaintenance], graph: AssetGraph, start: datetime, end: datetime
    ) -> None:
        self._windows = [(_meant(graph, one.select), [*one.windows(start, end)]) for one in planned]

    def of(self, asset: str) -> list[Interval]:
        """When the asset was in maintenance: disjoint, in order."""
        return united(window for meant, windows in self._windows if asset in meant for window in windows)


def _meant(graph: AssetGraph, selection: str) -> Collection[str]:
    if selection == _EVERYTHING:
        return graph.assets.keys()
    try:
        return select(graph, selection)
    except SelectionError:
        return ()  # it names what is not there at present
