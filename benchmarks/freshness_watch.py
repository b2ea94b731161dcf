"""Watches many policies over a journal on disk, in a process of its own; prints what it took, as JSON.

`python -m benchmarks.freshness_watch POLICIES DUE`: the first start tells the state of each; after a restart `DUE` of
them come to their deadline within half a minute, and then nothing happens.
"""

import asyncio
import gc
import json
import os
import random
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio

from benchmarks.processes import pss_of_tree
from upwell.clock import SystemClock
from upwell.definitions.freshness.model import AnyFreshnessPolicy, FreshnessPolicy
from upwell.definitions.project import Project
from upwell.definitions.snapshot import AssetNode, Snapshot
from upwell.events import AssetMaterialized, FreshnessChanged
from upwell.freshness.watcher import FreshnessWatcher
from upwell.journal.database import StoredJournal, open_journal

ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Sydney")
CHUNK = 5000
SPREAD = 30.0  # seconds within which the deadlines come
QUIET = 10.0  # seconds in which nothing happens


def lasting(number: int) -> AnyFreshnessPolicy:
    """A policy that asks for nothing while this runs: by turns a window, a deadline and a lag."""
    match number % 4:
        case 0 | 1:
            return FreshnessPolicy.time_window(timedelta(days=2, seconds=number % 3600), timedelta(days=1))
        case 2:
            # A deadline that is half a day away, whenever this runs.
            hour = (datetime.now(UTC).hour + 12) % 24
            return FreshnessPolicy.cron(f"{number % 60} {hour} * * *", timezone=ZONES[0])
        case _:
            zone = ZONES[number // 4 % len(ZONES)]
            return FreshnessPolicy.maximum_lag(timedelta(days=3), f"{number % 60} 9 * * 1-5", zone)


def project_of(policies: dict[str, AnyFreshnessPolicy]) -> Project:
    """Assets with these policies."""
    project = Project()
    nodes = tuple(AssetNode(key=key, step=key, freshness=policy) for key, policy in policies.items())
    project.replace(Snapshot(location="bench", assets=nodes))
    return project


async def started(watcher: FreshnessWatcher, tasks: anyio.abc.TaskGroup) -> float:
    """Seconds until the watcher knows where everything stands."""
    begun = time.perf_counter()
    await tasks.start(watcher.run)
    return time.perf_counter() - begun


async def fill(journal: StoredJournal, keys: list[str]) -> dict[str, datetime]:
    """Materialise every asset once, now."""
    made: dict[str, datetime] = {}
    for at in range(0, len(keys), CHUNK):
        chunk, now = keys[at : at + CHUNK], datetime.now(UTC)
        receipts = await journal.append(*(AssetMaterialized(asset=key, data_time=now) for key in chunk))
        made |= {key: receipt.at for key, receipt in zip(chunk, receipts, strict=True)}
    return made


async def lateness(journal: StoredJournal, count: int) -> list[float]:
    """For each of so many failures, the seconds from its deadline until it was on disk and handed on."""
    found: list[float] = []
    async for records in journal.subscribe(journal.head):
        now = datetime.now(UTC)
        changes = [record.event for record in records if isinstance(record.event, FreshnessChanged)]
        found += [(now - change.changed_at).total_seconds() for change in changes if change.state == "FAIL"]
        if len(found) >= count:
            return found
    return found


async def measure(policies: int, due: int) -> dict[str, object]:
    """Everything, in one go."""
    clock, keys = SystemClock(), [f"asset_{number}" for number in range(policies)]
    steady = {key: lasting(number) for number, key in enumerate(keys)}
    with tempfile.TemporaryDirectory() as folder:
        async with open_journal(f"sqlite+aiosqlite:///{Path(folder, 'upwell.db')}", clock=clock) as journal:
            made = await fill(journal, keys)
            async with anyio.create_task_group() as tasks:
                first = await started(FreshnessWatcher(journal, journal.queries, project_of(steady), clock), tasks)
                tasks.cancel_scope.cancel()
            chosen, soon = random.sample(keys, due), datetime.now(UTC) + timedelta(seconds=10)
            ends = {key: soon + timedelta(seconds=random.uniform(0, SPREAD)) for key in chosen}
            project = project_of(
                steady | {key: FreshnessPolicy.time_window(end - made[key]) for key, end in ends.items()}
            )
            gc.collect()
            before = pss_of_tree(os.getpid())
            async with anyio.create_task_group() as tasks:
                again = await started(FreshnessWatcher(journal, journal.queries, project, clock), tasks)
                memory = pss_of_tree(os.getpid()) - before
                late = await lateness(journal, due)
                await asyncio.sleep(1)
                spent = time.process_time()
                await asyncio.sleep(QUIET)
                spent = time.process_time() - spent
                tasks.cancel_scope.cancel()
    return {"first": first, "again": again, "memory": memory, "late": late, "quiet": spent / QUIET}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(measure(int(sys.argv[1]), int(sys.argv[2])))))
