"""`@graph` and `@job`: ops put together, and run in this process."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, overload

from upwell.clock import SystemClock
from upwell.definitions.compute import UserFunction
from upwell.definitions.errors import DagsterError
from upwell.definitions.ops.graphs import GraphDeclaration, GraphOptions, OpJobDeclaration
from upwell.definitions.ops.hooks import HookDefinition
from upwell.definitions.ops.nodes import checked_name
from upwell.definitions.ops.partitioned_config import PartitionedConfig
from upwell.definitions.ops.selecting import selected_ops
from upwell.definitions.partitions.definition import PARTITION_TAG, PartitionsDefinition
from upwell.definitions.retry_policy import RetryPolicy
from upwell.definitions.run_config import RunConfig
from upwell.definitions.runs import DagsterRun, DagsterRunStatus
from upwell.events import RunFailed, RunStarted, RunSucceeded, new_run_id
from upwell.execution.executors.in_process import right_here
from upwell.oneshot.instance import DagsterInstance
from upwell.oneshot.job import JobDefinition
from upwell.oneshot.loops import run_here
from upwell.oneshot.ops_result import OpsResult
from upwell.oneshot.result import RunRecord
from upwell.runtime.ops.running import OpsRun
from upwell.runtime.ops.starting import job_config, opened_resources, surroundings_of


@dataclass(frozen=True, kw_only=True, eq=False)
class OpJob(OpJobDeclaration, JobDefinition):
    """A job of ops, which can be run here and now."""

    @classmethod
    def bound(cls, job: OpJobDeclaration, resources: Mapping[str, object]) -> OpJob:
        """The job with these resources beside its own."""
        given = {one.name: getattr(job, one.name) for one in fields(OpJobDeclaration)}
        return cls(**{**given, "resource_defs": {**resources, **job.resource_defs}})

    def execute_in_process(
        self,
        run_config: RunConfig | Mapping[str, Any] | None = None,
        instance: DagsterInstance | None = None,
        partition_key: str | None = None,
        raise_on_error: bool = True,
        tags: Mapping[str, str] | None = None,
        resources: Mapping[str, object] | None = None,
        input_values: Mapping[str, Any] | None = None,
        op_selection: Sequence[str] | None = None,
    ) -> OpsResult:
        """Run the job to its end.

        Args:
            run_config: over the job's own.
            resources: instead of the job's own, by key.
            input_values: for the inputs of the graph.
            op_selection: which ops to run, by name: `["a", "*b", "c+"]`; by default all.

        Raises:
            DagsterInvalidConfigError: run config does not fit.
            DagsterUnknownPartitionError: there is no such partition.
        """
        job = replace(
            self,
            graph=selected_ops(self.graph, op_selection),
            resource_defs={**self.resource_defs, **(resources or {})},
            input_values={**self.input_values, **(input_values or {})},
            tags={**self.tags, **(tags or {}), **({PARTITION_TAG: partition_key} if partition_key else {})},
        )
        return _executed(job, run_config, instance or DagsterInstance.ephemeral(), partition_key, raise_on_error)


def _executed(
    job: OpJob,
    run_config: RunConfig | Mapping[str, Any] | None,
    instance: DagsterInstance,
    partition_key: str | None,
    raise_on_error: bool,
) -> OpsResult:
    clock = SystemClock()
    config = job_config(job, run_config, partition_key, clock.now())
    run = DagsterRun(run_id=new_run_id(), tags=job.tags, run_config=config.run_config, job_name=job.name)
    record = RunRecord(run.run_id)
    values: dict[tuple[str, str], Any] = {}
    errors: list[BaseException] = []

    async def run_it() -> bool:
        record.add(RunStarted(run_id=run.run_id))
        began = clock.monotonic()
        with contextlib.ExitStack() as stack:
            try:
                opened = stack.enter_context(opened_resources(job, config, run.run_id))
            except DagsterError as error:
                errors.append(error)
            else:
                around = surroundings_of(
                    job,
                    config,
                    opened,
                    run_id=run.run_id,
                    partition=partition_key,
                    clock=clock,
                    blocking=right_here,
                )
                ops = OpsRun(surroundings=around, tell=record.add, stop_at_failure=raise_on_error, values=values)
                await ops.run(job.graph, job.input_values)
                errors.extend(ops.errors)
        duration = clock.monotonic() - began
        if errors:
            record.add(RunFailed(run_id=run.run_id, reason=str(errors[0]), duration=duration))
        else:
            record.add(RunSucceeded(run_id=run.run_id, duration=duration))
        return not errors

    status = DagsterRunStatus.SUCCESS if run_here(run_it) else DagsterRunStatus.FAILURE
    run = replace(run, status=status)
    result = OpsResult(run=run, graph=job.graph, record=record, values=values)
    instance.remember(run, result)
    if errors and raise_on_error:
        raise errors[0]
    return result


class GraphDefinition(GraphDeclaration):
    """A graph of ops: used within others, or as a job."""

    def to_job(
        self,
        name: str | None = None,
        description: str | None = None,
        resource_defs: Mapping[str, object] | None = None,
        config: Any = None,
        tags: Mapping[str, str] | None = None,
        metadata: Mapping[str, object] | None = None,
        hooks: Iterable[HookDefinition] | None = None,
        op_retry_policy: RetryPolicy | None = None,
        partitions_def: PartitionsDefinition | None = None,
        input_values: Mapping[str, Any] | None = None,
        executor_def: object = None,
        logger_defs: object = None,
        op_selection: Sequence[str] | None = None,
        run_tags: Mapping[str, str] | None = None,
    ) -> OpJob:
        """A job that runs the graph. `config` is run config, or what makes it; executor and loggers are ours anyway."""
        graph = selected_ops(self, op_selection)
        if isinstance(config, PartitionedConfig):
            partitions_def = config.partitions_def
        return OpJob(
            name=checked_name(name or self.name, self.place),
            graph=graph,
            config=config,
            resource_defs=dict(resource_defs or {}),
            tags={**(tags or {}), **(run_tags or {})},
            hooks=frozenset(hooks or ()),
            retry_policy=op_retry_policy,
            partitions_def=partitions_def,
            description=description or self.description,
            input_values=dict(input_values or {}),
            place=self.place,
        )

    def execute_in_process(
        self,
        run_config: RunConfig | Mapping[str, Any] | None = None,
        instance: DagsterInstance | None = None,
        resources: Mapping[str, object] | None = None,
        raise_on_error: bool = True,
        op_selection: Sequence[str] | None = None,
        input_values: Mapping[str, Any] | None = None,
    ) -> OpsResult:
        """Run the graph to its end; as `to_job().execute_in_process()`."""
        return self.to_job().execute_in_process(
            run_config,
            instance,
            resources=resources,
            raise_on_error=raise_on_error,
            op_selection=op_selection,
            input_values=input_values,
        )


@overload
def graph(compose_fn: UserFunction, /) -> GraphDefinition: ...


@overload
def graph(compose_fn: None = None, **options: Any) -> Callable[[UserFunction], GraphDefinition]: ...


def graph(
    compose_fn: UserFunction | None = None, **options: Any
) -> GraphDefinition | Callable[[UserFunction], GraphDefinition]:
    """Declare that a function puts ops together: `@graph`, or `@graph(…)` with the fields of `GraphOptions`.

    Its body runs once, now: each call of an op in it is a node. (`Any`: options are of many types.)

    Raises:
        DagsterInvalidDefinitionError: it is no valid graph.
    """
    declared = GraphOptions(**options)

    def define(function: UserFunction) -> GraphDefinition:
        return GraphDefinition(**declared.parts(function))

    return define if compose_fn is None else define(compose_fn)


@overload
def job(compose_fn: UserFunction, /) -> OpJob: ...


@overload
def job(compose_fn: None = None, *, name: str | None = ..., **options: Any) -> Callable[[UserFunction], OpJob]: ...


def job(
    compose_fn: UserFunction | None = None, *, name: str | None = None, **options: Any
) -> OpJob | Callable[[UserFunction], OpJob]:
    """Declare that a function puts ops together into a job: `@job`, or `@job(…)` with what `to_job` of a graph takes.

    (`Any`: options are of many types.)

    Raises:
        DagsterInvalidDefinitionError: it is no valid graph.
    """

    def define(function: UserFunction) -> OpJob:
        return GraphDefinition(**GraphOptions(name=name).parts(function)).to_job(**options)

    return define if compose_fn is None else define(compose_fn)
