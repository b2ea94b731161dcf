"""For tests of your own: a clock that you move, a journal in memory, and what every event source must be able to do."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import anyio
import anyio.lowlevel
from sqlalchemy import Table

from upwell.alerts.alert import Alert
from upwell.alerts.sinks.sink import AlertSink
from upwell.clock import Clock, FakeClock, SystemClock
from upwell.errors import JournalUnavailable
from upwell.events import (
    AssetMaterialized,
    AssetObserved,
    Event,
    FreshnessChanged,
    Json,
    ListeningPaused,
    ListeningResumed,
    SourceAdvanced,
    SourceEvent,
    SourceFailing,
    SourceWorking,
)
from upwell.journal import rows, tables
from upwell.journal.changes import Remove, Upsert
from upwell.journal.database import StoredJournal, open_journal
from upwell.journal.journal import Progress, Receipt, Record, StillQueued
from upwell.journal.projections import assets_of, project
from upwell.journal.views import (
    AssetState,
    DemandRow,
    FailingSource,
    FreshnessRow,
    NewestMade,
    PartitionState,
    RunView,
    StepView,
    Switch,
    WaitingEvent,
)
from upwell.sources.source import EventSource

__all__ = ["AlertSinkContract", "FakeClock", "MemoryJournal", "SourceContract", "temporary_journal"]


@asynccontextmanager
async def temporary_journal(clock: Clock | None = None) -> AsyncIterator[StoredJournal]:
    """The real journal, on SQLite, in a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="upwell-") as folder:
        url = f"sqlite+aiosqlite:///{Path(folder) / 'upwell.db'}"
        async with open_journal(url, clock=clock or SystemClock()) as journal:
            yield journal


class MemoryJournal:
    """A journal without a disk, for tests of what reads and writes one; it is its own `queries`.

    Set `refuses` and it answers as a full disk would. It knows sources, runs, materialisations and freshness; not what
    waits at gates or for a sensor.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._grown = anyio.Event()
        self._progress: dict[str, int] = {}
        self._kept: dict[Table, dict[tuple[Json, ...], dict[str, Json]]] = defaultdict(dict)
        self.records: list[Record] = []
        self.refuses = False
        self.appends = 0

    @property
    def queries(self) -> MemoryJournal:
        return self

    @property
    def head(self) -> int:
        return len(self.records)

    async def append(
        self, *events: Event, progress: Progress | None = None, expect: Sequence[StillQueued] = ()
    ) -> tuple[Receipt, ...]:
        await anyio.lowlevel.checkpoint()
        if self.refuses:
            raise JournalUnavailable("the test's disk is full")
        self.appends += 1
        if progress is not None:
            self._progress[progress.consumer] = progress.event_id
        return tuple(self._write(event) for event in events)

    def post(self, *events: Event) -> None:
        for event in events:
            self._write(event)

    async def flush(self) -> None:
        await anyio.lowlevel.checkpoint()

    async def subscribe(self, after: int) -> AsyncIterator[Sequence[Record]]:
        while True:
            while self.head <= after:
                await self._grown.wait()
            batch = self.records[after:]
            after = batch[-1].id
            yield batch

    def _write(self, event: Event) -> Receipt:
        record = Record(id=self.head + 1, at=self._clock.now(), event=event)
        self.records.append(record)
        for change in project(record):
            if isinstance(change, Upsert):
                self._kept[change.table].setdefault(change.key, {}).update(change.values)
            elif isinstance(change, Remove):
                self._kept[change.table].pop(change.key, None)
        grown, self._grown = self._grown, anyio.Event()
        grown.set()
        return Receipt(id=record.id, at=record.at)

    def _rows(self, table: Table) -> list[dict[str, Json]]:
        blank = {column.name: None if column.server_default is None else 0 for column in table.columns}
        names = [column.name for column in table.primary_key]
        return [{**blank, **dict(zip(names, key, strict=True)), **row} for key, row in self._kept[table].items()]

    def all_of(self, kind: str) -> list[Record]:
        """Every record of a kind, in order."""
        return [record for record in self.records if record.event.kind == kind]

    async def switches(self) -> list[Switch]:
        found: dict[tuple[str, str], Switch] = {}
        for record in self.records:
            match record.event:
                case ListeningPaused(what=what, name=name):
                    found[what, name] = Switch(what=what, name=name, active=False, at=record.at)
                case ListeningResumed(what=what, name=name):
                    found[what, name] = Switch(what=what, name=name, active=True, at=record.at)
                case _:
                    pass
        return list(found.values())

    async def failing_sources(self) -> list[FailingSource]:
        found: dict[str, FailingSource] = {}
        for record in self.records:
            match record.event:
                case SourceFailing(source=source, error=error, since=since):
                    found[source] = FailingSource(source=source, since=since or record.at, error=error)
                case SourceWorking(source=source):
                    found.pop(source, None)
                case _:
                    pass
        return list(found.values())

    async def unfinished_runs(self) -> tuple[int, list[RunView]]:
        found = [run for run in self._runs() if run.status in ("QUEUED", "STARTED")]
        return self.head, found

    async def run(self, run_id: str) -> RunView | None:
        return next((run for run in self._runs() if run.run_id == run_id), None)

    def _runs(self) -> list[RunView]:
        found = [row for row in self._rows(tables.runs) if row["requested_id"] is not None]
        return rows.run_views(found, self._rows(tables.run_events))

    async def steps(self, run_id: str) -> list[StepView]:
        return [rows.step_view(row) for row in self._rows(tables.steps) if row["run_id"] == run_id]

    async def demands(self) -> dict[str, DemandRow]:
        return {row["asset"]: rows.demand_row(row) for row in self._rows(tables.demands)}

    async def durations(self) -> dict[str, list[float]]:
        found: dict[str, list[float]] = defaultdict(list)
        for row in sorted(self._rows(tables.durations), key=lambda row: row["event_id"]):
            found[row["step"]].append(row["seconds"])
        return found

    async def materialized(self, pairs: Collection[tuple[str, str | None]]) -> set[tuple[str, str | None]]:
        events = (record.event for record in self.all_of(AssetMaterialized.kind))
        made = [(one.asset, one.partition) for one in events if isinstance(one, AssetMaterialized)]
        return {*made, *((asset, None) for asset, _ in made)} & {*pairs}

    async def waiting_events(self) -> list[WaitingEvent]:
        return []

    async def progress(self, consumer: str) -> int:
        return self._progress.get(consumer, 0)

    async def source_cursor(self, source: str) -> dict[str, Json]:
        cursor: dict[str, Json] = {}
        for record in self.records:
            if getattr(record.event, "source", None) == source:
                cursor.update(getattr(record.event, "cursor", {}))
        return {item: value for item, value in cursor.items() if value is not None}

    async def asset_states(self, assets: Collection[str] | None = None) -> dict[str, AssetState]:
        states: dict[str, AssetState] = {}
        for record in self.all_of(AssetMaterialized.kind):
            event = record.event
            if isinstance(event, AssetMaterialized) and (assets is None or event.asset in assets):
                states[event.asset] = AssetState(
                    asset=event.asset,
                    materialized_id=record.id,
                    materialized_at=event.made_at(record.at),
                    materialized_partition=event.partition,
                    reported_at=None if event.materialized_at is None else record.at,
                    data_time=event.data_time,
                    data_id=record.id,
                )
        for record in self.all_of(AssetObserved.kind):
            event = record.event
            if isinstance(event, AssetObserved) and (assets is None or event.asset in assets):
                state = replace(states.get(event.asset, AssetState(asset=event.asset)), observed_at=record.at)
                if event.data_time is not None and record.id > state.data_id:
                    state = replace(state, data_time=event.data_time, data_id=record.id)
                states[event.asset] = state
        return states

    async def newest_made(self, assets: Collection[str] | None = None) -> dict[str, NewestMade]:
        return {
            state.asset: NewestMade(
                asset=state.asset,
                materialized_id=state.materialized_id,
                materialized_at=state.materialized_at,
                partition=state.materialized_partition,
                observed_at=state.observed_at,
                reported_at=state.reported_at,
                data_time=state.data_time,
                data_id=state.data_id,
            )
            for state in (await self.asset_states(assets)).values()
        }

    async def partitions(self, asset: str) -> dict[str, PartitionState]:
        states: dict[str, PartitionState] = {}
        for record in self.all_of(AssetMaterialized.kind):
            event = record.event
            if isinstance(event, AssetMaterialized) and event.asset == asset and event.partition is not None:
                states[event.partition] = PartitionState(
                    asset=asset,
                    partition=event.partition,
                    materialized_id=record.id,
                    materialized_at=event.made_at(record.at),
                    data_time=event.data_time,
                )
        return states

    async def partitions_made(self, asset: str, since: datetime) -> list[tuple[str, int]]:
        found = await self.partitions(asset)
        return [
            (s.partition, s.materialized_id) for s in found.values() if s.materialized_at and s.materialized_at >= since
        ]

    async def freshness(self) -> dict[str, FreshnessRow]:
        rows: dict[str, FreshnessRow] = {}
        for record in self.all_of(FreshnessChanged.kind):
            event = record.event
            if isinstance(event, FreshnessChanged):
                first = event.previous_state == "NOT_APPLICABLE"
                rows[event.asset] = FreshnessRow(
                    asset=event.asset,
                    state=event.state,
                    changed_at=event.changed_at,
                    deadline=event.deadline,
                    last_materialized=event.last_materialized,
                    cause=event.cause,
                    known_since=event.changed_at if first else rows[event.asset].known_since,
                )
        return rows

    async def events(
        self,
        *,
        before: int | None = None,
        after: int | None = None,
        limit: int = 100,
        kinds: Collection[str] | None = None,
        asset: str | None = None,
        newest_first: bool = True,
    ) -> list[Record]:
        found = [
            record
            for record in self.records[after or 0 : None if before is None else before - 1]
            if (kinds is None or record.event.kind in kinds) and (asset is None or asset in assets_of(record.event))
        ]
        return (found[::-1] if newest_first else found)[:limit]


class SourceContract:
    """What every event source must be able to do; subclass it, and pytest runs it.

    Write `make_source` and `emit`. Give the same `name` to every source you make, and let each `emit` cause
    exactly one event.
    """

    name = "contract"
    patience = 10.0
    """Seconds within which what was emitted must have been told."""

    async def make_source(self) -> EventSource:
        """A source over the same outside each time, as after a restart of the service."""
        raise AssertionError("override make_source()")

    async def emit(self, number: int) -> None:
        """Make the outside do its thing number `number`."""
        raise AssertionError("override emit()")

    def make_clock(self) -> Clock:
        """The clock that the sources are given."""
        return SystemClock()

    async def start(self) -> None:
        """Return once a running source would notice what is emitted from now on."""
        await anyio.sleep(0.5)

    async def test_it_tells_what_happens(self) -> None:
        async with self._listening({}) as heard:
            await self.emit(1)
            await self._until(heard, 1)
        assert {event.source for event in heard.events} == {self.name}

    async def test_it_goes_on_from_its_cursor_and_repeats_nothing(self) -> None:
        async with self._listening({}) as before:
            await self.emit(1)
            await self._until(before, 1)
        async with self._listening(before.cursor) as after:
            await self.emit(2)
            await self._until(after, 1)
        assert _told(after) & _told(before) == set()

    async def test_it_catches_up_with_what_happened_while_it_was_down(self) -> None:
        async with self._listening({}) as before:
            await self.emit(1)
            await self._until(before, 1)
        await self.emit(2)
        async with self._listening(before.cursor) as after:
            await self._until(after, 1)
        assert [event.caught_up for event in after.events] == [True]

    async def test_each_event_moves_the_cursor(self) -> None:
        async with self._listening({}) as heard:
            await self.emit(1)
            await self._until(heard, 1)
        assert all(event.cursor for event in heard.events)

    async def test_what_was_told_but_not_committed_is_told_again(self) -> None:
        async with self._listening({}) as lost:
            await self.emit(1)
            await self._until(lost, 1)
        async with self._listening({}) as again:
            await self.emit_again_if_the_first_start_forgets()
            await self._until(again, 1)

    async def emit_again_if_the_first_start_forgets(self) -> None:
        """For sources that, without a cursor, begin with the present (timers): emit once more."""

    async def test_it_ends_promptly_when_it_is_cancelled(self) -> None:
        with anyio.fail_after(self.patience):
            async with self._listening({}):
                pass

    async def _until(self, heard: _Heard, count: int) -> None:
        with anyio.fail_after(self.patience):
            while len(heard.events) < count:
                await heard.more.wait()

    @asynccontextmanager
    async def _listening(self, cursor: dict[str, Json]) -> AsyncIterator[_Heard]:
        """A source at work, as the host has it at work."""
        heard = _Heard(cursor)
        source = await self.make_source()
        assert source.name == self.name
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(heard.listen, source, self.make_clock())
            await self.start()
            yield heard
            tasks.cancel_scope.cancel()


class _Heard:
    def __init__(self, cursor: dict[str, Json]) -> None:
        self.cursor = dict(cursor)
        self.events: list[SourceEvent] = []
        self.more = anyio.Event()

    async def listen(self, source: EventSource, clock: Clock) -> None:
        batches = source.events(dict(self.cursor), clock)
        async with aclosing(batches):  # type: ignore[type-var]  # an asynchronous generator, as a rule
            async for batch in batches:
                for event in batch:
                    if isinstance(event, SourceFailing | SourceWorking):
                        continue
                    self.cursor.update(event.cursor)
                    if not isinstance(event, SourceAdvanced):
                        self.events.append(event)
                more, self.more = self.more, anyio.Event()
                more.set()


def _told(heard: _Heard) -> set[str]:
    return {repr((event.path, event.data, event.occurred_at)) for event in heard.events}


class AlertSinkContract:
    """What every alert sink must be able to do; subclass it, and pytest runs it.

    Write `make_sink`, `received` and `refuse`; `secrets` are those that the sink was made with.
    """

    secrets: Sequence[str] = ()

    async def make_sink(self) -> AlertSink:
        """A sink to the same other side each time, as after a restart of the service."""
        raise AssertionError("override make_sink()")

    async def received(self) -> Sequence[str]:
        """Everything that the other side was told, each as one text."""
        raise AssertionError("override received()")

    async def refuse(self) -> None:
        """Have the other side not take what it is told from now on."""
        raise AssertionError("override refuse()")

    def make_alert(self, number: int = 1) -> Alert:
        """An alert with an id of its own."""
        return Alert(
            id=f"contract.{number}",
            type="incident.opened",
            severity="error",
            over=False,
            at=datetime(2024, 5, 1, 12, tzinfo=UTC),
            title="orders is late, and 1 more is because of it",
            text="last made: never",
            incidents=("contract",),
            data={"incident": "contract", "subject": "orders"},
        )

    async def test_it_tells_the_other_side(self) -> None:
        await (await self.make_sink()).send(self.make_alert())
        [told] = await self.received()
        assert "orders is late" in told

    async def test_a_repeat_has_the_same_id_and_another_alert_another(self) -> None:
        await (await self.make_sink()).send(self.make_alert(1))
        again = await self.make_sink()
        await again.send(self.make_alert(1))
        await again.send(self.make_alert(2))
        assert ["contract.1" in told for told in await self.received()] == [True, True, False]

    async def test_what_is_not_taken_raises(self) -> None:
        sink = await self.make_sink()
        await self.refuse()
        assert await _error_of(sink, self.make_alert()) is not None

    async def test_no_error_shows_a_secret(self) -> None:
        sink = await self.make_sink()
        await self.refuse()
        error = await _error_of(sink, self.make_alert())
        assert [secret for secret in self.secrets if secret in f"{error!r} {error}"] == []

    async def test_the_sink_itself_shows_no_secret(self) -> None:
        assert [secret for secret in self.secrets if secret in repr(await self.make_sink())] == []


async def _error_of(sink: AlertSink, alert: Alert) -> Exception | None:
    try:
        await sink.send(alert)
    except Exception as error:  # noqa: BLE001  # which one is the sink's own choice
        return error
    return None
