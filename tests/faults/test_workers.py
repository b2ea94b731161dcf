"""Worker processes under faults: whatever user code does costs its own step, and no process outlives the service."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import psutil
import pytest

from upwell.clock import SystemClock
from upwell.events import RunId
from upwell.execution.executors.nursery_process import open_nursery
from upwell.execution.executors.pool import WorkerPool
from upwell.execution.executors.workers import WorkerExecutor
from upwell.runtime.messages import LoadLocation, LocationSpec, StepReport, StepTask

pytestmark = pytest.mark.anyio

DEFINITIONS = textwrap.dedent(
    """
    import ctypes, os, socket, subprocess, sys, time
    from upwell import asset

    def connection():
        # The worker's own line to the service: what a bug in user code could get hold of.
        for fd in range(3, 64):
            try:
                found = socket.socket(fileno=os.dup(fd))
                if found.family == socket.AF_UNIX and found.getpeername() is not None:
                    return found
            except OSError:
                continue

    @asset
    def noop() -> None: ...

    @asset
    def sleeps(context) -> None:
        context.log.info("pid %s", os.getpid())
        time.sleep(3600)

    @asset
    def sleeps_in_c() -> None:
        ctypes.PyDLL(None).sleep(3600)  # holds the interpreter lock, so that nothing in the worker runs

    @asset
    def spins() -> None:
        while True:
            pass

    @asset
    def ignores_signals_in_a_child() -> None:
        subprocess.Popen(["sh", "-c", "trap '' TERM INT HUP; sleep 3600"], close_fds=False)
        os._exit(7)

    @asset
    def leaves_a_daemon() -> None:
        code = "import time; time.sleep(3600)"
        subprocess.Popen([sys.executable, "-c", code], close_fds=False, start_new_session=True)
        os._exit(7)

    @asset
    def sends_rubbish() -> None:
        connection().sendall(b"\\xff" * 4096)
        time.sleep(3600)

    @asset
    def sends_a_huge_frame() -> None:
        connection().sendall((2**32 - 1).to_bytes(4, "big") + b"\\x04" + b"{" * 1000)
        time.sleep(3600)

    @asset
    def answers_for_another() -> None:
        from upwell.events import AssetMaterialized
        from upwell.runtime.messages import StepReport
        from upwell.runtime.protocol import encode
        forged = AssetMaterialized(asset="noop", run_id="somebody else's", step_id="x")
        connection().sendall(encode(StepReport(results=(forged,))))
        time.sleep(3600)

    @asset
    def answers_twice() -> None:
        from upwell.runtime.messages import StepReport
        from upwell.runtime.protocol import encode
        connection().sendall(encode(StepReport()) * 2)
        time.sleep(3600)

    @asset
    def closes_its_connection() -> None:
        os.closerange(3, 64)
        time.sleep(3600)

    @asset
    def takes_memory() -> None:
        bytearray(2 << 30)

    @asset
    def prints_without_end() -> None:
        line = "x" * 1023
        for _ in range(12 * 1024):
            print(line)
    """
)


def task(step: str, **more: Any) -> StepTask:
    return StepTask(
        run_id=RunId("run1"),
        step_id=step,
        step=step,
        location="shop",
        attempt=1,
        now=datetime(2024, 3, 1, tzinfo=UTC),
        **more,
    )


@contextlib.asynccontextmanager
async def open_executor(folder: Path, **more: Any) -> AsyncIterator[tuple[WorkerExecutor, WorkerPool]]:
    (folder / "shop.py").write_text(DEFINITIONS)
    spec = LocationSpec(name="shop", files=("shop.py",), working_directory=str(folder))
    async with open_nursery(**more) as nursery, anyio.create_task_group() as tasks:
        pool = WorkerPool(
            nursery=nursery,
            load=LoadLocation(spec=spec, home=str(folder)),
            logs=folder / "logs",
            size=1,
            load_timeout=30,
            clock=SystemClock(),
            on_failed_replacement=lambda error: pytest.fail(f"a worker could not be replaced: {error}"),
        )
        tasks.start_soon(pool.run)
        assert (await pool.first_report()).error is None
        executor = WorkerExecutor()
        executor.install("shop", pool)
        yield executor, pool
        pool.retire()


@pytest.fixture
async def executor(tmp_path: Path) -> AsyncIterator[WorkerExecutor]:
    async with open_executor(tmp_path) as (started, _):
        yield started


@pytest.fixture
async def pool(tmp_path: Path) -> AsyncIterator[tuple[WorkerExecutor, WorkerPool]]:
    async with open_executor(tmp_path) as started:
        yield started


def message(report: StepReport) -> str:
    assert report.error is not None
    return f"{report.error.type}: {report.error.message}"


async def still_works(executor: WorkerExecutor) -> None:
    assert (await executor.run(task("noop"))).error is None


async def eventually(claim: Callable[[], bool]) -> None:
    with anyio.fail_after(10):
        while not claim():
            await anyio.sleep(0.01)


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def test_a_kill_of_the_worker_fails_its_step_with_the_signal(pool: tuple[WorkerExecutor, WorkerPool]) -> None:
    executor, workers = pool
    reports: list[StepReport] = []

    async def run() -> None:
        reports.append(await executor.run(task("sleeps")))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)
        await anyio.sleep(0.1)
        os.kill(workers.pids[0], signal.SIGKILL)
    assert "SIGKILL" in message(reports[0])
    await still_works(executor)


async def test_a_kill_of_an_idle_worker_is_made_good(pool: tuple[WorkerExecutor, WorkerPool]) -> None:
    executor, workers = pool
    (first,) = workers.pids
    os.kill(first, signal.SIGKILL)
    await eventually(lambda: bool(workers.pids) and workers.pids != (first,))
    await still_works(executor)


async def test_a_stopped_worker_is_killed_by_the_timeout(pool: tuple[WorkerExecutor, WorkerPool]) -> None:
    executor, workers = pool
    (pid,) = workers.pids
    os.kill(pid, signal.SIGSTOP)
    assert message(await executor.run(task("noop", timeout=0.3))).startswith("Timeout")
    assert not alive(pid)
    await still_works(executor)


@pytest.mark.parametrize("step", ["sleeps_in_c", "spins"])
async def test_code_that_never_yields_is_killed_by_the_timeout(executor: WorkerExecutor, step: str) -> None:
    assert message(await executor.run(task(step, timeout=0.3))).startswith("Timeout")
    await still_works(executor)


def commands_below(process: psutil.Process) -> Iterator[list[str]]:
    for one in process.children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):  # it ended, or is a zombie, since it was listed
            yield one.cmdline()


@pytest.mark.parametrize("step", ["ignores_signals_in_a_child", "leaves_a_daemon"])
async def test_what_a_worker_leaves_behind_ends_with_it(executor: WorkerExecutor, step: str) -> None:
    with anyio.fail_after(10):  # the child holds the worker's socket open, so its end never comes
        assert "exited with code 7" in message(await executor.run(task(step)))
    (nursery,) = (child for child in psutil.Process().children() if "nursery" in " ".join(child.cmdline()))
    await eventually(lambda: not any("sleep" in " ".join(words) for words in commands_below(nursery)))
    await still_works(executor)


@pytest.mark.parametrize("step", ["sends_rubbish", "sends_a_huge_frame"])
async def test_a_worker_that_breaks_the_protocol_is_killed(executor: WorkerExecutor, step: str) -> None:
    with anyio.fail_after(10):
        assert "not a message" in message(await executor.run(task(step)))
    await still_works(executor)


async def test_an_answer_for_another_step_is_refused(executor: WorkerExecutor) -> None:
    with anyio.fail_after(10):
        assert "not its own" in message(await executor.run(task("answers_for_another")))
    await still_works(executor)


async def test_an_answer_that_nobody_asked_for_ends_the_worker(executor: WorkerExecutor) -> None:
    with anyio.fail_after(10):
        await executor.run(task("answers_twice"))
        await still_works(executor)


async def test_a_worker_that_loses_its_connection_is_killed(executor: WorkerExecutor) -> None:
    with anyio.fail_after(10):
        assert message(await executor.run(task("closes_its_connection"))).startswith("WorkerEnded")
    await still_works(executor)


async def test_memory_beyond_the_limit_fails_the_step_and_names_the_limit(tmp_path: Path) -> None:
    async with open_executor(tmp_path, memory_limit=1 << 30) as (executor, _):
        report = await executor.run(task("takes_memory"))
        assert "MemoryError" in message(report) and "1,024 MiB" in message(report)
        await still_works(executor)


async def test_output_is_cut_at_its_limit_with_a_mark(executor: WorkerExecutor, tmp_path: Path) -> None:
    await executor.run(task("prints_without_end", log="long.log"))
    text = (tmp_path / "logs" / "long.log").read_bytes()
    assert len(text) < 10 * 2**20 + 200
    assert text.rstrip().endswith(b"the output is cut here, after 10,485,760 bytes]")


async def test_a_log_cannot_lie_outside_of_its_folder(executor: WorkerExecutor) -> None:
    with pytest.raises(ValueError, match="outside"):
        await executor.run(task("noop", log="../elsewhere.log"))
    await still_works(executor)


async def test_the_loop_stays_responsive_while_workers_misbehave(executor: WorkerExecutor) -> None:
    lags: list[float] = []

    async def measure() -> None:
        while True:
            started = time.perf_counter()
            await anyio.sleep(0.005)
            lags.append(time.perf_counter() - started - 0.005)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(measure)
        for step in ("prints_without_end", "spins", "leaves_a_daemon", "sends_rubbish"):
            await executor.run(task(step, timeout=0.5))
        tasks.cancel_scope.cancel()
    # Promised: below 50 ms. Other tests may have the cores just now, so the median must show it.
    assert sorted(lags)[len(lags) // 2] < 0.05


PARENT = textwrap.dedent(
    """
    import sys, anyio
    from pathlib import Path
    sys.path.insert(0, {tests!r})
    import importlib.util
    spec = importlib.util.spec_from_file_location("test_workers_parent", {this!r})
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)

    async def main():
        async with module.open_executor(Path({folder!r})) as (executor, pool):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(executor.run, module.task({step!r}, log="x.log"))
                await anyio.sleep(0.3)
                print("ready", flush=True)

    anyio.run(main, backend_options={{"use_uvloop": True}})
    """
)


@pytest.mark.parametrize("killed", ["service", "nursery", "both"])
def test_no_process_outlives_a_killed_service(tmp_path: Path, killed: str) -> None:
    script = PARENT.format(tests=str(Path(__file__).parent), this=__file__, folder=str(tmp_path), step="sleeps")
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    try:
        assert parent.stdout is not None and parent.stdout.readline().strip() == "ready"
        family = psutil.Process(parent.pid).children(recursive=True)
        nurseries = [one for one in family if one.ppid() == parent.pid]
        assert len(nurseries) == 1 and len(family) >= 2
        doomed = {"service": [parent.pid], "nursery": [nurseries[0].pid], "both": [nurseries[0].pid, parent.pid]}
        for pid in doomed[killed]:
            os.kill(pid, signal.SIGKILL)
        _, left = psutil.wait_procs([one for one in family if one.pid not in doomed[killed]], timeout=10)
        assert left == []
    finally:
        parent.kill()
        parent.wait()
