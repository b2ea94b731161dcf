"""What Prometheus is told of freshness: of each asset with a policy its state, its lateness and how fresh it was.

An asset costs seven series. Of more assets than `MOST_ASSETS` only those in trouble are told one by one, up to so many;
the others are counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import anyio.lowlevel
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from upwell.durations import format_duration
from upwell.events import AssetMaterialized, FreshnessAtRisk, FreshnessChanged, FreshnessState
from upwell.journal.journal import Record
from upwell.planning.maintenance import MaintenanceCalendar
from upwell.planning.slo import Interval, Timeline, totals
from upwell.web.parts import WebParts

MOST_ASSETS = 1000
WINDOWS = (timedelta(hours=1), timedelta(hours=6), timedelta(days=3), timedelta(days=30))

_PAGE = 1000
_MOST_READ = 50_000  # transitions of all assets that are looked back to at the start
_TURN = 50  # assets between two turns of the event loop
_NAMES = {window: format_duration(window) for window in WINDOWS}
_CODES: dict[FreshnessState, int] = {"PASS": 0, "WARN": 1, "FAIL": 2, "UNKNOWN": 3}


@dataclass(kw_only=True, slots=True)
class _Followed:
    timeline: Timeline
    deadline: datetime | None = None
    risk_until: datetime | None = None

    def at_risk(self, now: datetime) -> bool:
        return self.timeline.state != "FAIL" and self.risk_until is not None and now < self.risk_until

    def late_for(self, now: datetime) -> timedelta:
        since = self.deadline or self.timeline.since
        return max(now - since, timedelta(0)) if self.timeline.state == "FAIL" and since else timedelta(0)


class FreshnessFigures(Collector):
    """Follows the transitions; the figures are of the instant of `refresh`."""

    def __init__(self, parts: WebParts, registry: CollectorRegistry) -> None:
        self._parts = parts
        self._assets: dict[str, _Followed] = {}
        self._upto = 0
        self._families = _Figures().families
        registry.register(self)

    async def begin(self) -> None:
        """Read what was told in the longest window up to now."""
        now = self._parts.clock.now()
        since = now - max(WINDOWS)
        records: list[Record] = []
        while True:
            page = await self._parts.queries.events(
                kinds=(FreshnessChanged.kind,), before=records[-1].id if records else None, limit=_PAGE
            )
            records += page
            if len(page) < _PAGE or page[-1].at < since:
                break
            if len(records) >= _MOST_READ:
                since = page[-1].at
                break
        rows = await self._parts.queries.freshness()
        self._assets = {
            asset: _Followed(timeline=Timeline(complete_from=since, state=row.state), deadline=row.deadline)
            for asset, row in rows.items()
        }
        for record in reversed(records):
            self.take(record)
        for risk in reversed(await self._parts.queries.events(kinds=(FreshnessAtRisk.kind,), limit=_PAGE)):
            self.take(risk)
        await self._forget_risks_of_what_was_made()

    async def _forget_risks_of_what_was_made(self) -> None:
        at_risk = [asset for asset, one in self._assets.items() if one.risk_until is not None]
        if not at_risk:
            return
        states = await self._parts.queries.asset_states(at_risk)
        for risk in await self._parts.queries.events(kinds=(FreshnessAtRisk.kind,), limit=_PAGE):
            state = states.get(getattr(risk.event, "asset", ""))
            if state is not None and state.materialized_id > risk.id:
                self._assets[state.asset].risk_until = None

    def take(self, record: Record) -> None:
        """Take in the next event, if it says something about freshness."""
        match record.event:
            case FreshnessChanged() as change if record.id > self._upto:
                self._upto = record.id
                known = self._assets.setdefault(change.asset, _Followed(timeline=Timeline(complete_from=record.at)))
                known.timeline.take(record.id, change)
                known.timeline.forget(record.at - max(WINDOWS))
                known.deadline = change.deadline
            case FreshnessAtRisk() as risk if risk.asset in self._assets:
                self._assets[risk.asset].risk_until = risk.deadline
            case AssetMaterialized(asset=asset) if asset in self._assets:
                self._assets[asset].risk_until = None
            case _:
                pass

    @property
    def states(self) -> Iterator[FreshnessState]:
        """The state of every asset that ever had a policy."""
        for one in self._assets.values():
            if one.timeline.state is not None:
                yield one.timeline.state

    async def refresh(self) -> None:
        """Work the figures of now out, letting others have their turn meanwhile; `collect` answers with them."""
        now = self._parts.clock.now()
        figures = _Figures()
        calendar = MaintenanceCalendar(self._parts.maintenance, self._parts.project.graph, now - max(WINDOWS), now)
        told = await self._told(now)
        for place, (asset, one) in enumerate(told):
            if place % _TURN == 0:
                await anyio.lowlevel.checkpoint()
            figures.add(asset, one, calendar.of(asset), now)
        figures.untold.add_metric([], sum(1 for _ in self._with_policy()) - len(told))
        self._families = figures.families

    def collect(self) -> Iterator[Metric]:
        """The figures worked out last."""
        yield from self._families

    def _with_policy(self) -> Iterator[tuple[str, _Followed]]:
        graph = self._parts.project.graph
        for asset, one in self._assets.items():
            node = graph.assets.get(asset)
            if node is not None and node.freshness is not None and one.timeline.state != "NOT_APPLICABLE":
                yield asset, one

    async def _told(self, now: datetime) -> list[tuple[str, _Followed]]:
        """All, or of too many those in trouble, and then those that were late."""
        followed = list(self._with_policy())
        if len(followed) <= MOST_ASSETS:
            return followed
        in_trouble, were_late = [], []
        for place, (asset, one) in enumerate(followed):
            if place % _TURN == 0:
                await anyio.lowlevel.checkpoint()
            if one.timeline.state in ("WARN", "FAIL") or one.at_risk(now):
                in_trouble.append((asset, one))
            elif _was_late(one.timeline, now - max(WINDOWS), now):
                were_late.append((asset, one))
        return [*in_trouble, *were_late][:MOST_ASSETS]


class _Figures:
    """What one scrape tells."""

    def __init__(self) -> None:
        gauge = GaugeMetricFamily
        self.state = gauge(
            "upwell_freshness_state", "Freshness: 0 fresh, 1 warned, 2 late, 3 not known yet", labels=["asset"]
        )
        self.late = gauge("upwell_freshness_late_seconds", "Time since the missed deadline", labels=["asset"])
        self.risk = gauge("upwell_freshness_at_risk", "1 if the next deadline will be missed", labels=["asset"])
        self.ratio = gauge(
            "upwell_freshness_ratio", "Part of the time that counts in which it was fresh", labels=["asset", "window"]
        )
        self.untold = gauge("upwell_freshness_untold_assets", "Assets with a policy that are not told one by one")

    @property
    def families(self) -> Sequence[Metric]:
        return (self.state, self.late, self.risk, self.ratio, self.untold)

    def add(self, asset: str, one: _Followed, excluded: Sequence[Interval], now: datetime) -> None:
        self.state.add_metric([asset], _CODES[one.timeline.state or "UNKNOWN"])
        self.late.add_metric([asset], one.late_for(now).total_seconds())
        self.risk.add_metric([asset], one.at_risk(now))
        for window, name in _NAMES.items():
            part = totals(one.timeline.stretches(now - window, now), excluded).late_ratio
            if part is not None:
                self.ratio.add_metric([asset, name], 1.0 - part)


def _was_late(timeline: Timeline, start: datetime, end: datetime) -> bool:
    return any(one.state == "FAIL" for one in timeline.stretches(start, end))
