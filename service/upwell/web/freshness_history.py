"""Reads how fresh an asset was out of the journal, and says it as the API does."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from upwell.durations import format_duration
from upwell.events import FreshnessChanged
from upwell.journal.journal import Record
from upwell.journal.retention import TRANSITIONS_KEPT_FOR
from upwell.planning.maintenance import MaintenanceCalendar
from upwell.planning.slo import Totals, timeline_of, totals
from upwell.web import freshness_models as models
from upwell.web.parts import WebParts

BURN_WINDOWS = (timedelta(hours=1), timedelta(hours=6), timedelta(days=3))

_PAGE = 1000
_MOST_READ = 20_000  # transitions; of an asset that changes more often the rest counts as not recorded
_MOST_SHOWN = 1000


async def read_history(parts: WebParts, asset: str, window: timedelta, objective: float) -> models.FreshnessHistory:
    """The history of an asset up to now.

    Args:
        objective: the percentage of the time in which the asset is to be fresh.
    """
    now = parts.clock.now()
    start = now - window
    since = min(start, now - max(BURN_WINDOWS))
    records, complete_from = await _transitions(parts, asset, since, now)
    state = None
    if not records:
        row = (await parts.queries.freshness()).get(asset)
        state = "NOT_APPLICABLE" if row is None else row.state
    timeline = timeline_of(asset, records, complete_from=complete_from, state=state)
    maintenance = MaintenanceCalendar(parts.maintenance, parts.project.graph, since, now).of(asset)
    stretches = [*timeline.stretches(start, now)]
    whole = totals(stretches, maintenance)
    shown = [record for record in reversed(records) if _dated(record) >= start]
    return models.FreshnessHistory(
        asset=asset,
        start=start,
        end=now,
        known_from=next((one.end for one in stretches if one.state is None), None),
        state=timeline.state,
        objective=objective,
        percent_fresh=None if whole.late_ratio is None else 100.0 * (1.0 - whole.late_ratio),
        seconds=_seconds(whole),
        budget=_budget(whole, objective / 100.0),
        burn_rates=tuple(
            _burn_rate(one, totals(timeline.stretches(now - one, now), maintenance), objective / 100.0)
            for one in BURN_WINDOWS
        ),
        transitions=_presented(shown[:_MOST_SHOWN], records),
        more=len(shown) > _MOST_SHOWN,
    )


async def _transitions(parts: WebParts, asset: str, since: datetime, now: datetime) -> tuple[list[Record], datetime]:
    """The transitions written since then, in order, and from when on there is none missing."""
    found: list[Record] = []
    while len(found) < _MOST_READ:
        page = await parts.queries.events(
            asset=asset, kinds=(FreshnessChanged.kind,), before=found[-1].id if found else None, limit=_PAGE
        )
        found += page
        if len(page) < _PAGE or page[-1].at < since:
            complete_from = await _complete_from(parts, since, now)
            break
    else:
        complete_from = found[-1].at
    own = [one for one in found if isinstance(one.event, FreshnessChanged) and one.event.asset == asset]
    return own[::-1], complete_from


async def _complete_from(parts: WebParts, since: datetime, now: datetime) -> datetime:
    """Transitions go in the order of their ids: what is newer than the oldest one of all is there."""
    always = now - TRANSITIONS_KEPT_FOR
    if since >= always:
        return since
    oldest = await parts.queries.events(kinds=(FreshnessChanged.kind,), limit=1, newest_first=False)
    return max(since, min(always, *(record.at for record in oldest))) if oldest else always


def _presented(shown: Sequence[Record], records: Sequence[Record]) -> tuple[models.FreshnessTransition, ...]:
    put_right = {
        wrong: record.id
        for record in records
        if isinstance(record.event, FreshnessChanged)
        for wrong in record.event.corrects
    }
    return tuple(
        models.FreshnessTransition(
            event_id=record.id,
            at=event.changed_at,
            recorded_at=record.at,
            corrected_by=put_right.get(record.id),
            **{
                name: getattr(event, name)
                for name in models.FreshnessTransition.model_fields
                if name in FreshnessChanged.__slots__
            },
        )
        for record in shown
        if isinstance(event := record.event, FreshnessChanged)
    )


def _dated(record: Record) -> datetime:
    return record.event.changed_at if isinstance(record.event, FreshnessChanged) else record.at


def _seconds(found: Totals) -> models.FreshnessTime:
    return models.FreshnessTime(
        **{name: getattr(found, name).total_seconds() for name in models.FreshnessTime.model_fields}
    )


def _budget(found: Totals, objective: float) -> models.ErrorBudget:
    allowed, used = found.budget(objective).total_seconds(), found.late.total_seconds()
    rate = found.burn_rate(objective)
    return models.ErrorBudget(
        allowed=allowed,
        used=used,
        remaining=allowed - used,
        used_percent=None if rate is None else 100.0 * rate,
    )


def _burn_rate(window: timedelta, found: Totals, objective: float) -> models.BurnRate:
    return models.BurnRate(
        window=format_duration(window), late=found.late.total_seconds(), rate=found.burn_rate(objective)
    )
