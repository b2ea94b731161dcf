"""What the journal answers about the present, whichever database keeps it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import pytest

from upwell.clock import FakeClock
from upwell.events import (
    AssetFailed,
    AssetMaterialized,
    AssetObserved,
    CheckEvaluated,
    ErrorInfo,
    EventDecided,
    FilterRequested,
    FreshnessChanged,
    LocationFailed,
    LocationLoaded,
    PlannedStep,
    RunCanceled,
    RunCancelRequested,
    RunFailed,
    RunId,
    RunRequested,
    RunStarted,
    RunSucceeded,
    SensorEvaluated,
    SensorTriggered,
    StepFailed,
    StepSkipped,
    StepStarted,
    StepSucceeded,
    WebhookAccepted,
)
from upwell.journal.database import StoredJournal, open_journal
from upwell.journal.journal import Progress, Record
from upwell.journal.views import CheckState, FreshnessRow, LocationView, PartitionSummary, RunView

pytestmark = pytest.mark.anyio

NOW = datetime(2024, 5, 1, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
ERROR = ErrorInfo(type="ValueError", message="no rows")
ALICE, BOB = RunId("a" * 32), RunId("b" * 32)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NOW)


@pytest.fixture
async def journal(journal_url: str, clock: FakeClock) -> AsyncIterator[StoredJournal]:
    async with open_journal(journal_url, clock=clock) as journal:
        yield journal


def requested(run: RunId, *assets: str, **fields: Any) -> RunRequested:
    plan = tuple(PlannedStep(id=f"{asset}@1", step=asset, assets=(asset,), partition="1") for asset in assets)
    return RunRequested(run_id=run, lane=",".join(assets), plan=plan, roots=assets, reason="a webhook", **fields)


def ids(records: list[Record]) -> list[int]:
    return [record.id for record in records]


async def test_a_run_is_told_with_its_plan_its_times_and_every_event_it_answers(
    journal: StoredJournal, clock: FakeClock
) -> None:
    wanted = requested(ALICE, "orders", partition="1", event_ids=(7, 3), config={"full": True}, tags={"team": "sales"})
    await journal.append(wanted)
    clock.jump(NOW + MINUTE)
    joined = EventDecided(event_ids=(5,), outcome="joined", reason="still queued", run_id=ALICE)
    follows = EventDecided(event_ids=(9,), outcome="follows", reason="under way", run_id=ALICE)
    await journal.append(joined, follows, RunStarted(run_id=ALICE), RunCancelRequested(run_id=ALICE))
    clock.jump(NOW + 2 * MINUTE)
    await journal.append(RunFailed(run_id=ALICE, reason="orders failed"))
    assert await journal.queries.run(ALICE) == RunView(
        run_id=ALICE,
        status="FAILURE",
        lane="orders",
        reason="a webhook",
        cause="event",
        plan=wanted.plan,
        requested_at=NOW,
        requested_id=1,
        roots=("orders",),
        partition="1",
        event_ids=(3, 5, 7),
        config={"full": True},
        tags={"team": "sales"},
        started_at=NOW + MINUTE,
        ended_at=NOW + 2 * MINUTE,
        error="orders failed",
        cancel_requested=True,
    )
    assert await journal.queries.run(BOB) is None


async def test_runs_are_paged_newest_first_and_found_by_status_and_asset(journal: StoredJournal) -> None:
    names = [RunId(f"{number:032x}") for number in range(6)]
    for number, name in enumerate(names):
        await journal.append(requested(name, "even" if number % 2 == 0 else "odd"))
    await journal.append(RunStarted(run_id=names[0]), RunSucceeded(run_id=names[1]))

    async def found(**fields: Any) -> list[int]:
        return [names.index(view.run_id) for view in await journal.queries.runs(**fields)]

    assert await found() == [5, 4, 3, 2, 1, 0]
    assert await found(limit=2) == [5, 4]
    assert await found(limit=2, before=5) == [3, 2]
    assert await found(statuses=["STARTED", "SUCCESS"]) == [1, 0]
    assert await found(asset="odd") == [5, 3, 1]
    assert await found(asset="odd", before=6, limit=1, statuses={"QUEUED"}) == [3]
    assert await found(asset="nobody") == []


async def test_unfinished_runs_come_oldest_first_with_the_newest_event_they_include(journal: StoredJournal) -> None:
    assert await journal.queries.unfinished_runs() == (0, [])
    ended = RunId("c" * 32)
    await journal.append(requested(BOB, "b", event_ids=(1,)), requested(ended, "c"), requested(ALICE, "a"))
    await journal.append(RunStarted(run_id=ALICE), RunSucceeded(run_id=ended))
    head, views = await journal.queries.unfinished_runs()
    assert head == 5
    assert [(view.run_id, view.status, view.event_ids) for view in views] == [
        (BOB, "QUEUED", (1,)),
        (ALICE, "STARTED", ()),
    ]


async def test_steps_carry_their_newest_attempt(journal: StoredJournal, clock: FakeClock) -> None:
    await journal.append(requested(ALICE, "a", "b"))
    step = {"run_id": ALICE, "step_id": "a@1"}
    await journal.append(StepStarted(**step, attempt=1, log="a.log"))
    await journal.append(StepFailed(**step, attempt=1, duration=1.0, error=ERROR, retry_at=NOW + MINUTE))
    [waiting] = await journal.queries.steps(ALICE)
    assert (waiting.status, waiting.attempt, waiting.retry_at, waiting.error) == ("RETRYING", 1, NOW + MINUTE, ERROR)
    clock.jump(NOW + MINUTE)
    await journal.append(StepStarted(**step, attempt=2, log="b.log"))
    [again] = await journal.queries.steps(ALICE)
    assert (again.status, again.attempt, again.error, again.started_at, again.log) == (
        ("STARTED", 2, None, NOW + MINUTE, "b.log")
    )
    await journal.append(StepSucceeded(**step, attempt=2, duration=1.0), skip("b@1"))
    done, skipped = await journal.queries.steps(ALICE)
    assert (done.status, done.ended_at) == ("SUCCESS", NOW + MINUTE)
    assert (skipped.step_id, skipped.status, skipped.reason) == ("b@1", "SKIPPED", "a failed")


def skip(step: str) -> StepSkipped:
    return StepSkipped(run_id=ALICE, step_id=step, reason="a failed")


async def test_an_asset_has_the_newest_of_everything(journal: StoredJournal, clock: FakeClock) -> None:
    made = AssetMaterialized(
        asset="a", partition="1", run_id=ALICE, metadata={"rows": 3}, code_version="v1", duration=2.5
    )
    await journal.append(made, AssetFailed(asset="a", partition="2", error=ERROR, run_id=BOB))
    clock.jump(NOW + MINUTE)
    await journal.append(AssetMaterialized(asset="a", partition="3", data_version="d2"), AssetObserved(asset="a"))
    states = await journal.queries.asset_states()
    state = states["a"]
    assert set(states) == {"a"}
    assert (state.materialized_id, state.materialized_at, state.materialized_partition) == (3, NOW + MINUTE, "3")
    assert (state.code_version, state.data_version, state.metadata, state.duration) == (None, "d2", {}, None)
    assert (state.failed_id, state.failed_at, state.failed_run, state.error) == (2, NOW, BOB, ERROR)
    assert (state.partitions_materialized, state.observed_at) == (2, NOW + MINUTE)


async def test_asset_states_answers_for_those_asked(journal: StoredJournal) -> None:
    names = [f"asset{number}" for number in range(1000)]
    await journal.append(*(AssetMaterialized(asset=name) for name in names))
    assert set(await journal.queries.asset_states(names[:900])) == set(names[:900])
    assert await journal.queries.asset_states(["nobody"]) == {}
    assert await journal.queries.asset_states([]) == {}


async def test_an_asset_is_materializing_from_its_steps_start_to_its_end(journal: StoredJournal) -> None:
    async def materializing() -> set[str]:
        states = await journal.queries.asset_states()
        return {name for name, state in states.items() if state.started_id > state.ended_id}

    await journal.append(requested(ALICE, "a", "b"), requested(BOB, "c"))
    assert await materializing() == set()
    await journal.append(*(StepStarted(run_id=ALICE, step_id=step, attempt=1) for step in ("a@1", "b@1")))
    await journal.append(StepStarted(run_id=BOB, step_id="c@1", attempt=1))
    assert await materializing() == {"a", "b", "c"}
    await journal.append(StepSucceeded(run_id=ALICE, step_id="a@1", attempt=1, duration=1.0))
    assert await materializing() == {"b", "c"}
    await journal.append(RunCanceled(run_id=ALICE))
    assert await materializing() == {"c"}


async def test_partitions_and_what_was_ever_materialized(journal: StoredJournal) -> None:
    keys = [f"{number:04}" for number in range(1000)]
    await journal.append(*(AssetMaterialized(asset="a", partition=key, metadata={"key": key}) for key in keys))
    await journal.append(AssetFailed(asset="a", partition="0001", error=ERROR), AssetMaterialized(asset="whole"))
    await journal.append(AssetFailed(asset="a", partition="never", error=ERROR), AssetFailed(asset="b", error=ERROR))
    partitions = await journal.queries.partitions("a")
    assert list(partitions) == [*keys, "never"]
    assert (partitions["0001"].failed_id, partitions["0001"].metadata) == (1001, {"key": "0001"})
    wanted = {("a", key) for key in [*keys, "never", "unknown"]} | {("a", None), ("b", None), ("whole", None)}
    assert await journal.queries.materialized(wanted) == {("a", key) for key in keys} | {("a", None), ("whole", None)}
    assert (await journal.queries.asset_states(["a"]))["a"].partitions_materialized == 1000


async def test_partitions_in_figures_with_the_newest_alone(journal: StoredJournal) -> None:
    keys = [f"{number:04}" for number in range(100)]
    await journal.append(*(AssetMaterialized(asset="a", partition=key) for key in keys))
    await journal.append(AssetFailed(asset="a", partition="0001", error=ERROR))
    await journal.append(AssetFailed(asset="a", partition="never", error=ERROR))
    await journal.append(AssetFailed(asset="a", partition="0002", error=ERROR), AssetMaterialized(asset="b"))
    await journal.append(AssetMaterialized(asset="a", partition="0002"))
    summary = await journal.queries.partition_summary("a", 4)
    assert (summary.materialized, summary.failed) == (100, 2)
    assert [state.partition for state in summary.newest] == ["0002", "never", "0001", "0099"]
    assert await journal.queries.partition_summary("b", 4) == PartitionSummary(materialized=0, failed=0, newest=())


async def test_the_newest_evaluation_of_each_check(journal: StoredJournal) -> None:
    await journal.append(
        CheckEvaluated(asset="a", check="rows", passed=True),
        CheckEvaluated(asset="b", check="rows", passed=True, severity="WARN"),
        CheckEvaluated(asset="a", check="rows", passed=False, blocking=True, metadata={"rows": 0}, run_id=ALICE),
    )
    newest = CheckState(
        asset="a",
        check="rows",
        passed=False,
        severity="ERROR",
        blocking=True,
        evaluated_at=NOW,
        event_id=3,
        run_id=ALICE,
        metadata={"rows": 0},
    )
    assert await journal.queries.check_states("a") == [newest]
    assert [state.asset for state in await journal.queries.check_states()] == ["a", "b"]


async def test_freshness_is_what_was_told_last(journal: StoredJournal) -> None:
    failed = FreshnessChanged(
        asset="a", state="FAIL", previous_state="PASS", changed_at=NOW, deadline=NOW, cause="up", last_materialized=NOW
    )
    recovered = FreshnessChanged(asset="b", state="PASS", previous_state="FAIL", changed_at=NOW - MINUTE)
    await journal.append(failed, recovered)
    assert await journal.queries.freshness() == {
        "a": FreshnessRow(asset="a", state="FAIL", changed_at=NOW, deadline=NOW, last_materialized=NOW, cause="up"),
        "b": FreshnessRow(asset="b", state="PASS", changed_at=NOW - MINUTE),
    }


async def test_a_location_keeps_what_is_loaded_while_the_newest_code_fails(journal: StoredJournal) -> None:
    await journal.append(LocationLoaded(location="shop", generation=1, code_hash="h", assets=3))
    await journal.append(LocationFailed(location="shop", error=ERROR))
    loaded = LocationView(location="shop", generation=1, code_hash="h", assets=3, loaded_at=NOW)
    assert await journal.queries.locations() == [
        LocationView(**{name: getattr(loaded, name) for name in loaded.__slots__} | {"error": ERROR, "failed_at": NOW})
    ]
    await journal.append(LocationLoaded(location="shop", generation=2, code_hash="i", assets=4))
    [mended] = await journal.queries.locations()
    assert (mended.generation, mended.error, mended.failed_at) == (2, None, None)


async def test_events_are_found_by_everything_they_belong_to(journal: StoredJournal) -> None:
    decided = EventDecided(event_ids=(1,), outcome="requested", reason="listens", assets=("a", "b"), run_id=ALICE)
    await journal.append(WebhookAccepted(source="webhook:orders"), decided, requested(ALICE, "a"))
    await journal.append(AssetMaterialized(asset="b", run_id=ALICE), AssetMaterialized(asset="a"))
    find = journal.queries.events
    assert ids(await find()) == [5, 4, 3, 2, 1]
    assert ids(await find(newest_first=False, after=1, before=5)) == [2, 3, 4]
    assert ids(await find(limit=2)) == [5, 4]
    assert ids(await find(asset="a")) == [5, 3, 2]
    assert ids(await find(asset="b", before=4)) == [2]
    assert ids(await find(run=ALICE)) == [4, 3, 2]
    assert ids(await find(source="webhook:orders")) == [1]
    assert ids(await find(kinds=["asset.materialized", "webhook.accepted"])) == [5, 4, 1]
    assert ids(await find(asset="a", kinds=["event.decided"], run=ALICE)) == [2]
    assert ids(await journal.queries.events_by_id([4, 2, 99])) == [2, 4]


async def test_pruning_forgets_what_is_old_and_keeps_the_present_state(
    journal: StoredJournal, clock: FakeClock
) -> None:
    await journal.append(*(WebhookAccepted(source="w", delivery_id=str(number)) for number in range(450)))
    await journal.append(requested(ALICE, "a"), StepStarted(run_id=ALICE, step_id="a@1", attempt=1))
    await journal.append(AssetMaterialized(asset="a", partition="1", run_id=ALICE, metadata={"rows": 1}))
    await journal.append(RunSucceeded(run_id=ALICE))
    await journal.append(requested(BOB, "b", event_ids=(7,)))
    clock.jump(NOW + timedelta(days=30))
    await journal.append(RunStarted(run_id=BOB))
    before = await journal.queries.asset_states()
    pruned = await journal.prune(timedelta(days=10))
    assert (pruned.events, pruned.runs, pruned.deliveries) == (453, 1, 450)
    assert ids(await journal.queries.events(newest_first=False)) == [7, 455, 456]
    assert [view.run_id for view in await journal.queries.runs()] == [BOB]
    assert await journal.queries.steps(ALICE) == []
    assert await journal.queries.asset_states() == before
    assert ids(await journal.queries.events(asset="a")) == []


async def test_pruning_keeps_the_newest_event_so_that_ids_go_on(journal_url: str, clock: FakeClock) -> None:
    async with open_journal(journal_url, clock=clock) as journal:
        await journal.append(*(WebhookAccepted(source="w") for _ in range(5)))
        clock.jump(NOW + timedelta(days=30))
        assert (await journal.prune(timedelta(days=1))).events == 4
        assert (await journal.prune(timedelta(days=1))).events == 0
    async with open_journal(journal_url, clock=clock) as journal:
        [receipt] = await journal.append(WebhookAccepted(source="w"))
        assert receipt.id == 6


async def test_pruning_keeps_what_a_consumer_has_not_decided(journal: StoredJournal, clock: FakeClock) -> None:
    await journal.append(*(WebhookAccepted(source="w") for _ in range(5)), progress=Progress(consumer="r", event_id=2))
    clock.jump(NOW + timedelta(days=30))
    await journal.prune(timedelta(days=1))
    assert ids(await journal.queries.events(newest_first=False)) == [3, 4, 5]


async def test_pruning_keeps_what_waits_at_a_gate_for_filters_and_for_the_call_of_a_sensor(
    journal: StoredJournal, clock: FakeClock
) -> None:
    await journal.append(*(WebhookAccepted(source="w") for _ in range(12)), requested(ALICE, "a"))
    [ended] = await journal.append(RunSucceeded(run_id=ALICE))
    await journal.append(
        EventDecided(event_ids=(2,), outcome="waiting", reason="quiet", waits="gate", until=NOW),
        FilterRequested(event_id=3, filters=("f",)),
        SensorTriggered(sensor="s", event_ids=(12, ended.id)),
    )
    clock.jump(NOW + timedelta(days=30))
    [last] = await journal.append(WebhookAccepted(source="w"))
    await journal.prune(timedelta(days=1))
    assert ids(await journal.queries.events(newest_first=False)) == [2, 3, 12, ended.id, last.id]
    assert [run.run_id for run in await journal.queries.runs()] == [ALICE]


async def test_pruning_takes_what_has_been_waited_for(journal: StoredJournal, clock: FakeClock) -> None:
    await journal.append(WebhookAccepted(source="w"), requested(ALICE, "a"), RunSucceeded(run_id=ALICE))
    [called] = await journal.append(SensorTriggered(sensor="s", event_ids=(1, 3)))
    await journal.append(SensorEvaluated(sensor="s", trigger_id=called.id, event_ids=(1, 3)))
    clock.jump(NOW + timedelta(days=30))
    [last] = await journal.append(WebhookAccepted(source="w"))
    await journal.prune(timedelta(days=1))
    assert ids(await journal.queries.events()) == [last.id]
    assert await journal.queries.runs() == []


async def test_pruning_keeps_the_transitions_of_a_month(journal: StoredJournal, clock: FakeClock) -> None:
    changed = FreshnessChanged(asset="a", state="FAIL", previous_state="PASS", changed_at=NOW)
    await journal.append(*(one for _ in range(300) for one in (WebhookAccepted(source="w"), changed)))
    clock.jump(NOW + timedelta(days=30))
    await journal.append(WebhookAccepted(source="w"))
    assert (await journal.prune(timedelta(days=1))).events == 300
    assert len(await journal.queries.events(asset="a", limit=1000)) == 300
    clock.jump(NOW + timedelta(days=32))
    assert (await journal.prune(timedelta(days=1))).events == 300
    assert ids(await journal.queries.events()) == [601]


async def test_a_subscriber_passes_over_what_was_pruned(journal_url: str, clock: FakeClock) -> None:
    async with open_journal(journal_url, clock=clock) as journal:
        await journal.append(*(WebhookAccepted(source="w") for _ in range(2000)))
        clock.jump(NOW + timedelta(days=30))
        await journal.append(WebhookAccepted(source="w"))
        await journal.prune(timedelta(days=1))
    async with open_journal(journal_url, clock=clock) as journal:
        with anyio.fail_after(5):
            assert ids([*await anext(journal.subscribe(0))]) == [2001]


async def test_appends_go_on_while_pruning(journal: StoredJournal, clock: FakeClock) -> None:
    await journal.append(*(WebhookAccepted(source="w") for _ in range(1000)))
    clock.jump(NOW + timedelta(days=30))
    order: list[str] = []

    async def prune() -> None:
        await journal.prune(timedelta(days=1))
        order.append("pruned")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(prune)
        for _ in range(2):
            await journal.append(WebhookAccepted(source="w"))
            order.append("appended")
    assert order[-1] == "pruned"
