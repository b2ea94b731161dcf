"""Reads what an explanation of an asset is made of: decisions about it, and about what it listens to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice

from upwell.events import DuplicateIgnored, EventDeadLettered, EventDecided, SensorFailed
from upwell.journal.journal import Record
from upwell.journal.views import DeadLetter, RunView
from upwell.web import circumstances, explaining, models
from upwell.web.catalogue import find_asset, read_present
from upwell.web.circumstances import Circumstances, Feeding, feeding
from upwell.web.listening import TOLD, last_told, read_failing, read_switches
from upwell.web.parts import WebParts
from upwell.web.ticks import TICKS

_DECISIONS = 500  # looked through for those about events that led to nothing
_DEAD = 100  # dead letters looked through
_TOLD_OF = 10  # dead letters told of


async def explain(parts: WebParts, asset: str, *, before: int | None, limit: int) -> models.Explanation:
    """Why an asset is as it is.

    Raises:
        ProblemError: 404, there is no such asset.
    """
    key = find_asset(parts, asset).key
    present = await read_present(parts)
    feeds = feeding(key, present.graph)
    records = await parts.queries.events(asset=key, kinds=explaining.KINDS, before=before, limit=limit)
    runs = await parts.queries.runs(asset=key, before=before, limit=limit)
    others = await _other_records(parts, key, feeds, runs, before, limit)
    decisions = explaining.newest_first(key, [*records, *others], runs, limit, parts.clock.now())
    return models.Explanation(
        asset=key,
        status=present.statuses[key],
        summary=explaining.summary(key, present),
        stale_because=explaining.stale_because(key, present),
        now=await _now(parts, key, feeds) if before is None else (),
        decisions=decisions,
        next=decisions[-1].event_id if len(decisions) == limit else None,
    )


async def _other_records(
    parts: WebParts, key: str, feeds: Feeding, runs: Sequence[RunView], before: int | None, limit: int
) -> list[Record]:
    """Records that are not filed under the asset and yet say why it was made or not."""
    own: set[int] = set()  # events of its sources, and calls of its sensors
    found: list[Record] = []
    for source in feeds.sources:
        heard = await parts.queries.events(
            source=source, kinds=TOLD | {DuplicateIgnored.kind}, before=before, limit=limit
        )
        found += [record for record in heard if isinstance(record.event, DuplicateIgnored)]
        own |= {record.id for record in heard}
    for node in feeds.sensors:
        called = await parts.queries.events(source=f"sensor:{node.name}", kinds=TICKS, before=before, limit=limit)
        found += [record for record in called if isinstance(record.event, SensorFailed)]
        own |= {record.id for record in called}
    if own:
        decided = await parts.queries.events(
            kinds=(EventDecided.kind,), after=min(own) - 1, before=before, limit=_DECISIONS
        )
        found += _each_reason_once(_not_filed(decided, key, feeds, own))
    dead = await parts.queries.events(kinds=(EventDeadLettered.kind,), before=before, limit=limit)
    run_ids = {str(run.run_id) for run in runs}
    sensors = {node.name for node in feeds.sensors}
    found += [record for record in dead if _dead_concerns(record, own, run_ids, sensors)]
    return found


def _not_filed(decided: Iterable[Record], key: str, feeds: Feeding, own: set[int]) -> Iterator[Record]:
    """Decisions that events led to nothing for the asset, or to the call of a sensor that asks for runs of it."""
    sensors = {node.name for node in feeds.sensors}
    for record in decided:
        event = record.event
        if not isinstance(event, EventDecided) or key in event.assets or own.isdisjoint(event.event_ids):
            continue
        nothing = not event.assets and (event.sensor is None or event.sensor in sensors)
        if nothing or key in event.reason:
            yield record


def _each_reason_once(records: Iterable[Record]) -> list[Record]:
    """Of those that say the same the newest, about the events of all: a sensor that finds nothing says so all day."""
    found: dict[tuple[str, str], Record] = {}
    for record in records:
        event = record.event
        assert isinstance(event, EventDecided)
        newest = found.setdefault((event.outcome, event.reason), record)
        if newest is not record and isinstance(newest.event, EventDecided):
            ids = tuple(sorted({*newest.event.event_ids, *event.event_ids}))
            found[event.outcome, event.reason] = replace(newest, event=replace(newest.event, event_ids=ids))
    return list(found.values())


def _dead_concerns(record: Record, own: set[int], run_ids: set[str], sensors: set[str]) -> bool:
    event = record.event
    if not isinstance(event, EventDeadLettered):
        return False
    return event.run_id in run_ids or event.sensor in sensors or not own.isdisjoint(event.event_ids)


async def _now(parts: WebParts, key: str, feeds: Feeding) -> tuple[str, ...]:
    waiting = [each for each in await parts.queries.waiting_events() if circumstances.concerns(each, feeds)]
    now = Circumstances(
        now=parts.clock.now(),
        heard={source: await last_told(parts, source) for source in feeds.sources},
        switches=await read_switches(parts),
        failing=await read_failing(parts),
        states=await parts.queries.sensor_states() if feeds.sensors else {},
        waiting=waiting,
        dead=await _dead_letters(parts, feeds),
    )
    return circumstances.sentences(key, parts.project.graph, feeds, now)


async def _dead_letters(parts: WebParts, feeds: Feeding) -> list[DeadLetter]:
    """The newest dead letters of what feeds the asset."""
    letters = await parts.queries.dead_letters(limit=_DEAD)
    sources = {
        record.id: getattr(record.event, "source", None)
        for record in await parts.queries.events_by_id([letter.event_id for letter in letters])
    }
    sensors = {node.name for node in feeds.sensors}
    relevant = (
        letter
        for letter in letters
        if (letter.sensor in sensors if letter.sensor else sources.get(letter.event_id) in feeds.sources)
    )
    return list(islice(relevant, _TOLD_OF))
