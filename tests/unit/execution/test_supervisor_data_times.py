"""A run's materialisations carry up to when their data are complete."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import pytest

from upwell.clock import FakeClock
from upwell.definitions.project import Project
from upwell.definitions.snapshot import AssetNode, DepNode, Snapshot, StepNode
from upwell.events import AssetMaterialized, AssetObserved, PlannedStep, RunId, RunRequested
from upwell.execution.limits import Limits
from upwell.execution.supervisor import Supervisor
from upwell.journal.database import open_journal
from upwell.runtime.messages import StepReport, StepTask

pytestmark = pytest.mark.anyio

START = datetime(2024, 1, 10, tzinfo=UTC)
OLD = START - timedelta(days=2)
RUN = RunId("a" * 32)


class Maker:
    """Makes what it is asked for, and says no data time."""

    async def run(self, task: StepTask) -> StepReport:
        made = (AssetMaterialized(asset=asset, run_id=task.run_id, step_id=task.step_id) for asset in task.assets)
        return StepReport(results=tuple(made))


def node(key: str, *deps: str) -> AssetNode:
    return AssetNode(key=key, step=key, deps=tuple(DepNode(asset=dep) for dep in deps))


async def test_a_chain_below_an_old_source_is_as_old_as_the_source(tmp_path: Path) -> None:
    clock, project = FakeClock(START), Project()
    nodes = (node("staging", "source"), node("mart", "staging"), node("log"))
    steps = tuple(StepNode(key=one.key, assets=(one.key,)) for one in nodes)
    project.replace(Snapshot(location="here", assets=nodes, steps=steps))
    plan = tuple(
        PlannedStep(id=key, step=key, assets=(key,), waits_for=waits)
        for key, waits in [("staging", ()), ("mart", ("staging",)), ("log", ())]
    )
    async with open_journal(f"sqlite+aiosqlite:///{tmp_path / 'upwell.db'}", clock=clock) as journal:
        supervisor = Supervisor(journal, journal.queries, project, Maker(), clock, Limits(max_runs=1, max_steps=4))
        async with anyio.create_task_group() as tasks:
            await tasks.start(supervisor.run)
            await journal.append(AssetObserved(asset="source", data_time=OLD))
            await journal.append(RunRequested(run_id=RUN, lane="l", plan=plan, reason="asked", roots=("staging",)))
            with anyio.fail_after(5):
                while (await journal.queries.run(RUN)).status != "SUCCESS":  # type: ignore[union-attr]
                    await anyio.sleep(0.01)
            tasks.cancel_scope.cancel()
        states = await journal.queries.asset_states()
    assert {key: states[key].data_time for key in ("staging", "mart", "log")} == {
        "staging": OLD,
        "mart": OLD,
        "log": START,
    }
