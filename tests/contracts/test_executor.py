"""What every executor must do, over each of them. Those in processes of their own must also survive any death there."""

from __future__ import annotations

import contextlib
import os
import textwrap
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import anyio
import psutil
import pytest

from upwell.clock import SystemClock
from upwell.definitions.definitions import project_from_module
from upwell.events import AssetMaterialized, AssetObserved, CheckEvaluated, RunId
from upwell.execution.executors.executor import Executor
from upwell.execution.executors.in_process import InProcessExecutor
from upwell.execution.executors.nursery_process import open_nursery
from upwell.execution.executors.pool import WorkerPool
from upwell.execution.executors.workers import WorkerExecutor
from upwell.execution.locations import PRELOAD
from upwell.runtime.io.filesystem import FilesystemIOManager
from upwell.runtime.messages import LoadLocation, LocationSpec, StepReport, StepTask, TriggerEvent

pytestmark = pytest.mark.anyio

DEFINITIONS = textwrap.dedent(
    """
    import asyncio, os, signal, subprocess, sys, time
    import pandas as pd
    from upwell import (
        AssetCheckResult, AssetCheckSpec, AssetObservation, AssetOut, DailyPartitionsDefinition, Failure, Output,
        RetryRequested, asset, asset_check, multi_asset,
    )

    @asset(code_version="7")
    def orders(context) -> pd.DataFrame:
        context.add_output_metadata({"rows": 2})
        return pd.DataFrame({"amount": [1, 2]})

    @asset
    async def total(orders: pd.DataFrame):
        await asyncio.sleep(0)
        return {"total": int(orders["amount"].sum())}

    @asset_check(asset=orders, blocking=True)
    def not_empty(orders):
        return AssetCheckResult(passed=len(orders) > 0, metadata={"rows": len(orders)})

    @asset(check_specs=[AssetCheckSpec("even", asset="generated")])
    def generated():
        yield AssetObservation("elsewhere", metadata={"seen": 1})
        yield Output(4)
        yield AssetCheckResult(passed=True)

    @asset(check_specs=[AssetCheckSpec("even", asset="generated_later")])
    async def generated_later():
        yield Output(4)
        await asyncio.sleep(0)
        yield AssetCheckResult(passed=True)

    @multi_asset(outs={"left": AssetOut(), "right": AssetOut()})
    def pair():
        return 1, 2

    @asset
    def fails():
        raise ValueError("no orders today")

    @asset
    async def fails_later():
        await asyncio.sleep(0)
        raise ValueError("no orders today")

    @asset(check_specs=[AssetCheckSpec("early", asset="half_done")])
    def half_done():
        yield AssetCheckResult(passed=False, check_name="early")
        raise ValueError("after the check")

    @asset
    def leaves() -> None:
        sys.exit("enough")

    @asset
    def final() -> None:
        raise Failure("give up", allow_retries=False)

    @asset
    def again() -> None:
        raise RetryRequested(max_retries=5, seconds_to_wait=2.5)

    @asset(partitions_def=DailyPartitionsDefinition("2024-01-01"))
    def daily(context):
        return context.partition_key

    @asset
    def answers(context):
        return [event.data["order"] for event in context.events]

    @asset
    async def sleeps() -> None:
        await asyncio.sleep(3600)

    @asset
    def unstorable():
        return object()

    # Only for executors with processes of their own:

    @asset
    def prints(context) -> None:
        print("from print")
        print("from stderr", file=sys.stderr)
        os.write(1, b"from C\\n")
        subprocess.run(["echo", "from a child"])
        context.log.info("from the log")

    @asset
    def exits() -> None:
        os._exit(3)

    @asset
    def killed() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    @asset
    def hangs() -> None:
        time.sleep(3600)
    """
)


def task(step: str, *, partition: str | None = None, **more: Any) -> StepTask:
    return StepTask(
        run_id=RunId("run1"),
        step_id=step,
        step=step,
        location="shop",
        attempt=1,
        now=datetime(2024, 3, 1, tzinfo=UTC),
        partition=partition,
        **more,
    )


@contextlib.asynccontextmanager
async def worker_executor(folder: Path, text: str, **more: Any) -> AsyncIterator[WorkerExecutor]:
    (folder / "shop.py").write_text(text)
    spec = LocationSpec(name="shop", files=("shop.py",), working_directory=str(folder))
    async with open_nursery(**more) as nursery, anyio.create_task_group() as tasks:
        await nursery.preload(PRELOAD, [str(folder)])
        pool = WorkerPool(
            nursery=nursery,
            load=LoadLocation(spec=spec, home=str(folder / "home")),
            logs=folder / "home" / "logs",
            size=1,
            load_timeout=30,
            clock=SystemClock(),
            on_failed_replacement=lambda error: pytest.fail(f"a worker could not be replaced: {error}"),
        )
        tasks.start_soon(pool.run)
        report = await pool.first_report()
        assert report.error is None, report.error
        executor = WorkerExecutor()
        executor.install("shop", pool)
        yield executor
        pool.retire()


def in_process_executor(folder: Path, text: str) -> InProcessExecutor:
    module = ModuleType("shop")
    exec(compile(text, str(folder / "shop.py"), "exec"), module.__dict__)
    return InProcessExecutor(project_from_module(module), io_manager=FilesystemIOManager(folder / "home" / "storage"))


@pytest.fixture(params=["workers", "in_process"])
async def executor(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Executor]:
    if request.param == "in_process":
        yield in_process_executor(tmp_path, DEFINITIONS)
        return
    async with worker_executor(tmp_path, DEFINITIONS) as started:
        yield started


@pytest.fixture
async def workers(tmp_path: Path) -> AsyncIterator[WorkerExecutor]:
    async with worker_executor(tmp_path, DEFINITIONS) as started:
        yield started


def only(report: StepReport) -> AssetMaterialized:
    assert report.error is None, report.error
    (result,) = report.results
    assert isinstance(result, AssetMaterialized)
    return result


async def test_a_result_names_its_asset_step_run_and_metadata(executor: Executor) -> None:
    report = await executor.run(task("orders"))
    made = only(report)
    assert (made.asset, made.run_id, made.step_id, made.code_version) == ("orders", "run1", "orders", "7")
    assert made.metadata["rows"] == {"type": "int", "value": 2}
    assert Path(made.metadata["path"]["value"]).is_file()
    assert report.duration > 0


async def test_a_value_reaches_the_next_step(executor: Executor) -> None:
    await executor.run(task("orders"))
    made = only(await executor.run(task("total")))
    assert Path(made.metadata["path"]["value"]).read_text() == '{"total": 3}'


async def test_a_check_reads_its_asset(executor: Executor) -> None:
    await executor.run(task("orders"))
    report = await executor.run(task("orders_not_empty", checks=("orders:not_empty",)))
    (found,) = report.results
    assert isinstance(found, CheckEvaluated)
    assert (found.asset, found.check, found.passed, found.blocking) == ("orders", "not_empty", True, True)


@pytest.mark.parametrize("step", ["generated", "generated_later"])
async def test_a_generator_gives_its_results_in_order(executor: Executor, step: str) -> None:
    report = await executor.run(task(step, assets=(step,), checks=(f"{step}:even",)))
    assert report.error is None
    kinds = [type(result) for result in report.results]
    assert kinds[-2:] == [AssetMaterialized, CheckEvaluated]
    assert kinds[:-2] == ([AssetObserved] if step == "generated" else [])


async def test_a_tuple_is_one_value_for_each_output(executor: Executor) -> None:
    report = await executor.run(task("pair", assets=("left", "right")))
    assert [result.asset for result in report.results] == ["left", "right"]


@pytest.mark.parametrize("step", ["fails", "fails_later"])
async def test_an_exception_comes_back_with_a_traceback_that_starts_in_user_code(executor: Executor, step: str) -> None:
    report = await executor.run(task(step))
    assert report.error is not None
    assert (report.error.type, report.error.message) == ("ValueError", "no orders today")
    assert report.error.traceback is not None
    assert report.error.traceback.splitlines()[1].strip().startswith("File") and "shop.py" in report.error.traceback
    assert "upwell/runtime" not in report.error.traceback


async def test_what_happened_before_an_error_stays(executor: Executor) -> None:
    report = await executor.run(task("half_done", checks=("half_done:early",)))
    assert [type(result) for result in report.results] == [CheckEvaluated]
    assert report.error is not None and report.error.message == "after the check"


async def test_sys_exit_ends_only_the_step(executor: Executor) -> None:
    report = await executor.run(task("leaves"))
    assert report.error is not None and report.error.type == "SystemExit"
    only(await executor.run(task("orders")))


async def test_a_failure_may_forbid_retries(executor: Executor) -> None:
    report = await executor.run(task("final"))
    assert report.error is not None and report.error.message == "give up"
    assert report.retry is not None and report.retry.max_retries == 0


async def test_a_retry_may_be_asked_for(executor: Executor) -> None:
    report = await executor.run(task("again"))
    assert report.retry is not None
    assert (report.retry.max_retries, report.retry.seconds_to_wait) == (5, 2.5)


async def test_the_partition_reaches_the_function_and_the_event(executor: Executor) -> None:
    made = only(await executor.run(task("daily", partition="2024-01-05")))
    assert made.partition == "2024-01-05"
    assert Path(made.metadata["path"]["value"]).read_text() == '"2024-01-05"'


async def test_the_events_that_are_answered_reach_the_function(executor: Executor) -> None:
    event = TriggerEvent(id=7, source="webhook:orders", time=datetime(2024, 1, 1, tzinfo=UTC), data={"order": 12})
    made = only(await executor.run(task("answers", events=(event,))))
    assert Path(made.metadata["path"]["value"]).read_text() == "[12]"


async def test_a_value_that_cannot_be_stored_names_asset_type_and_mend(executor: Executor) -> None:
    report = await executor.run(task("unstorable"))
    assert report.error is not None and report.results == ()
    for part in ("asset 'unstorable'", "object", "io_manager_key"):
        assert part in report.error.message


async def test_an_unknown_step_is_an_error_of_that_attempt(executor: Executor) -> None:
    report = await executor.run(task("gone"))
    assert report.error is not None and "has no step 'gone'" in report.error.message


async def test_a_timeout_ends_the_step_and_says_so(executor: Executor) -> None:
    report = await executor.run(task("sleeps", timeout=0.2))
    assert report.error is not None and report.error.type == "Timeout" and "0.2 s" in report.error.message
    only(await executor.run(task("orders")))


async def test_cancelling_ends_the_step_and_leaves_the_executor_usable(executor: Executor) -> None:
    with anyio.move_on_after(0.2) as scope:
        await executor.run(task("sleeps"))
    assert scope.cancelled_caught
    only(await executor.run(task("orders")))


# Executors with processes of their own.


async def test_everything_written_while_a_step_runs_is_in_its_log(workers: WorkerExecutor, tmp_path: Path) -> None:
    await workers.run(task("prints", log="run1/prints.log"))
    text = (tmp_path / "home" / "logs" / "run1" / "prints.log").read_text()
    for line in ("from print", "from stderr", "from C", "from a child", "INFO from the log"):
        assert line in text


async def test_a_log_is_of_one_step_only(workers: WorkerExecutor, tmp_path: Path) -> None:
    await workers.run(task("prints", log="first.log"))
    await workers.run(task("orders", log="second.log"))
    logs = tmp_path / "home" / "logs"
    assert (logs / "first.log").exists() and not (logs / "second.log").exists()


async def test_an_exit_of_the_worker_is_named_with_its_code(workers: WorkerExecutor) -> None:
    report = await workers.run(task("exits"))
    assert report.error is not None and report.error.type == "WorkerEnded"
    assert "exited with code 3" in report.error.message
    only(await workers.run(task("orders")))


async def test_a_signal_that_ended_the_worker_is_named(workers: WorkerExecutor) -> None:
    report = await workers.run(task("killed"))
    assert report.error is not None and "SIGKILL" in report.error.message
    only(await workers.run(task("orders")))


@pytest.mark.parametrize("end", ["timeout", "cancel"])
async def test_the_worker_is_dead_before_the_step_is_called_over(workers: WorkerExecutor, end: str) -> None:
    before = _workers_here()
    if end == "timeout":
        await workers.run(task("hangs", timeout=0.2))
    else:
        with anyio.move_on_after(0.2):
            await workers.run(task("hangs"))
    assert not any(psutil.pid_exists(pid) for pid in before)


async def test_a_killed_worker_is_replaced_at_once(workers: WorkerExecutor) -> None:
    await workers.run(task("killed"))
    started = time.monotonic()
    only(await workers.run(task("orders")))
    assert time.monotonic() - started < 3


def _workers_here() -> set[int]:
    nurseries = [child for child in psutil.Process(os.getpid()).children() if "nursery" in " ".join(child.cmdline())]
    return {worker.pid for nursery in nurseries for worker in nursery.children()}
