"""The present state is a function of the journal: however events came in batches, the rows are those of a replay."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.dialects.sqlite import aiosqlite, insert
from sqlalchemy.schema import CreateIndex, CreateTable

from upwell.events import (
    KINDS,
    AlertDelivered,
    AlertFailed,
    AlertsSilenced,
    AssetFailed,
    AssetMaterialized,
    AssetObserved,
    AssetSkipped,
    Canary,
    CheckEvaluated,
    Demand,
    DuplicateIgnored,
    DynamicPartitionsChanged,
    ErrorInfo,
    Event,
    EventDeadLettered,
    EventDecided,
    EventReplayed,
    FileChanged,
    FilterEvaluated,
    FilterRequested,
    FreshnessAtRisk,
    FreshnessChanged,
    FreshnessDemanded,
    IncidentChanged,
    Lateness,
    ListeningPaused,
    ListeningResumed,
    LocationFailed,
    LocationLoaded,
    Member,
    MessageReceived,
    PlannedStep,
    ReloadRequested,
    RunCanceled,
    RunCancelRequested,
    RunFailed,
    RunId,
    RunKeysSuppressed,
    RunRequested,
    RunStarted,
    RunSubmitted,
    RunSucceeded,
    SensorEvaluated,
    SensorFailed,
    SensorTriggered,
    ServiceStarted,
    ServiceStopping,
    SilenceEnded,
    SourceAdvanced,
    SourceFailing,
    SourceWorking,
    StepFailed,
    StepSkipped,
    StepStarted,
    StepSucceeded,
    TimerFired,
    WantedRun,
    WebhookAccepted,
    decode,
)
from upwell.journal import tables
from upwell.journal.batch import Written, entry_of, write
from upwell.journal.statements import Statements
from upwell.journal.store import Call, Run, drive

NOW = datetime(2024, 5, 1, 12, 0, tzinfo=UTC)
STATEMENTS = Statements(aiosqlite.dialect(), insert)

runs = st.sampled_from([RunId("r1"), RunId("r2")])
steps = st.sampled_from(["s1", "s2"])
assets = st.sampled_from(["a", "b", "c"])
partitions = st.sampled_from([None, "2024-05-01", "2024-05-02"])
instants = st.integers(0, 100).map(lambda minutes: NOW + timedelta(minutes=minutes))
ids = st.integers(1, 5)
metadata = st.dictionaries(st.sampled_from(["n", "m"]), st.integers() | st.text() | st.none(), max_size=2)
errors = st.builds(ErrorInfo, type=st.just("ValueError"), message=st.text(max_size=5))
error_or_run = {"run_id": runs, "step_id": steps}
plans = st.lists(
    st.builds(PlannedStep, id=steps, step=steps, assets=st.lists(assets, max_size=2, unique=True).map(tuple)),
    max_size=3,
).map(tuple)
from_source = {
    "source": st.sampled_from(["x", "y"]),
    "delivery_id": st.none() | st.sampled_from(["d1", "d2"]),
    "cursor": st.dictionaries(st.sampled_from(["i", "j"]), st.none() | st.integers(0, 3), max_size=2),
}
sensors = st.sampled_from(["n1", "n2"])
calls = {"sensor": sensors, "trigger_id": st.none() | ids}
wanted = st.sampled_from([(), (WantedRun(run_key="k1"),), (WantedRun(),)])
attempts = {**error_or_run, "attempt": st.integers(1, 3)}

latenesses = st.builds(Lateness, state=st.just("FAIL"), previous_state=st.just("PASS"), deadline=st.none() | instants)
in_trouble = st.lists(
    st.builds(Member, name=assets, since=instants, partition=partitions, lateness=st.none() | latenesses),
    max_size=2,
    unique_by=lambda member: (member.name, member.partition),
).map(tuple)


def of(kind: type[Event], **fields: st.SearchStrategy[Any]) -> tuple[type[Event], st.SearchStrategy[Event]]:
    return kind, st.builds(kind, **fields)


EVENTS: dict[type[Event], st.SearchStrategy[Event]] = dict(
    [
        *(of(kind, **from_source) for kind in (WebhookAccepted, FileChanged, TimerFired, MessageReceived)),
        of(DuplicateIgnored, source=st.just("x"), delivery_id=st.just("d1"), first_event_id=ids),
        of(SourceAdvanced, source=from_source["source"], cursor=from_source["cursor"]),
        of(SourceFailing, source=from_source["source"], error=errors, since=st.none() | instants),
        of(SourceWorking, source=from_source["source"]),
        of(RunSubmitted, run_id=runs, assets=st.tuples(assets)),
        of(
            EventDecided,
            event_ids=st.tuples(ids),
            outcome=st.sampled_from(["requested", "joined", "follows", "waiting", "ignored", "rejected"]),
            reason=st.just("why"),
            assets=st.tuples(assets),
            run_id=st.none() | runs,
            waits=st.none() | st.sampled_from(["g1", "g2"]),
            until=st.none() | instants,
        ),
        of(EventReplayed, event_ids=st.tuples(ids)),
        of(EventDeadLettered, event_ids=st.tuples(ids, ids), reason=st.just("why"), error=st.none() | errors),
        *(of(kind, what=st.just("sensor"), name=sensors) for kind in (ListeningPaused, ListeningResumed)),
        of(FilterRequested, event_id=ids, filters=st.just(("f",))),
        of(FilterEvaluated, event_id=ids, answers=st.just({"f": True})),
        of(SensorTriggered, sensor=sensors, event_ids=st.tuples(ids)),
        of(SensorEvaluated, **calls, runs=wanted, cursor=st.none() | st.text(max_size=2)),
        of(SensorFailed, **calls, error=errors, attempt=st.integers(1, 3), retry_at=st.none() | instants),
        of(RunKeysSuppressed, sensor=sensors, taken=st.dictionaries(st.sampled_from(["k1", "k2"]), runs, max_size=2)),
        of(
            DynamicPartitionsChanged,
            name=st.just("regions"),
            added=st.sampled_from([(), ("eu",), ("eu", "us")]),
            removed=st.sampled_from([(), ("eu",)]),
        ),
        of(
            RunRequested,
            run_id=runs,
            lane=st.just("lane"),
            plan=plans,
            reason=st.just("why"),
            partition=partitions,
            event_ids=st.tuples(ids),
            cause=st.sampled_from(["event", "retry"]),
            sensor=st.none() | sensors,
            run_key=st.none() | st.sampled_from(["k1", "k2"]),
        ),
        of(RunStarted, run_id=runs),
        of(RunSucceeded, run_id=runs),
        of(RunFailed, run_id=runs, reason=st.text(max_size=3)),
        of(RunCanceled, run_id=runs),
        of(RunCancelRequested, run_id=runs),
        of(StepStarted, **attempts),
        of(StepSucceeded, **attempts, duration=st.just(1.0)),
        of(StepFailed, **attempts, duration=st.just(1.0), error=errors, retry_at=st.none() | instants),
        of(StepSkipped, **error_or_run, reason=st.just("why")),
        of(AssetMaterialized, asset=assets, partition=partitions, metadata=metadata, run_id=st.none() | runs),
        of(AssetObserved, asset=assets, partition=partitions),
        of(AssetFailed, asset=assets, partition=partitions, error=errors),
        of(AssetSkipped, asset=assets, reason=st.just("why")),
        of(CheckEvaluated, asset=assets, check=st.sampled_from(["c1", "c2"]), passed=st.booleans()),
        of(
            FreshnessChanged,
            asset=assets,
            state=st.sampled_from(["PASS", "FAIL"]),
            previous_state=st.just("UNKNOWN"),
            changed_at=instants,
            deadline=st.none() | instants,
        ),
        of(
            FreshnessDemanded,
            demands=st.tuples(st.builds(Demand, asset=assets, deadline=instants, partition=partitions)),
            targets=st.just({"a": ()}),
            reason=st.just("why"),
        ),
        of(
            FreshnessAtRisk,
            asset=assets,
            deadline=instants,
            expected_at=instants,
            slow_hop=assets,
            reason=st.just("why"),
        ),
        of(
            IncidentChanged,
            incident=st.sampled_from(["i1", "i2"]),
            number=st.integers(1, 3),
            change=st.sampled_from(["opened", "changed", "closed"]),
            trouble=st.just("freshness"),
            subject=assets,
            severity=st.just("error"),
            opened_at=instants,
            happened_at=instants,
            summary=st.just("why"),
            joined=in_trouble,
            left=in_trouble,
            lateness=st.none() | latenesses,
        ),
        of(AlertDelivered, sink=st.just("ops"), alert=st.just("i1.1"), incidents=st.just(("i1", "i2"))),
        of(AlertFailed, sink=st.just("ops"), alert=st.just("i1.1"), error=errors),
        of(AlertsSilenced, silence=st.sampled_from(["s1", "s2"]), select=st.just("a"), until=instants),
        of(SilenceEnded, silence=st.sampled_from(["s1", "s2"])),
        of(LocationLoaded, location=st.just("l"), generation=st.integers(1, 9), code_hash=st.just("h")),
        of(LocationFailed, location=st.just("l"), error=errors),
        of(ReloadRequested),
        of(ServiceStarted, version=st.just("1")),
        of(ServiceStopping, reason=st.just("SIGTERM")),
        of(Canary, nonce=st.just("n")),
    ]
)


def request_once(batches: list[list[Event]]) -> list[list[Event]]:
    """A run's id is its own: it is requested once."""
    seen: set[RunId] = set()

    def first(event: Event) -> bool:
        if not isinstance(event, RunRequested):
            return True
        new = event.run_id not in seen
        seen.add(event.run_id)
        return new

    return [[event for event in batch if first(event)] for batch in batches]


journals = st.lists(st.lists(st.one_of(*EVENTS.values()), max_size=8), max_size=8).map(request_once)


@cache
def empty_database() -> bytes:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    dialect = aiosqlite.dialect()
    for table in tables.metadata.sorted_tables:
        connection.execute(str(CreateTable(table).compile(dialect=dialect)))
        for index in table.indexes:
            connection.execute(str(CreateIndex(index).compile(dialect=dialect)))
    return connection.serialize()


def database() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.deserialize(empty_database())
    return connection


def commit(connection: sqlite3.Connection, batch: Sequence[Event]) -> Written:
    def execute(call: Call) -> Sequence[tuple[Any, ...]]:
        if isinstance(call, Run):
            connection.executemany(call.statement.sql, call.rows)
            return ()
        return connection.execute(call.statement.sql, call.row).fetchall()

    return drive(write([entry_of((event,)) for event in batch], NOW, STATEMENTS), execute)


def rows(connection: sqlite3.Connection) -> dict[str, list[tuple[Any, ...]]]:
    return {name: sorted(connection.execute(f'SELECT * FROM "{name}"'), key=repr) for name in tables.TABLES}


def read_back(connection: sqlite3.Connection) -> list[Event]:
    return [decode(kind, body) for kind, body in connection.execute("SELECT kind, body FROM events ORDER BY id")]


@given(journals)
@settings(max_examples=150, deadline=None)
def test_rows_kept_batch_by_batch_are_those_of_a_replay_of_the_journal(batches: list[list[Event]]) -> None:
    with closing(database()) as kept, closing(database()) as one_by_one, closing(database()) as at_once:
        for batch in batches:
            commit(kept, batch)
        journal = read_back(kept)
        for event in journal:
            commit(one_by_one, [event])
        commit(at_once, journal)
        assert rows(one_by_one) == rows(kept)
        assert rows(at_once) == rows(kept)


@given(journals)
@settings(max_examples=50, deadline=None)
def test_ids_are_gapless_and_every_event_has_one(batches: list[list[Event]]) -> None:
    with closing(database()) as connection:
        receipts = [
            receipt
            for batch in batches
            for outcome in commit(connection, batch).outcomes
            if isinstance(outcome, tuple)
            for receipt in outcome
        ]
        stored = [event_id for (event_id,) in connection.execute("SELECT id FROM events ORDER BY id")]
    assert stored == list(range(1, len(receipts) + 1))
    assert [receipt.id for receipt in receipts if not receipt.duplicate] == [
        place for place, receipt in enumerate(receipts, start=1) if not receipt.duplicate
    ]


@given(st.one_of(*EVENTS.values()))
@settings(max_examples=100, deadline=None)
def test_every_kind_of_event_can_be_the_first(event: Event) -> None:
    with closing(database()) as connection:
        commit(connection, [event])
        assert read_back(connection) == [event]


def test_every_kind_is_among_the_events_tried() -> None:
    assert set(EVENTS) == set(KINDS.values())
