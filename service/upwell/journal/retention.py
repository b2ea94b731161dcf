"""Forgetting what is old, in steps so small that the writer's next commit hardly waits.

What goes: events, ended runs with their steps, closed incidents, silences, deliveries and run keys past their time.
What stays: the present state (assets, partitions, checks, freshness, cursors), every event of a run that is not
finished, every event that a consumer has not decided yet or that waits (at a gate, for filters, for a sensor's call;
with the run that it is about), and the newest event, from which ids go on. Transitions of
freshness stay for a month in any case: what was fresh for how much of it is made of them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

import anyio
import anyio.abc
import structlog
from sqlalchemy import ColumnElement, Integer, Text, bindparam, cast, func, literal_column, or_, select
from sqlalchemy.sql import ClauseElement

from upwell.clock import Clock
from upwell.errors import JournalUnavailable
from upwell.events import FreshnessChanged
from upwell.journal import tables
from upwell.journal.batch import DELIVERIES_KNOWN_FOR
from upwell.journal.listening_queries import RUN_KEYS_KNOWN_FOR
from upwell.journal.queries import Queries
from upwell.journal.store import Fetch, Run, Store, Transaction
from upwell.journal.tables import to_micros

TRANSITIONS_KEPT_FOR = timedelta(days=31)

_EVENTS_A_STEP = 200
_RUNS_A_STEP = 10  # a run may have thousands of steps
_PAUSE = timedelta(hours=1)

_log = structlog.get_logger("upwell.journal")


@dataclass(frozen=True, kw_only=True, slots=True)
class Pruned:
    """How many rows were removed."""

    events: int = 0
    runs: int = 0
    deliveries: int = 0


class Prunable(Protocol):
    """A journal that can forget."""

    @property
    def queries(self) -> Queries:
        """Its queries."""

    async def prune(self, older_than: timedelta) -> Pruned:
        """Remove what is older."""


class Pruner:
    """Keeps a journal from growing: prunes when something has become old enough, at most once an hour."""

    def __init__(self, journal: Prunable, clock: Clock, keep_for: float) -> None:
        self._journal = journal
        self._clock = clock
        self._keep_for = timedelta(seconds=keep_for)

    async def run(self, *, task_status: anyio.abc.TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Prune for ever."""
        task_status.started()
        while True:
            await self._clock.sleep_until(await self._prune())

    async def _prune(self) -> datetime:
        """Prune once; the instant of the next time."""
        later = self._clock.now() + _PAUSE
        try:
            pruned = await self._journal.prune(self._keep_for)
            oldest = await self._journal.queries.events(limit=1, newest_first=False)
        except JournalUnavailable as error:
            _log.warning("journal.prune_failed", reason=str(error))
            return later
        if pruned != Pruned():
            _log.info("journal.pruned", events=pruned.events, runs=pruned.runs, deliveries=pruned.deliveries)
        return max([later, *(record.at + self._keep_for for record in oldest)])


async def prune(store: Store, *, now: datetime, older_than: timedelta) -> Pruned:
    """Remove what is older than that, and give the space back.

    Raises:
        JournalUnavailable: the database refuses; what was removed until then stays removed.
    """
    last = await _newest_before(store, now - older_than)
    pruned = Pruned()
    async for count in _repeated(store, lambda: _prune_runs(store, last), full=_RUNS_A_STEP):
        pruned = replace(pruned, runs=pruned.runs + count)
    lasting = await _newest_before(store, now - max(older_than, TRANSITIONS_KEPT_FOR))
    after, found = 0, _EVENTS_A_STEP
    while found == _EVENTS_A_STEP:
        # What stays is passed over once, not in every step.
        found, after = await store.transact(_prune_events(store, after, last, lasting))
        pruned = replace(pruned, events=pruned.events + found)
    expired = now - DELIVERIES_KNOWN_FOR
    async for count in _repeated(store, lambda: _prune_deliveries(store, expired), full=_EVENTS_A_STEP):
        pruned = replace(pruned, deliveries=pruned.deliveries + count)
    forgotten = to_micros(now - RUN_KEYS_KNOWN_FOR)
    async for _ in _repeated(store, lambda: _prune_run_keys(store, forgotten), full=_EVENTS_A_STEP):
        pass
    cutoff = to_micros(now - older_than)
    async for _ in _repeated(store, lambda: _prune_incidents(store, cutoff), full=_EVENTS_A_STEP):
        pass
    while await store.reclaim():
        pass
    return pruned


async def _repeated(store: Store, step: Callable[[], Transaction[int]], *, full: int) -> AsyncIterator[int]:
    """Steps, each a transaction of its own, until one finds less than it could have taken."""
    count = full
    while count == full:
        count = await store.transact(step())
        yield count


async def _newest_before(store: Store, cutoff: datetime) -> int:
    """The id up to which events are older, found by bisection: the instants have no index of their own."""
    events = tables.events.c
    micros = to_micros(cutoff)
    async with store.reading() as connection:
        first, end = (await connection.execute(select(func.min(events.id), func.max(events.id)))).one()
        low, high = (first or 1) - 1, end or 0  # everything up to low is older, high (the newest event) stays
        while high - low > 1:
            middle = (low + high) // 2
            query = select(events.id, events.at).where(events.id >= middle).order_by(events.id).limit(1)
            event_id, at = (await connection.execute(query)).one()
            if at < micros and event_id < high:
                low = event_id
            else:
                high = middle
    return low


def _prune_events(store: Store, after: int, last: int, lasting: int) -> Transaction[tuple[int, int]]:
    """How many were removed, and the newest of them."""
    statements, events = store.statements, tables.events
    found = yield Fetch(statements.named("old events", _old_events), (after, last, lasting))
    if found:
        yield Run(statements.remove_by(tables.event_assets, "event_id"), found)
        yield Run(statements.remove_by(tables.dead_letters, "event_id"), found)
        yield Run(statements.remove_by(events, "id"), found)
    return len(found), found[-1][0] if found else after


def _prune_runs(store: Store, last: int) -> Transaction[int]:
    statements = store.statements
    found = yield Fetch(statements.named("old runs", _old_runs), (last,))
    if found:
        for table in (tables.steps, tables.run_events, tables.plan_assets, tables.runs):
            yield Run(statements.remove_by(table, "run_id"), found)
    return len(found)


def _prune_deliveries(store: Store, expired: datetime) -> Transaction[int]:
    statements = store.statements
    oldest = yield Fetch(statements.named("oldest deliveries", _oldest_deliveries))
    found = [(source, delivery_id) for source, delivery_id, at in oldest if at <= to_micros(expired)]
    if found:
        yield Run(statements.remove(tables.deliveries), found)
    return len(found)


def _prune_run_keys(store: Store, forgotten: int) -> Transaction[int]:
    statements = store.statements
    found = yield Fetch(statements.named("old run keys", _old_run_keys), (forgotten,))
    if found:
        yield Run(statements.remove(tables.run_keys), found)
    return len(found)


def _prune_incidents(store: Store, cutoff: int) -> Transaction[int]:
    statements = store.statements
    found = yield Fetch(statements.named("old incidents", _old_incidents), (cutoff, cutoff))
    if found:
        for table in (tables.incident_readers, tables.incidents):
            yield Run(statements.remove_by(table, "incident"), found)
    over = yield Fetch(statements.named("silences that are over", _old_silences), (cutoff,))
    if over:
        yield Run(statements.remove(tables.silences), over)
    return max(len(found), len(over))


def _literal(number: int) -> ColumnElement[int]:
    # SQLAlchemy would make parameters of these, and of the OFFSET that it adds for SQLite.
    return literal_column(str(number), Integer)


def _old_events() -> ClauseElement:
    events, runs, answered = tables.events.c, tables.runs.c, tables.run_events.c
    return (
        select(events.id)
        .where(events.id > bindparam("after"), events.id <= bindparam("last"))
        .where(or_(events.kind != literal_column(f"'{FreshnessChanged.kind}'"), events.id <= bindparam("lasting")))
        .where(events.id <= func.coalesce(select(func.min(tables.progress.c.event_id)).scalar_subquery(), events.id))
        .where(or_(events.run_id.is_(None), events.run_id.not_in(select(runs.run_id).where(tables.UNFINISHED))))
        .where(
            events.id.not_in(
                select(answered.event_id).join(tables.runs, runs.run_id == answered.run_id).where(tables.UNFINISHED)
            )
        )
        .where(events.id.not_in(select(tables.waiting.c.event_id)))
        .where(events.id.not_in(select(tables.filter_calls.c.event_id)))
        .where(~_awaits_a_call(events.id))
        .order_by(events.id)
        .limit(_literal(_EVENTS_A_STEP))
        .offset(_literal(0))
    )


def _awaits_a_call(event_id: ColumnElement[int]) -> ColumnElement[bool]:
    """Whether a sensor is still to be called about an event: calls list theirs as JSON, `[12,13]`."""
    calls = tables.sensor_calls.c
    listed = func.replace(calls.event_ids, literal_column("'['"), literal_column("','"))
    listed = func.replace(listed, literal_column("']'"), literal_column("','"))
    one = literal_column("'%,'", Text) + cast(event_id, Text) + literal_column("',%'", Text)
    return select(calls.trigger_id).where(listed.like(one)).exists()


def _old_runs() -> ClauseElement:
    runs, events = tables.runs.c, tables.events.c
    awaited = select(events.id).where(events.run_id == runs.run_id, _awaits_a_call(events.id)).exists()
    query = select(runs.run_id).where(runs.requested_id <= bindparam("last"), tables.ENDED, ~awaited)
    return query.order_by(runs.requested_id).limit(_literal(_RUNS_A_STEP)).offset(_literal(0))


def _oldest_deliveries() -> ClauseElement:
    known = tables.deliveries.c
    query = select(known.source, known.delivery_id, known.at)
    return query.order_by(known.event_id).limit(_literal(_EVENTS_A_STEP)).offset(_literal(0))


def _old_run_keys() -> ClauseElement:
    known = tables.run_keys.c
    query = select(known.sensor, known.run_key).where(known.at <= bindparam("last"))
    return query.limit(_literal(_EVENTS_A_STEP)).offset(_literal(0))


def _old_incidents() -> ClauseElement:
    incidents = tables.incidents.c
    # `opened_at` beside it is what the index is looked up by; nothing closes before it was opened.
    query = select(incidents.incident).where(
        incidents.opened_at <= bindparam("opened"), incidents.happened_at <= bindparam("closed"), ~incidents.open
    )
    return query.limit(_literal(_EVENTS_A_STEP)).offset(_literal(0))


def _old_silences() -> ClauseElement:
    silences = tables.silences.c
    query = select(silences.silence).where(silences.until <= bindparam("cutoff"))
    return query.limit(_literal(_EVENTS_A_STEP)).offset(_literal(0))
