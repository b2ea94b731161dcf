"""What Prometheus is told of freshness: of each asset with a policy its state, its lateness and how fresh it was.

An asset costs seven series. Of more assets than `MOST_ASSETS` only those in trouble are told one by one; the others are
counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from upwell.durations import format_duration
from upwell.events import AssetMaterialized, FreshnessAtRisk, FreshnessChanged, FreshnessState
from upwell.journal.journal import Record
from upwell.planning.maintenance import MaintenanceCalendar
from upwell.planning.slo import Timeline, totals
from upwell.web.parts import WebParts

MOST_ASSETS = 2000
WINDOWS = (timedelta(hours=1), timedelta(hours=6), timedelta(days=3), timedelta(days=30))

_PAGE = 1000
_MOST_READ = 50_000  # transitions of all assets that are looked back to at the start
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
    """Follows the transitions; the figures are of the instant of the scrape."""

    def __init__(self, parts: WebParts, registry: CollectorRegistry) -> None:
        self._parts = parts
        self._assets: dict[str, _Followed] = {}
        self._upto = 0
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

    def collect(self) -> Iterator[Metric]:
        """The figures of now."""
        state = GaugeMetricFamily(
            "upwell_freshness_state", "Freshness: 0 fresh, 1 warned, 2 late, 3 not known yet", labels=["asset"]
        )
        late = GaugeMetricFamily("upwell_freshness_late_seconds", "Time since the missed deadline", labels=["asset"])
        risk = GaugeMetricFamily("upwell_freshness_at_risk", "1 if the next deadline will be missed", labels=["asset"])
        ratio = GaugeMetricFamily(
            "upwell_freshness_ratio", "Part of the time that counts in which it was fresh", labels=["asset", "window"]
        )
        untold = GaugeMetricFamily("upwell_freshness_untold_assets", "Assets not in trouble, and not told one by one")
        now = self._parts.clock.now()
        calendar = MaintenanceCalendar(self._parts.maintenance, self._parts.project.graph, now - max(WINDOWS), now)
        told = self._told(now)
        for asset, one in told.items():
            state.add_metric([asset], _CODES[one.timeline.state or "UNKNOWN"])
            late.add_metric([asset], one.late_for(now).total_seconds())
            risk.add_metric([asset], one.at_risk(now))
            excluded = calendar.of(asset)
            for window in WINDOWS:
                part = totals(one.timeline.stretches(now - window, now), excluded).late_ratio
                if part is not None:
                    ratio.add_metric([asset, format_duration(window)], 1.0 - part)
        untold.add_metric([], sum(1 for _ in self._with_policy()) - len(told))
        yield from (state, late, risk, ratio, untold)

    def _with_policy(self) -> Iterator[tuple[str, _Followed]]:
        graph = self._parts.project.graph
        for asset, one in self._assets.items():
            node = graph.assets.get(asset)
            if node is not None and node.freshness is not None and one.timeline.state != "NOT_APPLICABLE":
                yield asset, one

    def _told(self, now: datetime) -> dict[str, _Followed]:
        followed = dict(self._with_policy())
        if len(followed) <= MOST_ASSETS:
            return followed
        month = now - max(WINDOWS)
        return {
            asset: one
            for asset, one in followed.items()
            if one.timeline.state in ("WARN", "FAIL") or one.at_risk(now) or _was_late(one.timeline, month, now)
        }


def _was_late(timeline: Timeline, start: datetime, end: datetime) -> bool:
    return any(one.state == "FAIL" for one in timeline.stretches(start, end))
