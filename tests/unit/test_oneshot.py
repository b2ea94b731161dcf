from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import anyio
import pytest

from upwell import (
    AssetCheckResult,
    AssetExecutionContext,
    AssetKey,
    AssetSpec,
    DagsterAssetCheckFailedError,
    DagsterInstance,
    DagsterInvalidDefinitionError,
    DagsterInvalidSubsetError,
    DagsterInvariantViolationError,
    DagsterRunStatus,
    DagsterUnknownPartitionError,
    DailyPartitionsDefinition,
    Definitions,
    Failure,
    MaterializeResult,
    Output,
    RetryPolicy,
    RunsFilter,
    asset,
    asset_check,
    materialize,
    multi_asset,
)
from upwell.clock import FakeClock
from upwell.definitions.describing import build_snapshot
from upwell.definitions.graph import AssetGraph
from upwell.events import Event
from upwell.execution.executors.in_process import InProcessExecutor
from upwell.oneshot.running import run_once
from upwell.planning.planner import plan
from upwell.runtime.io.memory import InMemoryIOManager

START = datetime(2024, 1, 10, tzinfo=UTC)


@asset
def numbers() -> list[int]:
    return [1, 2, 3]


@asset
def total(numbers: list[int]) -> int:
    return sum(numbers)


def materialized(events: Sequence[Event]) -> list[str]:
    return [event.asset for event in events if event.kind == "asset.materialized"]  # type: ignore[union-attr]


def test_values_flow_from_asset_to_asset() -> None:
    result = materialize([total, numbers])
    assert result.success
    assert result.output_for_node("total") == 6
    assert result.asset_value("numbers") == [1, 2, 3]
    assert [event.asset_key for event in result.get_asset_materialization_events()] == [numbers.key, total.key]


def test_users_functions_are_called_on_the_callers_thread() -> None:
    @asset
    def where() -> str:
        return threading.current_thread().name

    assert materialize([where]).output_for_node("where") == threading.current_thread().name


def test_asynchronous_functions_run_too() -> None:
    @asset
    async def awaited(numbers: list[int]) -> int:
        await anyio.sleep(0)
        return len(numbers)

    assert materialize([numbers, awaited]).output_for_node("awaited") == 3


@pytest.mark.anyio
async def test_it_works_inside_a_running_event_loop() -> None:
    @asset
    async def awaited() -> int:
        await anyio.sleep(0)
        return 1

    assert materialize([numbers, total, awaited]).success


def test_the_users_own_exception_comes_out_untouched() -> None:
    class Broken(Exception):
        pass

    error = Broken("mine")

    @asset
    def breaks() -> None:
        raise error

    with pytest.raises(Broken) as raised:
        materialize([breaks])
    assert raised.value is error


def test_without_raising_the_result_tells_what_failed_and_the_rest_is_made() -> None:
    @asset
    def breaks() -> None:
        raise ValueError("no")

    @asset(deps=[breaks])
    def below() -> None: ...

    result = materialize([breaks, below, numbers], raise_on_error=False)
    assert not result.success
    assert result.dagster_run.status is DagsterRunStatus.FAILURE
    assert result.is_node_failed("breaks")
    assert result.is_node_untouched("below")
    assert result.is_node_success("numbers")
    with pytest.raises(DagsterInvariantViolationError, match="did not succeed"):
        result.output_for_node("below")


def test_retries_are_made_and_counted() -> None:
    calls = []

    @asset(retry_policy=RetryPolicy(max_retries=2, delay=0.001))
    def third_time() -> str:
        calls.append(1)
        if len(calls) < 3:
            raise ValueError("again")
        return "ok"

    result = materialize([third_time])
    assert result.output_for_node("third_time") == "ok"
    assert result.retry_attempts_for_node("third_time") == 2


def test_a_failure_that_forbids_retries_is_final() -> None:
    calls = []

    @asset(retry_policy=RetryPolicy(max_retries=2))
    def never() -> None:
        calls.append(1)
        raise Failure("no", allow_retries=False)

    assert not materialize([never], raise_on_error=False).success
    assert len(calls) == 1


def test_a_failed_blocking_check_is_raised_and_stops_what_is_below() -> None:
    @asset_check(asset=numbers, blocking=True)
    def few() -> AssetCheckResult:
        return AssetCheckResult(passed=False)

    with pytest.raises(DagsterAssetCheckFailedError, match="check numbers:few failed"):
        materialize([numbers, few, total])
    result = materialize([numbers, few, total], raise_on_error=False)
    assert [event.asset_key for event in result.get_asset_materialization_events()] == [numbers.key]
    (evaluation,) = result.get_asset_check_evaluations()
    assert (evaluation.check_name, evaluation.passed, evaluation.blocking) == ("few", False, True)


def test_only_what_is_selected_is_made_and_its_inputs_come_from_storage() -> None:
    instance = DagsterInstance.ephemeral()
    materialize([numbers, total], instance=instance)
    result = materialize([numbers, total], selection=["total"], instance=instance)
    assert result.output_for_node("total") == 6
    with pytest.raises(DagsterInvariantViolationError, match="this run has no step 'numbers'; its steps are: total"):
        result.output_for_node("numbers")


def test_a_selection_of_what_does_not_exist_is_refused() -> None:
    with pytest.raises(DagsterInvalidDefinitionError):
        materialize([numbers], selection=["nope"])


def test_external_assets_are_nothing_to_do_and_cannot_be_selected() -> None:
    given = AssetSpec("given")
    assert materialize([given]).success
    with pytest.raises(DagsterInvalidDefinitionError, match="'given' is external"):
        materialize([given], selection=["given"])


def test_an_argument_that_reads_an_unknown_asset_is_refused_with_its_place() -> None:
    with pytest.raises(DagsterInvalidDefinitionError, match="reads asset 'numbers', which is not among") as raised:
        materialize([total])
    assert raised.value.file == __file__


def test_half_of_what_is_made_as_a_whole_cannot_be_selected() -> None:
    @multi_asset(specs=[AssetSpec("a"), AssetSpec("b")])
    def both() -> None: ...

    with pytest.raises(DagsterInvalidSubsetError, match="select b as well"):
        materialize([both], selection=["a"])


def test_a_partition_is_handed_to_the_function_and_stands_in_the_event() -> None:
    daily = DailyPartitionsDefinition(start_date="2024-01-01")

    @asset(partitions_def=daily)
    def day(context: AssetExecutionContext) -> str:
        return context.partition_key

    @asset(partitions_def=daily)
    def next_to_it(day: str) -> str:
        return day + "!"

    result = materialize([next_to_it, day], partition_key="2024-01-05")
    assert result.output_for_node("next_to_it") == "2024-01-05!"
    assert [event.partition for event in result.get_asset_materialization_events()] == ["2024-01-05"] * 2


def test_an_unknown_partition_is_refused() -> None:
    @asset(partitions_def=DailyPartitionsDefinition(start_date="2024-01-01"))
    def day() -> None: ...

    with pytest.raises(DagsterUnknownPartitionError, match="'day' has no partition '1999-01-01'"):
        materialize([day], partition_key="1999-01-01")


def test_a_partitioned_asset_without_a_key_fails_only_where_the_key_is_read() -> None:
    daily = DailyPartitionsDefinition(start_date="2024-01-01")

    @asset(partitions_def=daily)
    def careless() -> None: ...

    @asset(partitions_def=daily, deps=[careless])
    def reads_it(context: AssetExecutionContext) -> None:
        context.partition_key  # noqa: B018

    result = materialize([reads_it, careless], raise_on_error=False)
    assert result.is_node_success("careless")
    assert result.is_node_failed("reads_it")


def test_metadata_is_read_back_as_values() -> None:
    @asset
    def counted() -> MaterializeResult:
        return MaterializeResult(metadata={"rows": 3})

    (materialization,) = materialize([counted]).asset_materializations_for_node("counted")
    assert materialization.metadata["rows"].value == 3


def test_outputs_are_called_by_their_names() -> None:
    @multi_asset(specs=[AssetSpec("a"), AssetSpec("b")])
    def both() -> object:
        yield Output(1, "a")
        yield Output(2, "b")

    result = materialize([both])
    assert (result.output_for_node("both", "a"), result.output_for_node("both", "b")) == (1, 2)
    with pytest.raises(DagsterInvariantViolationError, match="has no output 'c'; its outputs are: a, b"):
        result.output_for_node("both", "c")


def test_the_instance_remembers_runs_and_materialisations() -> None:
    instance = DagsterInstance.ephemeral()
    for _ in range(3):
        materialize([numbers], instance=instance, tags={"team": "data"})
    records = instance.fetch_materializations(AssetKey("numbers"), limit=2)
    assert [record.storage_id for record in records.records] == [3, 2]
    assert records.has_more
    older = instance.fetch_materializations(AssetKey("numbers"), limit=2, cursor=records.cursor)
    assert [record.storage_id for record in older.records] == [1]
    latest = instance.get_latest_materialization_event(AssetKey("numbers"))
    assert latest is not None
    assert latest.run_id == instance.get_runs()[0].run_id
    assert instance.get_latest_materialization_event(AssetKey("nope")) is None
    assert len(instance.get_runs(RunsFilter(tags={"team": "data"}))) == 3
    assert instance.get_runs(RunsFilter(statuses=[DagsterRunStatus.FAILURE])) == []


def test_materialize_loads_neither_web_nor_database() -> None:
    code = (
        "import sys\nfrom upwell import asset, materialize\n"
        "@asset\ndef a(): return 1\n"
        "assert materialize([a]).success\n"
        "print([name for name in ('sqlalchemy', 'fastapi', 'starlette', 'uvicorn', 'pandas') if name in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout == "[]\n"


@pytest.mark.anyio
async def test_run_once_tells_each_event_as_it_happens() -> None:
    definitions = Definitions(assets=[numbers, total])
    graph = AssetGraph([build_snapshot(definitions, "here")])
    steps = plan(graph, {"numbers": (None,)}, now=START, downstream=True)
    told: list[Event] = []
    executor = InProcessExecutor(definitions, io_manager=InMemoryIOManager())
    finish = await run_once(graph, steps, executor, told.append, tags={"by": "alice"})
    assert finish.status == "SUCCESS"
    assert materialized(told) == ["numbers", "total"]
    assert [event.kind for event in told if event.kind.startswith("run.")] == ["run.started", "run.succeeded"]


@pytest.mark.anyio
async def test_run_once_waits_for_retries_and_says_what_failed() -> None:
    @asset(retry_policy=RetryPolicy(max_retries=1, delay=60))
    def breaks() -> None:
        raise ValueError("no")

    definitions = Definitions(assets=[breaks])
    graph = AssetGraph([build_snapshot(definitions, "here")])
    steps = plan(graph, {"breaks": (None,)}, now=START, downstream=True)
    clock = FakeClock(START)
    told: list[Event] = []
    executor = InProcessExecutor(definitions, io_manager=InMemoryIOManager())

    async def run() -> None:
        await run_once(graph, steps, executor, told.append, clock=clock)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)
        await clock.advance(60)
    assert clock.now() == START + timedelta(seconds=60)
    assert [event.kind for event in told].count("step.started") == 2
    assert told[-1].kind == "run.failed"
    assert told[-1].reason == "breaks failed: ValueError: no"
