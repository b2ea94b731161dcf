"""What a call is about, put together for the worker that makes it."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime
from itertools import chain, count
from typing import TypeVar

import structlog

from upwell.clock import Clock
from upwell.definitions.asset_cursor import AssetCursor, parse_cursor
from upwell.definitions.keys import AssetKey
from upwell.definitions.snapshot import SensorNode
from upwell.errors import JournalUnavailable
from upwell.events import (
    AssetMaterialized,
    RunCanceled,
    RunFailed,
    RunRequested,
    RunStarted,
    RunSucceeded,
    TimerFired,
    encode,
)
from upwell.journal.journal import Record
from upwell.journal.projections import run_status_after
from upwell.journal.queries import Queries
from upwell.journal.views import RunView, StepView
from upwell.runtime.messages import FilterTask, SensorTask, TriggerEvent, WatchedEvent, WatchedRun, trigger_events
from upwell.sensing.lanes import Memory
from upwell.sensing.outcomes import Call
from upwell.sensing.recent import Recent

T = TypeVar("T")

_MOST_OF_AN_ASSET = 1000  # materialisations of one asset in a call of a multi-asset sensor: the newest
_PAUSE = 0.5  # seconds between tries to read while the journal cannot be read
_KINDS = {
    "QUEUED": RunRequested.kind,
    "STARTED": RunStarted.kind,
    "SUCCESS": RunSucceeded.kind,
    "FAILURE": RunFailed.kind,
    "CANCELED": RunCanceled.kind,
}

log = structlog.get_logger(__name__)


class Material:
    """Makes tasks of calls; what is not remembered it reads, waiting while the journal cannot be read."""

    def __init__(self, queries: Queries, recent: Recent, clock: Clock) -> None:
        self._queries = queries
        self._recent = recent
        self._clock = clock
        self._ids = count(1)

    async def sensor_task(
        self,
        node: SensorNode,
        location: str,
        memory: Memory,
        call: Call,
        now: datetime,
        dynamic: Mapping[str, Sequence[str]],
    ) -> SensorTask | None:
        """The call as a worker gets it; none when nothing is left that it could be about.

        Raises:
            LookupError: the events that it is about are past retention.
        """
        records = await self._records(call.event_ids)
        if call.event_ids and not records:
            raise LookupError(
                "the events that it was to be called about are no longer kept (see the setting retention)"
            )
        watched: tuple[Record, ...] = ()
        run: WatchedRun | None = None
        match node.kind:
            case "asset":
                watched = tuple(record for record in records if isinstance(record.event, AssetMaterialized))
            case "multi_asset":
                watched = await self._not_passed(node, memory.cursor)
                if not watched and call.trigger_id is not None:
                    return None
            case "run_status" if records:
                watched = tuple(records)
                run = await self._run(records[-1])
            case _:
                pass
        return SensorTask(
            id=next(self._ids),
            sensor=node.name,
            location=location,
            now=now,
            timeout=node.timeout,
            attempt=call.attempt,
            cursor=memory.cursor,
            last_run_key=memory.run_key,
            last_called_at=memory.called_at,
            events=trigger_events(records),
            watched=tuple(map(_watched, watched)),
            run=run,
            scheduled_at=_scheduled_at(records, now) if node.kind == "schedule" else None,
            dynamic=dynamic,
        )

    def filter_task(self, location: str, filters: Sequence[str], event: TriggerEvent, timeout: float) -> FilterTask:
        """The question as a worker gets it."""
        return FilterTask(id=next(self._ids), location=location, filters=tuple(filters), event=event, timeout=timeout)

    async def event(self, event_id: int) -> TriggerEvent | None:
        """A source's event, if it is still kept."""
        events = trigger_events(await self._records((event_id,)))
        return events[0] if events else None

    async def newest(self, node: SensorNode) -> tuple[int, ...]:
        """The newest event that a sensor would have been called about, for trying it out."""
        queries = self._queries
        match node.kind:
            case "event" | "schedule":
                pages = [await queries.events(source=on.source.name, limit=1) for on in node.on]
            case "asset":
                kinds = [AssetMaterialized.kind]
                pages = [await queries.events(asset=asset, kinds=kinds, limit=1) for asset in node.watched_assets]
            case "run_status":
                pages = [await queries.events(kinds=[_KINDS[status] for status in node.watched_statuses], limit=1)]
            case _:
                return ()
        newest = max((record.id for record in chain(*pages)), default=None)
        return () if newest is None else (newest,)

    async def read(self, query: Callable[[], Awaitable[T]]) -> T:
        """Ask until the journal answers."""
        while True:
            try:
                return await query()
            except JournalUnavailable as error:
                log.warning("sensing.waiting", reason=str(error))
                await self._clock.sleep(_PAUSE)

    async def _records(self, ids: Sequence[int]) -> list[Record]:
        found = self._recent.by_id(ids)
        missing = [id for id in ids if id not in found]
        if missing:
            found |= {record.id: record for record in await self.read(lambda: self._queries.events_by_id(missing))}
        return [found[id] for id in sorted(found)]

    async def _not_passed(self, node: SensorNode, cursor: str | None) -> tuple[Record, ...]:
        """The materialisations that the cursor of a multi-asset sensor has not passed, oldest first."""
        cursors = parse_cursor(cursor)
        found: dict[int, Record] = {}
        for asset in node.watched_assets:
            passed = cursors.get(AssetKey.from_user_string(asset), AssetCursor())
            for record in await self._materializations(asset, passed.id or 0):
                found[record.id] = record
            found |= {record.id: record for record in await self._records(list(passed.trailing.values()))}
        return tuple(found[id] for id in sorted(found))

    async def _materializations(self, asset: str, after: int) -> Iterable[Record]:
        known = self._recent.materializations(asset, after)
        if known is not None:
            return known
        return await self.read(
            lambda: self._queries.events(
                asset=asset, kinds=[AssetMaterialized.kind], after=after, limit=_MOST_OF_AN_ASSET
            )
        )

    async def _run(self, record: Record) -> WatchedRun | None:
        run_id = getattr(record.event, "run_id", None)
        run = await self.read(lambda: self._queries.run(str(run_id)))
        if run is None:
            return None
        steps: list[StepView] = []
        if isinstance(record.event, RunFailed):
            steps = await self.read(lambda: self._queries.steps(run.run_id))
        return _watched_run(run, run_status_after(record.event) or run.status, steps)


def _watched(record: Record) -> WatchedEvent:
    return WatchedEvent(id=record.id, at=record.at, kind=record.event.kind, body=json.loads(encode(record.event)))


def _watched_run(run: RunView, status: str, steps: Iterable[StepView]) -> WatchedRun:
    return WatchedRun(
        run_id=run.run_id,
        status=status,
        job=run.job,
        tags=run.tags,
        config=run.config,
        partition=run.partition,
        assets=tuple(dict.fromkeys(asset for step in run.plan for asset in step.assets)),
        started_at=run.started_at,
        ended_at=run.ended_at,
        error=run.error,
        step_errors={step.step_id: step.error for step in steps if step.error is not None},
    )


def _scheduled_at(records: Sequence[Record], now: datetime) -> datetime:
    """The tick that a schedule answers; of several, the newest."""
    ticks = [record.event.occurred_at or record.at for record in records if isinstance(record.event, TimerFired)]
    return ticks[-1] if ticks else now
