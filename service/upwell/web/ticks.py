"""Ticks: the calls of sensors and schedules, and what became of the runs that they asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from upwell.events import EventDecided, RunRequested, SensorEvaluated, SensorFailed, WantedRun
from upwell.journal.journal import Record
from upwell.journal.views import SensorStatus
from upwell.web import listening_models as models
from upwell.web.parts import WebParts

TICKS = frozenset((SensorEvaluated.kind, SensorFailed.kind))
"""The kinds of events that are a call."""

_ANSWERED_WITHIN = 200  # decisions after a call among which those about it are looked for
_SCANNED = 5_000  # calls looked at for one page, when only some are wanted


async def read_ticks(
    parts: WebParts, *, sensor: str | None, status: SensorStatus | None, limit: int, before: int | None
) -> models.TickPage:
    """A page of calls, newest first."""
    records, following = await _tick_records(parts, sensor=sensor, status=status, limit=limit, before=before)
    return models.TickPage(ticks=tuple([await _tick(parts, record) for record in records]), next=following)


async def _tick_records(
    parts: WebParts, *, sensor: str | None, status: SensorStatus | None, limit: int, before: int | None
) -> tuple[Sequence[Record], int | None]:
    """The calls, and where the next page begins."""
    source = None if sensor is None else f"sensor:{sensor}"
    kinds = TICKS if status is None else {SensorFailed.kind if status == "failed" else SensorEvaluated.kind}
    found: list[Record] = []
    scanned = 0
    while len(found) < limit and scanned < _SCANNED:
        page = await parts.queries.events(source=source, kinds=kinds, before=before, limit=limit)
        scanned += len(page)
        for record in page:
            before = record.id
            if status in (None, tick_status(record)):
                found.append(record)
            if len(found) == limit:
                break
        if len(page) < limit:
            return found, before if len(found) == limit and page and before != page[-1].id else None
    return found, before


def tick_status(record: Record) -> SensorStatus:
    """What came of a call."""
    if isinstance(record.event, SensorFailed):
        return "failed"
    return "requested" if isinstance(record.event, SensorEvaluated) and record.event.runs else "skipped"


async def _tick(parts: WebParts, record: Record) -> models.Tick:
    event = record.event
    assert isinstance(event, SensorEvaluated | SensorFailed)
    shared = {name: getattr(event, name) for name in ("sensor", "attempt", "duration", "event_ids", "log")}
    tick = models.Tick(event_id=record.id, at=record.at, status=tick_status(record), **shared)
    if isinstance(event, SensorFailed):
        return tick.model_copy(update={"error": event.error, "retry_at": event.retry_at})
    runs, rejected = await _runs_of(parts, record.id, event) if event.runs else ((), ())
    return tick.model_copy(
        update={"runs": runs, "rejected": rejected, "skip_reason": event.skip_reason, "cursor": event.cursor}
    )


async def _runs_of(
    parts: WebParts, tick_id: int, event: SensorEvaluated
) -> tuple[tuple[models.TickRun, ...], tuple[str, ...]]:
    """What became of the runs that a call asked for, and why some could not be."""
    after = await parts.queries.events(
        after=tick_id, kinds=(EventDecided.kind, RunRequested.kind), newest_first=False, limit=_ANSWERED_WITHIN
    )
    decided = [each.event for each in after if isinstance(each.event, EventDecided) and tick_id in each.event.event_ids]
    own = {each.run_id for each in decided}
    requested = [each.event for each in after if isinstance(each.event, RunRequested) and each.event.run_id in own]
    keys = [wanted.run_key for wanted in event.runs if wanted.run_key is not None]
    known = await parts.queries.run_keys(event.sensor, keys, parts.clock.now()) if keys else {}
    taken = {key: run_id for key, (run_id, _) in known.items()}
    runs = tuple(tick_runs(event.runs, requested, taken, answered=bool(decided)))
    return runs, tuple(each.reason for each in decided if each.outcome == "rejected")


def tick_runs(
    wanted: Iterable[WantedRun], requested: Sequence[RunRequested], taken: Mapping[str, str], *, answered: bool
) -> Iterator[models.TickRun]:
    """Each run that was asked for with the run that came of it, in order; the same key twice is suppressed once."""
    rest = list(requested)
    for one in wanted:
        run = next((each for each in rest if _same(each, one)), None)
        if run is not None:
            rest.remove(run)
        holder = taken.get(one.run_key) if one.run_key is not None and answered else None
        yield models.TickRun(
            run_id=run.run_id if run is not None else holder,
            run_key=one.run_key,
            job=one.job,
            assets=run.roots if run is not None else one.assets,
            partition=one.partition,
            suppressed=run is None and holder is not None,
        )


def _same(run: RunRequested, wanted: WantedRun) -> bool:
    return (run.run_key, run.job, run.partition) == (wanted.run_key, wanted.job, wanted.partition)
