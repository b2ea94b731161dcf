"""One transaction of the journal: several appends, decided in order, written together. No I/O here: see `store.py`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeAlias, TypeVar, assert_never

from upwell.errors import ExpectationFailed
from upwell.events import (
    DuplicateIgnored,
    Event,
    FileChanged,
    MessageReceived,
    RunId,
    TimerFired,
    WebhookAccepted,
    encode,
)
from upwell.journal import tables
from upwell.journal.changes import (
    AssetChange,
    Change,
    Folded,
    RunAssetsEnded,
    StepAssetsEnded,
    StepAssetsStarted,
    Upsert,
    fold,
)
from upwell.journal.journal import Progress, Receipt, Record, StillQueued
from upwell.journal.projections import project, run_of, run_status_after, source_of
from upwell.journal.statements import Statements, lookup_size
from upwell.journal.store import Call, Fetch, Row, Run, Transaction
from upwell.journal.tables import from_micros, to_micros
from upwell.journal.views import RunStatus

T = TypeVar("T")

DELIVERIES_KNOWN_FOR = timedelta(days=7)

Delivery: TypeAlias = tuple[str, str]  # source, delivery_id


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """The events of one `append` or `post`, encoded: written together or not at all."""

    events: tuple[Event, ...]
    bodies: tuple[str, ...]
    size: int  # in characters, as a weight in queues
    progress: Progress | None = None
    expect: tuple[StillQueued, ...] = ()


def entry_of(events: tuple[Event, ...], progress: Progress | None = None, expect: Sequence[StillQueued] = ()) -> Entry:
    """Encode, once, in the caller's task: what cannot be encoded is the caller's error alone."""
    bodies = tuple([encode(event).decode() for event in events])
    size = sum(map(len, bodies))
    return Entry(events=events, bodies=bodies, size=size, progress=progress, expect=tuple(expect))


Outcome: TypeAlias = tuple[Receipt, ...] | ExpectationFailed


@dataclass(frozen=True, kw_only=True, slots=True)
class Written:
    """What a transaction wrote, and what it answers to each entry."""

    head: int
    records: Sequence[Record]
    sizes: Sequence[int]
    outcomes: Sequence[Outcome]


@dataclass(slots=True)
class _Batch:
    """Decides entry by entry, remembering what the entries before have changed."""

    now: datetime
    head: int
    first_receipts: dict[Delivery, Receipt]
    run_statuses: dict[RunId, RunStatus | None]
    records: list[Record] = field(default_factory=list)
    bodies: list[str] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)

    def take(self, entry: Entry) -> Outcome:
        for guard in entry.expect:
            if self.run_statuses.get(guard.run_id) != "QUEUED":
                return ExpectationFailed(
                    f"run {guard.run_id} is not queued any more; nothing of this append was written"
                )
        if entry.progress is not None:
            progress = entry.progress
            self.changes.append(Upsert(tables.progress, (progress.consumer,), {"event_id": progress.event_id}))
        return tuple([self._write(event, body) for event, body in zip(entry.events, entry.bodies, strict=True)])

    def _write(self, event: Event, body: str) -> Receipt:
        delivery = delivery_of(event)
        first = None if delivery is None else self.first_receipts.get(delivery)
        if delivery is not None and first is not None:
            source, delivery_id = delivery
            event = DuplicateIgnored(source=source, delivery_id=delivery_id, first_event_id=first.id)
            body = encode(event).decode()
        self.head += 1
        record = Record(id=self.head, at=self.now, event=event)
        self.records.append(record)
        self.bodies.append(body)
        self.changes.extend(project(record))
        if (changed := run_of(event)) is not None and (status := run_status_after(event)) is not None:
            self.run_statuses[changed] = status
        if first is not None:
            return Receipt(id=first.id, at=first.at, duplicate=True)
        receipt = Receipt(id=record.id, at=record.at)
        if delivery is not None:
            self.first_receipts[delivery] = receipt
        return receipt


def delivery_of(event: Event) -> Delivery | None:
    """What makes a repeat of this event recognisable."""
    if isinstance(event, (WebhookAccepted, FileChanged, TimerFired, MessageReceived)) and event.delivery_id is not None:
        return (event.source, event.delivery_id)
    return None


def write(entries: Sequence[Entry], now: datetime, statements: Statements) -> Transaction[Written]:
    """Write what the entries ask for, with all its consequences."""
    [[newest]] = yield Fetch(statements.head)
    batch = _Batch(
        now=now,
        head=newest or 0,
        first_receipts=(yield from _known_deliveries(entries, now, statements)),
        run_statuses=(yield from _run_statuses(entries, statements)),
    )
    outcomes = [batch.take(entry) for entry in entries]
    if batch.records:
        at = to_micros(now)
        rows = [_row(record, at, body) for record, body in zip(batch.records, batch.bodies, strict=True)]
        yield Run(statements.insert_events, rows)
    yield from _calls(fold(batch.changes), statements)
    return Written(head=batch.head, records=batch.records, sizes=[*map(len, batch.bodies)], outcomes=outcomes)


def _row(record: Record, at: int, body: str) -> Row:
    event = record.event
    return (record.id, at, event.kind, run_of(event), source_of(event), body)


def _known_deliveries(
    entries: Iterable[Entry], now: datetime, statements: Statements
) -> Transaction[dict[Delivery, Receipt]]:
    wanted = {delivery for entry in entries for event in entry.events if (delivery := delivery_of(event)) is not None}
    oldest = now - DELIVERIES_KNOWN_FOR
    known: dict[Delivery, Receipt] = {}
    for keys in _chunks(list(wanted)):
        found = yield Fetch(statements.find_deliveries(len(keys)), tuple(part for key in keys for part in key))
        for source, delivery_id, event_id, at in found:
            receipt = Receipt(id=event_id, at=from_micros(at))
            if receipt.at > oldest:
                known[source, delivery_id] = receipt
    return known


def _run_statuses(entries: Iterable[Entry], statements: Statements) -> Transaction[dict[RunId, RunStatus | None]]:
    wanted = {guard.run_id for entry in entries for guard in entry.expect}
    statuses: dict[RunId, RunStatus | None] = {}
    for keys in _chunks(list(wanted)):
        found = yield Fetch(statements.run_statuses(len(keys)), tuple(keys))
        statuses.update((run_id, status) for run_id, status in found)
    return statuses


def _chunks(keys: Sequence[T]) -> Iterator[Sequence[T]]:
    """The keys in pieces of a prepared size each; the last piece is filled up by repeating."""
    size = lookup_size(len(keys))
    for start in range(0, len(keys), size):
        piece = keys[start : start + size]
        yield [*piece, *[piece[-1]] * (size - len(piece))]


def _calls(folded: Folded, statements: Statements) -> Iterator[Call]:
    for table, keys in folded.removals.items():
        yield Run(statements.remove(table), list(keys))
    for table, rows in folded.upserts.items():
        groups: dict[tuple[str, ...], list[Row]] = {}
        for key, values in rows.items():
            groups.setdefault(tuple(values), []).append((*key, *values.values()))
        for columns, group in groups.items():
            statement, arrange = statements.upsert(table, columns)
            yield Run(statement, list(map(arrange, group)))
    yield from _asset_calls(folded.asset_changes, statements)


def _asset_calls(changes: Sequence[AssetChange], statements: Statements) -> Iterator[Call]:
    """Starts and ends touch different columns, so they may be sorted; the end of a run looks at both."""
    started: list[Row] = []
    ended: list[Row] = []
    for change in changes:
        match change:
            case StepAssetsStarted(run, step, event):
                names = {"event": event, "run": run, "started_run": run, "step": step}
                started.append(statements.start_step_assets.row(names))
            case StepAssetsEnded(run, step, event):
                ended.append(statements.end_step_assets.row({"event": event, "run": run, "step": step}))
            case RunAssetsEnded(run, event):
                yield from _step_calls(started, ended, statements)
                started, ended = [], []
                names = {"event": event, "run": run, "started_run": run}
                yield Run(statements.end_run_assets, [statements.end_run_assets.row(names)])
            case _:
                assert_never(change)
    yield from _step_calls(started, ended, statements)


def _step_calls(started: Sequence[Row], ended: Sequence[Row], statements: Statements) -> Iterator[Call]:
    if started:
        yield Run(statements.start_step_assets, started)
    if ended:
        yield Run(statements.end_step_assets, ended)
