"""Evaluators under faults: whatever a sensor does costs its own call, and none of those that share its worker."""

from __future__ import annotations

import contextlib
import os
import signal
import textwrap
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import anyio
import pytest

from upwell.clock import SystemClock
from upwell.execution.executors.evaluator_crew import EvaluatorCrew
from upwell.execution.executors.evaluators import Evaluators
from upwell.execution.executors.nursery_process import NurseryProcess, open_nursery
from upwell.runtime.messages import LoadLocation, LocationSpec, SensorReport, SensorTask
from upwell.runtime.protocol import FrameError

pytestmark = pytest.mark.anyio

DEFINITIONS = textwrap.dedent(
    """
    import asyncio, ctypes, inspect, os, signal, sys, time
    from upwell import asset, sensor

    def called(function):
        # A sensor that keeps in its cursor what the function returns.
        async def call_async(context):
            context.update_cursor(str(await function()))
        def call(context):
            context.update_cursor(str(function()))
        return sensor(name=function.__name__)(call_async if inspect.iscoroutinefunction(function) else call)

    @asset
    def a() -> None: ...

    @called
    def pid(): return os.getpid()
    @called
    async def naps():
        await asyncio.sleep(1)
        return os.getpid()
    @called
    def naps_in_a_thread():
        time.sleep(1)
        return os.getpid()
    @called
    def speaks():
        print("one", end="")
        print(" line")
        print("the end", end="", file=sys.stderr)
    @called
    def floods():
        for _ in range(3000):
            print("x" * 10_000)
    @called
    def fails(): raise KeyError("status")
    @called
    def leaves(): raise SystemExit(3)
    @called
    def stops_iterating(): next(iter(()))
    @called
    async def is_cancelled(): raise asyncio.CancelledError
    @called
    def answers_half_a_character(): return "\\ud800"
    @called
    def answers_a_lot(): return "x" * (129 << 20)
    @called
    async def sleeps(): await asyncio.sleep(3600)
    @called
    def sleeps_in_a_thread(): time.sleep(3600)
    @called
    def spins():
        while True: pass
    @called
    async def blocks_the_loop(): time.sleep(3600)
    @called
    async def holds_up_the_loop(): time.sleep(1.5)
    @called
    async def will_not_be_cancelled():
        while True:
            try: await asyncio.sleep(3600)
            except asyncio.CancelledError: pass
    @called
    def sleeps_in_c(): ctypes.PyDLL(None).sleep(3600)
    @called
    def ends_its_process(): os._exit(7)
    @called
    def is_killed(): os.kill(os.getpid(), signal.SIGKILL)
    @called
    def segfaults(): ctypes.string_at(0)
    @called
    async def segfaults_in_the_loop(): ctypes.string_at(0)
    """
)

ids = count(1)


def task(sensor: str, *, timeout: float = 20.0) -> SensorTask:
    return SensorTask(
        id=next(ids), sensor=sensor, location="shop", now=datetime(2024, 3, 1, tzinfo=UTC), timeout=timeout
    )


@dataclass
class Shop:
    evaluators: Evaluators
    crew: EvaluatorCrew
    nursery: NurseryProcess
    load: LoadLocation
    folder: Path

    async def call(self, sensor: str, *, timeout: float = 20.0) -> SensorReport:
        with anyio.fail_after(40):
            return await self.evaluators.evaluate(task(sensor, timeout=timeout))

    async def error_of(self, sensor: str, *, timeout: float = 20.0) -> str:
        report = await self.call(sensor, timeout=timeout)
        assert report.error is not None, report
        return f"{report.error.type}: {report.error.message}"

    async def beside(self, sensor: str, others: list[str], *, timeout: float = 1.0) -> tuple[str, list[SensorReport]]:
        """The error of a sensor that is called while others are under way, and what came of those."""
        reports: list[SensorReport] = []

        async def call(other: str) -> None:
            reports.append(await self.call(other))

        async with anyio.create_task_group() as tasks:
            for other in others:
                tasks.start_soon(call, other)
            await anyio.sleep(0.2)
            error = await self.error_of(sensor, timeout=timeout)
        return error, reports

    def output(self) -> str:
        log = self.folder / "logs" / "sensors" / "shop.log"
        return log.read_text() if log.exists() else ""


def crew_of(nursery: NurseryProcess, load: LoadLocation, folder: Path) -> EvaluatorCrew:
    return EvaluatorCrew(
        nursery=nursery,
        load=load,
        logs=folder / "logs",
        load_timeout=30,
        clock=SystemClock(),
        on_failed_replacement=lambda error: pytest.fail(f"an evaluator could not be replaced: {error}"),
    )


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    async with open_shop(tmp_path) as opened:
        yield opened


@contextlib.asynccontextmanager
async def open_shop(folder: Path) -> AsyncIterator[Shop]:
    (folder / "shop.py").write_text(DEFINITIONS)
    spec = LocationSpec(name="shop", files=("shop.py",), working_directory=str(folder))
    load = LoadLocation(spec=spec, home=str(folder))
    async with open_nursery() as nursery, anyio.create_task_group() as tasks:
        crew = crew_of(nursery, load, folder)
        tasks.start_soon(crew.run)
        evaluators = Evaluators()
        evaluators.install("shop", crew)
        yield Shop(evaluators, crew, nursery, load, folder)
        crew.retire()


def ok(reports: list[SensorReport]) -> bool:
    return all(report.error is None for report in reports)


@pytest.mark.parametrize("kind", ["naps", "naps_in_a_thread"])
async def test_many_are_evaluated_at_a_time_in_one_process(shop: Shop, kind: str) -> None:
    await shop.call("pid")
    started = time.perf_counter()
    reports: list[SensorReport] = []

    async def call() -> None:
        reports.append(await shop.call(kind))

    async with anyio.create_task_group() as tasks:
        for _ in range(100):
            tasks.start_soon(call)
    assert len(reports) == 100 and len({report.cursor for report in reports}) == 1
    assert time.perf_counter() - started < 10  # one after the other they would take 100 s


@pytest.mark.parametrize(
    ("sensor", "says"),
    [
        ("fails", "KeyError: 'status'"),
        ("leaves", "SystemExit: 3"),
        ("stops_iterating", "RuntimeError: the function raised StopIteration"),
        ("is_cancelled", "CancelledError"),
        ("answers_half_a_character", "cannot be sent"),
        ("answers_a_lot", "FrameError"),
    ],
)
async def test_an_exception_is_the_error_of_its_call_and_costs_no_process(shop: Shop, sensor: str, says: str) -> None:
    before = (await shop.call("pid")).cursor
    assert says in await shop.error_of(sensor)
    assert (await shop.call("pid")).cursor == before


async def test_an_asynchronous_sensor_is_cancelled_at_its_timeout(shop: Shop) -> None:
    before = (await shop.call("pid")).cursor
    report = await shop.call("sleeps", timeout=0.2)
    assert report.error is not None and report.error.type == "Timeout"
    assert report.error.message == "sensor sleeps took longer than its timeout of 0.2 s"
    assert "async def sleeps(): await asyncio.sleep(3600)" in str(report.error.traceback)
    assert (await shop.call("pid")).cursor == before


@pytest.mark.parametrize("sensor", ["sleeps_in_a_thread", "spins"])
async def test_a_synchronous_sensor_is_abandoned_and_its_worker_replaced_when_the_others_are_done(
    shop: Shop, sensor: str
) -> None:
    before = (await shop.call("pid")).cursor
    error, reports = await shop.beside(sensor, ["naps"] * 3, timeout=0.3)
    assert error.startswith("Timeout") and "its worker is replaced" in error
    assert {report.cursor for report in reports} == {before}
    assert (await shop.call("pid")).cursor != before


async def test_the_error_of_an_abandoned_sensor_says_where_it_hangs(shop: Shop) -> None:
    report = await shop.call("sleeps_in_a_thread", timeout=0.3)
    assert report.error is not None and report.error.traceback is not None
    first, *_, last = report.error.traceback.splitlines()[1:]
    assert "shop.py" in first and last.strip() == "def sleeps_in_a_thread(): time.sleep(3600)"


@pytest.mark.parametrize("sensor", ["blocks_the_loop", "will_not_be_cancelled", "sleeps_in_c"])
async def test_a_sensor_that_stops_its_worker_fails_alone(shop: Shop, sensor: str) -> None:
    error, reports = await shop.beside(sensor, ["naps"] * 3, timeout=0.5)
    assert error.startswith("Timeout") and ok(reports)
    assert (await shop.call("pid")).error is None


@pytest.mark.parametrize(
    ("sensor", "says"),
    [
        ("ends_its_process", "exited with code 7"),
        ("is_killed", "SIGKILL"),
        ("segfaults", "SIGSEGV"),
        ("segfaults_in_the_loop", "SIGSEGV"),
    ],
)
async def test_the_one_that_ends_the_worker_is_found_among_fifty(shop: Shop, sensor: str, says: str) -> None:
    error, reports = await shop.beside(sensor, ["naps"] * 25 + ["naps_in_a_thread"] * 25)
    assert says in error and f"sensor {sensor}" in error
    assert len(reports) == 50 and ok(reports)


async def test_the_guilty_one_is_evaluated_alone_from_then_on(shop: Shop) -> None:
    await shop.error_of("ends_its_process")
    before = (await shop.call("pid")).cursor
    error, reports = await shop.beside("ends_its_process", ["naps"] * 3)
    assert "exited with code 7" in error
    assert {report.cursor for report in reports} == {before}


async def test_a_kill_from_outside_is_nobodys_failure(shop: Shop) -> None:
    reports: list[SensorReport] = []

    async def call() -> None:
        reports.append(await shop.call("naps"))

    async with anyio.create_task_group() as tasks:
        for _ in range(8):
            tasks.start_soon(call)
        while not shop.crew.pids:
            await anyio.sleep(0.01)
        await anyio.sleep(0.3)
        os.kill(shop.crew.pids[0], signal.SIGKILL)
    assert len(reports) == 8 and ok(reports)


async def test_what_comes_while_a_sensor_holds_up_the_event_loop_does_not_wait_for_it(shop: Shop) -> None:
    await shop.call("pid")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(shop.call, "holds_up_the_loop")
        await anyio.sleep(0.2)
        started = time.perf_counter()
        assert ok([await shop.call("naps"), await shop.call("pid")])
        assert time.perf_counter() - started < 1.4


async def test_a_call_that_is_too_large_to_be_sent_costs_no_worker(shop: Shop) -> None:
    before = (await shop.call("pid")).cursor
    with pytest.raises(FrameError, match="over the limit"):
        await shop.evaluators.evaluate(replace(task("pid"), cursor="x" * (129 << 20)))
    assert (await shop.call("pid")).cursor == before


async def test_output_is_kept_with_the_name_of_who_wrote_it(shop: Shop) -> None:
    await shop.call("speaks")
    with anyio.fail_after(5):
        while "[sensor speaks] one line\n" not in shop.output() or "[sensor speaks] the end\n" not in shop.output():
            await anyio.sleep(0.01)


async def test_output_without_end_does_not_grow_without_end(shop: Shop) -> None:
    assert ok([await shop.call("floods")])
    with anyio.fail_after(10):
        while not (shop.folder / "logs" / "sensors" / "shop.log.1").exists():
            await anyio.sleep(0.01)
    assert sum(file.stat().st_size for file in (shop.folder / "logs" / "sensors").iterdir()) < 21 * 2**20


async def test_a_new_generation_takes_over_and_the_old_one_finishes_what_it_has(shop: Shop) -> None:
    before = (await shop.call("pid")).cursor
    reports: list[SensorReport] = []

    async def call() -> None:
        reports.append(await shop.call("naps"))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(call)
        await anyio.sleep(0.2)
        crew = crew_of(shop.nursery, shop.load, shop.folder)
        tasks.start_soon(crew.run)
        shop.evaluators.install("shop", crew)
        assert (await shop.call("pid")).cursor != before
        crew.retire()
    assert [report.cursor for report in reports] == [before]


async def test_when_the_workers_are_lost_an_evaluation_waits_for_the_next_generation(tmp_path: Path) -> None:
    reports: list[SensorReport] = []
    async with open_shop(tmp_path) as shop:
        await shop.call("pid")

        async def call() -> None:
            reports.append(await shop.call("naps"))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(call)
            await anyio.sleep(0.3)
            os.kill(shop.nursery.pid, signal.SIGKILL)
            await shop.nursery.ended.wait()
            shop.evaluators.retire("shop")
            async with open_nursery() as nursery, anyio.create_task_group() as others:
                crew = crew_of(nursery, shop.load, tmp_path)
                others.start_soon(crew.run)
                shop.evaluators.install("shop", crew)
                while not reports:
                    await anyio.sleep(0.01)
                crew.retire()
    assert ok(reports)
