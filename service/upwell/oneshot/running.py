"""`materialize()`: plan and run without the service, in this process, one step after the other.

The course of the run is the same `RunState` that the service uses; here its instructions are carried out in a loop.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import random
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TypeAlias, assert_never

from upwell.clock import Clock, Deadlines, SystemClock
from upwell.definitions.assets import AssetsDefinition
from upwell.definitions.compute import DEFAULT_IO_MANAGER, ComputeDefinition
from upwell.definitions.config.checking import check_run_config
from upwell.definitions.definitions import Definitions
from upwell.definitions.describing import build_snapshot
from upwell.definitions.errors import (
    DagsterAssetCheckFailedError,
    DagsterError,
    DagsterInvalidDefinitionError,
    DagsterInvalidSubsetError,
    DagsterUnknownPartitionError,
)
from upwell.definitions.graph import AssetGraph
from upwell.definitions.partitions.definition import PARTITION_TAG
from upwell.definitions.run_config import RunConfig
from upwell.definitions.runs import EPHEMERAL_JOB, DagsterRun, DagsterRunStatus
from upwell.definitions.selection import CoercibleToAssetSelection, select, select_checks
from upwell.definitions.snapshot import Snapshot
from upwell.definitions.specs import AssetSpec
from upwell.definitions.updates import Update, UpdateQuestion
from upwell.errors import RunError, SelectionError
from upwell.events import (
    Event,
    Json,
    PlannedStep,
    RunFailed,
    RunId,
    RunStarted,
    RunSucceeded,
    StepStarted,
    new_run_id,
)
from upwell.execution import step_events
from upwell.execution.executors.executor import Executor
from upwell.execution.executors.in_process import InProcessExecutor
from upwell.execution.inputs import dynamic_keys
from upwell.execution.run_state import (
    BLOCKING_CHECK_FAILED,
    AcceptStep,
    FailStep,
    Finish,
    Instruction,
    RetryAt,
    RetryDue,
    RunState,
    SkipStep,
    StartStep,
    StepEnded,
)
from upwell.oneshot.instance import DagsterInstance
from upwell.oneshot.loops import run_here
from upwell.oneshot.result import ExecuteInProcessResult, KeptValues, RunRecord
from upwell.oneshot.updates import updates_here
from upwell.planning.check_plan import alone, check_plan, together
from upwell.planning.data_times import DataTimes
from upwell.planning.planner import plan
from upwell.runtime.messages import StepReport, StepTask
from upwell.runtime.resources import said_of, with_needed

OnEvent: TypeAlias = Callable[[Event], None]
AnswerUpdates: TypeAlias = Callable[[Sequence[UpdateQuestion], datetime], Awaitable[tuple[Update, ...]]]


def materialize(
    assets: Sequence[AssetsDefinition | AssetSpec],
    selection: CoercibleToAssetSelection | None = None,
    partition_key: str | None = None,
    resources: Mapping[str, object] | None = None,
    run_config: RunConfig | Json = None,
    tags: Mapping[str, str] | None = None,
    instance: DagsterInstance | None = None,
    raise_on_error: bool = True,
) -> ExecuteInProcessResult:
    """Materialise assets now, in this process, and answer with everything that happened.

    Args:
        assets: definitions of assets and checks; what they read must be among them, or stored already.
        selection: which of them; by default all that are computed here. A selected asset's checks run, too.
        partition_key: the partition to make of those that are partitioned.
        resources: by key; `io_manager` stores values, which are kept in memory by default.
        run_config: a `RunConfig`, or `{"ops": {name: {"config": …}}}`, for functions that take config.
        tags: for `context.run_tags` and the instance's record of the run.
        instance: remembers runs and materialisations; by default one that nobody sees.
        raise_on_error: raise what the first failing function raised, instead of telling it by the result.

    Raises:
        DagsterInvalidDefinitionError: the definitions or the selection are wrong.
        DagsterUnknownPartitionError: there is no such partition.
        DagsterAssetCheckFailedError: a blocking check did not pass (with `raise_on_error`).
    """
    return execute(
        assets,
        job_name=EPHEMERAL_JOB,
        selection=selection,
        partition_key=partition_key,
        resources=resources,
        run_config=run_config,
        tags=tags,
        instance=instance,
        raise_on_error=raise_on_error,
    )


def execute(
    assets: Sequence[AssetsDefinition | AssetSpec],
    *,
    job_name: str,
    selection: CoercibleToAssetSelection | None,
    partition_key: str | None,
    resources: Mapping[str, object] | None,
    run_config: RunConfig | Json,
    tags: Mapping[str, str] | None,
    instance: DagsterInstance | None,
    raise_on_error: bool,
) -> ExecuteInProcessResult:
    """The same for a job of this name."""
    run_config = run_config.to_config_dict() if isinstance(run_config, RunConfig) else run_config
    instance = instance or DagsterInstance.ephemeral()
    kept = KeptValues()
    definitions = Definitions(assets=assets, resources=resources)
    snapshot = build_snapshot(definitions, "materialize")
    _check_inputs(definitions)
    graph = AssetGraph([_without_partitions(snapshot)])
    chosen = _selected(graph, selection)
    _check_partition(snapshot, chosen, partition_key, instance)
    now = SystemClock().now()
    checks = alone(graph, sorted(select_checks(graph, selection)), chosen) if selection is not None else ()
    made = plan(graph, dict.fromkeys(chosen, (None,)), now=now, downstream=False)
    try:
        steps = together(made, check_plan(graph, checks, None, now))
    except SelectionError as wrong:
        raise DagsterInvalidDefinitionError(str(wrong)) from None
    _check_whole(steps, chosen)
    computations = [definitions.computations[step.step] for step in steps]
    used = _resources_used(computations, definitions)
    check_run_config(
        run_config,
        {compute.name: compute.schema for compute in computations},
        {key: said_of(resource) for key, resource in used.items()},
    )

    run = DagsterRun(
        run_id=new_run_id(),
        tags={**(tags or {}), **_partition_tags(snapshot, chosen, partition_key)},
        run_config=run_config,
        job_name=job_name,
    )
    record = RunRecord(run.run_id)
    errors: list[BaseException] = []
    executor = InProcessExecutor(definitions, io_manager=instance.io_manager, on_error=errors.append, watch=kept.watch)
    one_shot = _OneShot(
        graph,
        [replace(step, partition=partition_key) for step in steps],
        executor,
        SystemClock(),
        record.add,
        run_id=run.run_id,
        config=run_config,
        tags=run.tags,
        dynamic=_dynamic_keys(snapshot, instance),
        stop_at_failure=raise_on_error,
        updates=_updates(snapshot, instance, record),
    )

    async def run_it() -> Finish:
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(executor.resources_of_run(used, run_config, run.run_id))
            except DagsterError as error:
                errors.append(error)
                return one_shot.give_up(str(error))
            return await one_shot.run()

    finish = run_here(run_it)
    status = DagsterRunStatus.SUCCESS if finish.status == "SUCCESS" else DagsterRunStatus.FAILURE
    run = replace(run, status=status)
    result = ExecuteInProcessResult(
        run=run, steps=steps, computations=definitions.computations, record=record, kept=kept
    )
    instance.remember(run, result)
    if raise_on_error and status is DagsterRunStatus.FAILURE:
        raise _raised(record, errors, finish)
    return result


async def run_once(
    graph: AssetGraph,
    steps: Sequence[PlannedStep],
    executor: Executor,
    on_event: OnEvent,
    *,
    run_id: RunId | None = None,
    config: Json = None,
    tags: Mapping[str, str] | None = None,
    clock: Clock | None = None,
    data_times: DataTimes | None = None,
    updates: AnswerUpdates | None = None,
) -> Finish:
    """Run a plan step by step, telling each event as it happens; for callers who show progress.

    Failures are told, not raised; the answer says whether all went well, or what failed first. `updates` answers what
    checks ask about the past; without it they learn of none.
    """
    one_shot = _OneShot(
        graph,
        steps,
        executor,
        clock or SystemClock(),
        on_event,
        run_id=run_id or new_run_id(),
        config=config,
        tags=tags or {},
        stop_at_failure=False,
        data_times=data_times,
        updates=updates,
    )
    return await one_shot.run()


class _OneShot:
    """One run, in the order of its plan as far as dependencies allow."""

    def __init__(
        self,
        graph: AssetGraph,
        steps: Sequence[PlannedStep],
        executor: Executor,
        clock: Clock,
        tell: OnEvent,
        *,
        run_id: RunId,
        config: Json,
        tags: Mapping[str, str],
        stop_at_failure: bool,
        dynamic: Mapping[str, Sequence[str]] | None = None,
        data_times: DataTimes | None = None,
        updates: AnswerUpdates | None = None,
    ) -> None:
        self._graph = graph
        self._executor = executor
        self._clock = clock
        self._tell = tell
        self._run_id = run_id
        self._config = config
        self._tags = tags
        self._dynamic = dynamic
        self._stop_at_failure = stop_at_failure
        self._data_times = data_times or DataTimes()
        self._updates = updates or _no_updates
        self._state = RunState(steps, lambda key: graph.steps[key].retry)
        self._place = {step.id: index for index, step in enumerate(steps)}
        self._ready: list[tuple[int, int, StartStep]] = []
        self._serial = itertools.count()
        self._retries: Deadlines[str] = Deadlines()
        self._finish: Finish | None = None

    async def run(self) -> Finish:
        """Run to the end, or to the first failure."""
        began = self._clock.monotonic()
        self._tell(RunStarted(run_id=self._run_id))
        self._take(self._state.begin())
        while self._finish is None:
            await self._next()
        duration = self._clock.monotonic() - began
        if self._finish.status == "SUCCESS":
            self._tell(RunSucceeded(run_id=self._run_id, duration=duration))
        else:
            self._tell(RunFailed(run_id=self._run_id, reason=self._finish.reason, duration=duration))
        return self._finish

    def give_up(self, reason: str) -> Finish:
        """End the run before any of its steps began."""
        self._tell(RunStarted(run_id=self._run_id))
        self._tell(RunFailed(run_id=self._run_id, reason=reason, duration=0.0))
        return Finish(status="FAILURE", reason=reason)

    async def _next(self) -> None:
        if not self._ready:
            await self._clock.sleep_until(self._retries.next())
        for _, step_id in self._retries.pop_due(self._clock.now()):
            self._take(self._state.handle(RetryDue(step_id=step_id)))
        if self._ready:
            await self._attempt(heapq.heappop(self._ready)[2])

    async def _attempt(self, start: StartStep) -> None:
        step = self._state.step(start.step_id)
        self._tell(StepStarted(run_id=self._run_id, step_id=step.id, attempt=start.attempt))
        reading = self._data_times.reading(self._graph, step.assets, self._clock.now())
        report = await self._executor.run(await self._task(step, start.attempt))
        report = replace(report, results=self._data_times.stamped(reading, report.results))
        ended = StepEnded(step_id=step.id, report=report, at=self._clock.now(), chance=random.random())
        self._take(self._state.handle(ended), report)

    async def _task(self, step: PlannedStep, attempt: int) -> StepTask:
        asked, now = self._graph.steps[step.step].asks, self._clock.now()
        return StepTask(
            run_id=self._run_id,
            step_id=step.id,
            step=step.step,
            location=self._graph.location_of_step[step.step],
            attempt=attempt,
            now=now,
            assets=step.assets,
            checks=step.checks,
            partition=step.partition,
            timeout=self._graph.steps[step.step].timeout,
            config=self._config,
            tags=self._tags,
            dynamic=self._dynamic if self._dynamic is not None else dynamic_keys(self._graph, step, now),
            updates=await self._updates(asked, now) if asked else (),
        )

    def _take(self, instructions: Sequence[Instruction], report: StepReport | None = None) -> None:
        for event in step_events.recorded(self._run_id, self._state, instructions, report or StepReport()):
            self._tell(event)
        for instruction in instructions:
            match instruction:
                case StartStep(step_id=step_id):
                    heapq.heappush(self._ready, (self._place[step_id], next(self._serial), instruction))
                case RetryAt(step_id=step_id, instant=instant):
                    self._retries.set(step_id, instant)
                case FailStep(step_id=step_id, error=error) if self._stop_at_failure:
                    self._finish = Finish(status="FAILURE", reason=f"{step_id} failed: {error.type}: {error.message}")
                case Finish():
                    self._finish = instruction
                case AcceptStep() | SkipStep() | FailStep():
                    pass
                case _:
                    assert_never(instruction)


def _check_inputs(definitions: Definitions) -> None:
    """In one process, a value can only be loaded of an asset that is among the definitions."""
    for compute in definitions.computations.values():
        for given in compute.inputs:
            if given.key not in definitions.specs:
                raise DagsterInvalidDefinitionError(
                    f"argument {given.name!r} of {compute.name!r} reads asset {given.key.to_user_string()!r}, which is "
                    "not among the assets given: add its definition, or an AssetSpec of it with a stored value",
                    file=compute.file,
                    line=compute.line,
                )


def _resources_used(computations: Iterable[ComputeDefinition], definitions: Definitions) -> Mapping[str, object]:
    """The resources that these need, IO managers included."""
    keys: set[str] = set()
    for compute in computations:
        keys |= compute.required_resource_keys
        keys |= {output.io_manager_key for output in compute.outputs if output.has_value}
        for given in compute.inputs:
            stored_by = definitions.outputs.get(given.key)
            keys.add(given.io_manager_key or (stored_by.io_manager_key if stored_by else DEFAULT_IO_MANAGER))
    if DEFAULT_IO_MANAGER not in definitions.resources:
        keys.discard(DEFAULT_IO_MANAGER)
    return with_needed(definitions.resources, keys, "the run")


def _without_partitions(snapshot: Snapshot) -> Snapshot:
    """The order of one run is that of its assets, whichever partitions they read of each other (as in Dagster)."""
    nodes = tuple(node if node.partitions is None else replace(node, partitions=None) for node in snapshot.assets)
    return replace(snapshot, assets=nodes)


def _selected(graph: AssetGraph, selection: CoercibleToAssetSelection | None) -> list[str]:
    if selection is None:
        return [key for key, node in graph.assets.items() if node.step is not None]
    try:
        chosen = graph.in_order(select(graph, selection))
    except SelectionError as wrong:
        raise DagsterInvalidDefinitionError(str(wrong)) from None
    for key in chosen:
        if graph.assets[key].step is None:
            raise DagsterInvalidDefinitionError(
                f"{key!r} is external: nothing here makes it. Leave it out of selection="
            )
    return chosen


def _check_partition(
    snapshot: Snapshot, chosen: Iterable[str], partition_key: str | None, instance: DagsterInstance
) -> None:
    if partition_key is None:
        return
    wanted, now = set(chosen), SystemClock().now()
    for node in snapshot.assets:
        if (
            node.key in wanted
            and node.partitions is not None
            and not node.partitions.has_partition_key(partition_key, now, instance)
        ):
            raise DagsterUnknownPartitionError(f"{node.key!r} has no partition {partition_key!r}")


def _partition_tags(snapshot: Snapshot, chosen: Collection[str], partition_key: str | None) -> dict[str, str]:
    if partition_key is None:
        return {}
    tags = {PARTITION_TAG: str(partition_key)}
    for node in snapshot.assets:
        if node.key in chosen and node.partitions is not None:
            tags |= node.partitions.get_tags_for_partition_key(partition_key)
    return tags


def _dynamic_keys(snapshot: Snapshot, instance: DagsterInstance) -> dict[str, Sequence[str]]:
    names = {name for node in snapshot.assets if node.partitions is not None for name in node.partitions.dynamic_names}
    return {name: instance.get_dynamic_partitions(name) for name in names}


def _updates(snapshot: Snapshot, instance: DagsterInstance, record: RunRecord) -> AnswerUpdates:
    """Answers what checks ask, by what the instance remembers and the run has done."""
    partitions = {node.key: node.partitions for node in snapshot.assets}

    async def answer(questions: Sequence[UpdateQuestion], now: datetime) -> tuple[Update, ...]:
        return updates_here(questions, partitions, instance, record.events, now)

    return answer


async def _no_updates(questions: Sequence[UpdateQuestion], now: datetime) -> tuple[Update, ...]:
    return tuple(Update(asset=question.asset) for question in questions)


def _check_whole(steps: Iterable[PlannedStep], chosen: Iterable[str]) -> None:
    wanted = set(chosen)
    for step in steps:
        rest = [asset for asset in step.assets if asset not in wanted]
        if rest:
            raise DagsterInvalidSubsetError(
                f"{step.step!r} makes all of its assets or none; select {', '.join(rest)} as well, "
                "or give it can_subset=True"
            )


def _raised(record: RunRecord, errors: Sequence[BaseException], finish: Finish) -> BaseException:
    """What the caller is to get: the user's own exception, untouched."""
    failed = record.failure
    if failed is not None and failed.error.type == BLOCKING_CHECK_FAILED:
        return DagsterAssetCheckFailedError(failed.error.message)
    return errors[-1] if errors else RunError(finish.reason)
