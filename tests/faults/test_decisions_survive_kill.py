"""kill -9 while events are decided and runs carried out, on a real journal: nothing lost, nothing twice."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from upwell.clock import SystemClock
from upwell.events import (
    Event,
    EventDecided,
    RunCanceled,
    RunFailed,
    RunId,
    RunRequested,
    RunStarted,
    RunSucceeded,
    StepStarted,
    StepSucceeded,
    WebhookAccepted,
)
from upwell.journal.database import open_journal

pytestmark = pytest.mark.anyio

POSTS = 200

SERVICE = """
import sys, anyio
from upwell.clock import SystemClock
from upwell.definitions.project import Project
from upwell.definitions.reactions import On, SourceSpec
from upwell.definitions.snapshot import AssetNode, DepNode, Snapshot, StepNode
from upwell.events import AssetMaterialized, WebhookAccepted
from upwell.execution.limits import Limits
from upwell.execution.supervisor import Supervisor
from upwell.journal.database import open_journal
from upwell.reactor.reactor import Reactor
from upwell.runtime.messages import StepReport

def heard(key, *sources, deps=()):
    on = tuple(On(source=SourceSpec(kind="webhook", name=f"webhook:{name}")) for name in sources)
    return AssetNode(key=key, step=key, on=on, deps=tuple(DepNode(asset=dep) for dep in deps))

ASSETS = (heard("a", "a"), heard("b", "b"), heard("both", "a", "b"), heard("below", deps=("a", "b")))
STEPS = tuple(StepNode(key=asset.key, assets=(asset.key,)) for asset in ASSETS)

class Executor:
    async def run(self, task):
        await anyio.sleep(0.003)
        made = (AssetMaterialized(asset=asset, run_id=task.run_id, step_id=task.step_id) for asset in task.assets)
        return StepReport(results=tuple(made))

async def post(journal, count):
    for n in range(count):
        await journal.append(WebhookAccepted(source=f"webhook:{'abx'[n % 3]}", delivery_id=str(n)))
        await anyio.sleep(0.002)

async def main(url, count):
    clock, project = SystemClock(), Project()
    project.replace(Snapshot(location="here", assets=ASSETS, steps=STEPS))
    async with open_journal(url, clock=clock) as journal, anyio.create_task_group() as tasks:
        await tasks.start(Reactor(journal, journal.queries, project, clock).run)
        await tasks.start(Supervisor(journal, journal.queries, project, Executor(), clock, Limits()).run)
        print("at work", flush=True)
        await post(journal, count)
        await quiet(journal)
        tasks.cancel_scope.cancel()

async def quiet(journal):
    while True:
        await journal.flush()
        _, unfinished = await journal.queries.unfinished_runs()
        newest = await journal.queries.events(kinds=["webhook.accepted"], limit=1)
        if not unfinished and newest and await journal.queries.progress("reactor") >= newest[0].id:
            return
        await anyio.sleep(0.02)

anyio.run(main, sys.argv[1], int(sys.argv[2]))
"""


def start(folder: Path) -> subprocess.Popen[str]:
    script = folder / "service.py"
    script.write_text(SERVICE)
    url = f"sqlite+aiosqlite:///{folder / 'upwell.db'}"
    process = subprocess.Popen([sys.executable, script, url, str(POSTS)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    while (line := process.stdout.readline()) != "at work\n":
        assert line, f"the service ended with {process.wait()}"
    return process


@pytest.mark.slow
async def test_each_event_is_decided_once_and_answered_once_over_kills(tmp_path: Path) -> None:
    chance = random.Random(20240110)
    for _ in range(6):
        process = start(tmp_path)
        time.sleep(chance.uniform(0.02, 0.4))
        process.send_signal(signal.SIGKILL)
        process.wait(10)
    process = start(tmp_path)  # the sender posts all of it again, as senders do who got no answer
    assert process.wait(60) == 0

    events = await story(tmp_path)
    posted = [event_id for event_id, event in events if isinstance(event, WebhookAccepted)]
    decided = [event for _, event in events if isinstance(event, EventDecided)]
    assert len(posted) == POSTS
    assert sorted(one for event in decided for one in event.event_ids) == posted
    assert {event.outcome for event in decided} >= {"requested", "follows", "ignored"}
    answered = Counter(one for _, event in events if isinstance(event, RunSucceeded) for one in event.event_ids)
    for event in decided:
        assert {answered[one] for one in event.event_ids} == {0 if event.outcome == "ignored" else 1}, event
    check_order([event for _, event in events])


async def story(folder: Path) -> list[tuple[int, Event]]:
    async with open_journal(f"sqlite+aiosqlite:///{folder / 'upwell.db'}", clock=SystemClock()) as journal:
        records = await journal.queries.events_between(0, journal.head)
        return [(record.id, record.event) for record in records]


def check_order(events: list[Event]) -> None:
    lane_of: dict[RunId, str] = {}
    under_way: dict[str, RunId] = {}
    accepted: set[tuple[RunId, str]] = set()
    for event in events:
        match event:
            case RunRequested(run_id=run_id, lane=lane):
                lane_of[run_id] = lane
            case RunStarted(run_id=run_id):
                assert lane_of[run_id] not in under_way, "two runs of a lane were under way at once"
                under_way[lane_of[run_id]] = run_id
            case RunSucceeded(run_id=run_id) | RunFailed(run_id=run_id) | RunCanceled(run_id=run_id):
                assert under_way.pop(lane_of[run_id]) == run_id
            case StepStarted(run_id=run_id, step_id=step):
                assert (run_id, step) not in accepted, "a finished step was repeated"
            case StepSucceeded(run_id=run_id, step_id=step):
                accepted.add((run_id, step))
            case _:
                pass
    assert not under_way
