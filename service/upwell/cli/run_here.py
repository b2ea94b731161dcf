"""A run without a service: code loaded in workers of our own, every event recorded in the journal."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime

import anyio

from upwell.cli.definitions import problems_of
from upwell.cli.run_report import RunReport
from upwell.cli.run_request import Candidate, RunRequest, choose
from upwell.clock import Clock, SystemClock
from upwell.definitions.graph import AssetGraph
from upwell.definitions.project import Project
from upwell.definitions.selection import select
from upwell.definitions.updates import Update, UpdateQuestion
from upwell.errors import DefinitionError, PartitionError
from upwell.events import Event, LocationFailed, RunCanceled, RunRequested, new_run_id
from upwell.execution.executors.workers import WorkerExecutor
from upwell.execution.locations import Locations
from upwell.execution.updates import answered
from upwell.journal.database import StoredJournal, open_journal
from upwell.oneshot.running import run_once
from upwell.planning.data_times import DataTimes
from upwell.planning.planner import plan
from upwell.reactor.condensing import lane_of
from upwell.runtime.messages import LocationSpec
from upwell.settings import Settings


async def run_here(settings: Settings, specs: Sequence[LocationSpec], request: RunRequest, report: RunReport) -> None:
    """Make what is asked for, telling `report` and the journal what happens.

    Raises:
        JournalInUse: a service has the database; it can do the same.
        DefinitionError: the code cannot be loaded.
        PartitionError, SelectionError, UsageError: the request does not fit the definitions.
    """
    clock = SystemClock()
    async with (
        open_journal(settings.database_url, clock=clock) as journal,
        _loaded(settings, specs, journal, clock) as (graph, executor),
    ):
        await _run(graph, executor, journal, _requested(graph, request, clock), report)


def _requested(graph: AssetGraph, request: RunRequest, clock: Clock) -> RunRequested:
    now = clock.now()
    targets = {key: (partition,) for key, partition in _targets(graph, request, clock).items()}
    return RunRequested(
        run_id=new_run_id(),
        lane=lane_of((key, partition) for key, (partition,) in targets.items()),
        plan=plan(graph, targets, now=now, downstream=False),
        reason="asked for by `upwell materialize`",
        cause="manual",
        roots=tuple(targets),
        partition=request.partition,
        config=request.config,
    )


def _targets(graph: AssetGraph, request: RunRequest, clock: Clock) -> dict[str, str | None]:
    """Which partition of which asset."""
    named = graph.in_order(graph.assets if request.select is None else select(graph, request.select))
    nodes = [graph.assets[key] for key in named]
    candidates = [
        Candidate(key=node.key, partitioned=node.partitions is not None, external=node.step is None) for node in nodes
    ]
    targets: dict[str, str | None] = {}
    for key in choose(candidates, request):
        definition = graph.assets[key].partitions
        targets[key] = None if definition is None else request.partition
        if definition and request.partition and not definition.has_partition_key(request.partition, clock.now()):
            raise PartitionError(f"{key} has no partition {request.partition!r}")
    return targets


async def _run(
    graph: AssetGraph, executor: WorkerExecutor, journal: StoredJournal, run: RunRequested, report: RunReport
) -> None:
    def tell(event: Event) -> None:
        journal.post(event)
        report.tell(event)

    async def updates(questions: Sequence[UpdateQuestion], now: datetime) -> tuple[Update, ...]:
        await journal.flush()  # what the run just made counts
        return await answered(journal.queries, graph, questions, now)

    states = await journal.queries.asset_states()
    data_times = DataTimes({state.asset: state.data_time for state in states.values()})
    with report.shown():
        tell(run)
        try:
            await run_once(
                graph,
                run.plan,
                executor,
                tell,
                run_id=run.run_id,
                config=run.config,
                data_times=data_times,
                updates=updates,
            )
        except anyio.get_cancelled_exc_class():
            tell(RunCanceled(run_id=run.run_id, reason="interrupted"))
            with anyio.CancelScope(shield=True):  # or the next service would take the run up again
                await journal.flush()
            raise


@asynccontextmanager
async def _loaded(
    settings: Settings, specs: Sequence[LocationSpec], journal: StoredJournal, clock: Clock
) -> AsyncIterator[tuple[AssetGraph, WorkerExecutor]]:
    """The graph, and workers that have its code, for as long as this is open."""
    project, executor = Project(), WorkerExecutor()
    project.dynamic.replace(await journal.queries.dynamic_partitions())
    locations = Locations(
        specs,
        project=project,
        journal=journal,
        executor=executor,
        clock=clock,
        home=settings.home,
        workers=settings.workers,
        preload=settings.preload,
        memory_limit=settings.worker_memory_limit,
    )
    async with anyio.create_task_group() as tasks:
        await tasks.start(locations.run)
        outcomes = (await locations.first_load()).values()
        failures = [outcome for outcome in outcomes if isinstance(outcome, LocationFailed)]
        if failures:
            problems = [problem for one in failures for problem in problems_of(one.location, one.error)]
            raise DefinitionError("\n".join(map(str, problems)))
        yield project.graph, executor
        tasks.cancel_scope.cancel()
