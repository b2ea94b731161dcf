"""Runs of ops: retries that wait, values through IO managers, hooks that fail. tests/parity has all the rest."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

import upwell as up
from upwell.clock import FakeClock
from upwell.definitions.ops.graphs import OpJobDeclaration
from upwell.events import Event, RunId, StepFailed, StepStarted
from upwell.execution.executors.in_process import right_here
from upwell.runtime.ops.running import OpsRun
from upwell.runtime.ops.starting import job_config, opened_resources, surroundings_of

pytestmark = pytest.mark.anyio

NOW = datetime(2024, 1, 1, tzinfo=UTC)


async def ran(job: OpJobDeclaration, clock: FakeClock) -> tuple[OpsRun, list[Event]]:
    config = job_config(job, None, None, NOW)
    events: list[Event] = []
    with opened_resources(job, config, RunId("r")) as opened:
        around = surroundings_of(
            job, config, opened, run_id=RunId("r"), partition=None, clock=clock, blocking=right_here
        )
        run = OpsRun(surroundings=around, tell=events.append)
        await run.run(job.graph, {})
    return run, events


async def test_a_retry_waits_as_long_as_its_policy_says(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, slept = FakeClock(NOW), []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(clock, "sleep", sleep)

    @up.op(retry_policy=up.RetryPolicy(max_retries=2, delay=10, backoff=up.Backoff.LINEAR))
    def broken() -> None:
        raise ValueError("no")

    @up.job
    def one_op() -> None:
        broken()

    run, events = await ran(one_op, clock)
    assert slept == [10, 20]
    assert [event.attempt for event in events if isinstance(event, StepStarted)] == [1, 2, 3]
    assert [event.retry_at is None for event in events if isinstance(event, StepFailed)] == [False, False, True]
    assert [str(error) for error in run.errors] == ["no"]


class Shelf(up.IOManager):
    def __init__(self) -> None:
        self.stored: dict[tuple[str, ...], Any] = {}

    def handle_output(self, context: up.OutputContext, obj: Any) -> None:
        assert not context.has_asset_key
        self.stored[tuple(context.get_identifier())] = obj

    def load_input(self, context: up.InputContext) -> Any:
        return self.stored[tuple(context.upstream_output.get_identifier())]


async def test_values_go_through_the_io_manager_of_their_output() -> None:
    @up.op(out=up.Out(io_manager_key="shelf"))
    def kept() -> int:
        return 5

    @up.op(out=up.DynamicOut(io_manager_key="shelf"))
    def spread(x: int) -> Any:
        yield up.DynamicOutput(x, "a")

    @up.op
    def last(xs: Any) -> Any:
        return xs

    shelf = Shelf()

    @up.job(resource_defs={"shelf": shelf})
    def stored() -> None:
        last(spread(kept()).collect())

    run, _ = await ran(stored, FakeClock(NOW))
    assert run.values["last", "result"] == [5]
    assert shelf.stored == {("r", "kept", "result"): 5, ("r", "spread", "result_a"): 5}


async def test_a_hook_that_fails_changes_nothing() -> None:
    @up.success_hook
    def broken(context: up.HookContext) -> None:
        raise ValueError("hook")

    @up.op
    def fine() -> int:
        return 1

    @up.job(hooks={broken})
    def hooked() -> None:
        fine()

    run, _ = await ran(hooked, FakeClock(NOW))
    assert run.errors == []
    assert run.values["fine", "result"] == 1


async def test_an_input_may_be_loaded_by_a_manager() -> None:
    @up.input_manager
    def table(context: up.InputContext) -> str:
        return f"table for {context.name}"

    @up.op(ins={"orders": up.In(input_manager_key="table")})
    def read(orders: str) -> str:
        return orders

    @up.job(resource_defs={"table": table})
    def reads() -> None:
        read()

    run, _ = await ran(reads, FakeClock(NOW))
    assert run.values["read", "result"] == "table for orders"
