"""One attempt of an op: its arguments, the call, and what came of it."""

from __future__ import annotations

import contextlib
import inspect
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, assert_never

from upwell.clock import Clock
from upwell.definitions.annotations import violation
from upwell.definitions.compute import DEFAULT_IO_MANAGER
from upwell.definitions.errors import DagsterInvalidDefinitionError, DagsterTypeCheckDidNotPass
from upwell.definitions.keys import AssetKey
from upwell.definitions.ops.hooks import HookDefinition
from upwell.definitions.ops.inputs_outputs import In, Out
from upwell.definitions.ops.op import OpDefinition
from upwell.definitions.ops.run_config import OpsConfig
from upwell.definitions.resources import InputManager, IOManager
from upwell.definitions.specs import UNSET
from upwell.runtime.blocking import Blocking
from upwell.runtime.inputs import shown_config
from upwell.runtime.io.contexts import InputContext, OutputContext
from upwell.runtime.messages import StepTask
from upwell.runtime.ops.contexts import OpExecutionContext
from upwell.runtime.ops.outputs import OpOutputs
from upwell.runtime.ops.slots import Listed, Present
from upwell.runtime.resources import OpenResources


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What all ops of a run have in common.

    Attributes:
        task: the run, as a step of it is told; each op gets its own copy.
        partitions_def: of the job.
        hooks, retry_policy: of every op, beside its own.
    """

    task: StepTask
    job_name: str
    config: OpsConfig
    opened: OpenResources
    log: logging.Logger
    clock: Clock
    blocking: Blocking
    partitions_def: Any = None  # a PartitionsDefinition
    hooks: frozenset[HookDefinition] = frozenset()
    retry_policy: Any = None  # a RetryPolicy


@dataclass(kw_only=True)
class OpCall:
    """An op that is to run with these values, at a place in the job."""

    op: OpDefinition
    name: str
    path: str
    step_key: str
    values: Mapping[str, Present | Listed]
    surroundings: Surroundings
    mapping_key: str | None = None
    attempt: int = 1
    outputs: OpOutputs = field(init=False)
    context: OpExecutionContext = field(init=False)

    def __post_init__(self) -> None:
        self.outputs = OpOutputs(self.op, self.path, self._store)

    @property
    def _task(self) -> StepTask:
        return replace(self.surroundings.task, step_id=self.step_key, step=self.path, attempt=self.attempt)

    async def run(self) -> None:
        """Call the op and take what it gives, which is then in `outputs`."""
        blocking, function = self.surroundings.blocking, self.op.compute.function
        config = self.op.config_of(self.surroundings.config.said.get(self.path, UNSET), f"ops.{self.path}.config")
        self.context = self._context(config)
        match self.op.compute.style:
            case "function" | "generator":
                await blocking(self._run_sync, config)
            case "coroutine":
                given = await blocking(self._arguments, config)
                await blocking(self._take_returned, await function(**given))
            case "async_generator":
                given = await blocking(self._arguments, config)
                async with contextlib.aclosing(function(**given)) as parts:
                    async for part in parts:
                        await blocking(self._take, part)
                self.outputs.finish()
            case _:
                assert_never(self.op.compute.style)
        self._flush_logged_events()

    def _run_sync(self, config: Any) -> None:
        value = self.op.compute.function(**self._arguments(config))
        if inspect.isgenerator(value):
            for part in value:
                self._take(part)
            self.outputs.finish()
        else:
            self._take_returned(value)

    def _take(self, part: Any) -> None:
        self._flush_logged_events()
        self.outputs.take(part)

    def _take_returned(self, value: Any) -> None:
        self._flush_logged_events()
        self.outputs.take_returned(value)

    def _flush_logged_events(self) -> None:
        self.outputs.records += self.context.logged_events
        self.context.logged_events = []

    def _context(self, config: Any) -> OpExecutionContext:
        around, compute = self.surroundings, self.op.compute
        return OpExecutionContext(
            task=self._task,
            compute=replace(compute, partitions_def=around.partitions_def),
            log=around.log,
            resources=vars(around.opened.namespace(compute.required_resource_keys, f"op {self.path!r}")),
            op_config=shown_config(config),
            job_name=around.job_name,
            op=self.op,
            mapping_key=self.mapping_key,
        )

    # Inputs.

    def _arguments(self, config: Any) -> dict[str, Any]:
        compute = self.op.compute
        found: dict[str, Any] = {}
        if compute.context_argument is not None:
            found[compute.context_argument] = self.context
        if compute.config_argument is not None:
            found[compute.config_argument] = config
        for name in compute.resource_arguments:
            found[name] = self.surroundings.opened.get(name, f"op {self.path!r}")
        for name, given in self.op.ins.items():
            if not given.is_nothing and (value := self._value(name, given)) is not UNSET:
                found[name] = value
        return found

    def _value(self, name: str, given: In) -> Any:
        value = self._read(name, given)
        if value is not UNSET and (problem := violation(value, given.dagster_type)):
            raise DagsterTypeCheckDidNotPass(f"input {name!r} of op {self.path!r}: {problem}")
        return value

    def _read(self, name: str, given: In) -> Any:
        match self.values.get(name):
            case Present(value=value, load=None):
                return value
            case Present(load=load) if load is not None:
                return load(self._input_context(name, given))
            case Listed(slots=slots):
                context = self._input_context(name, given)
                return [one.value if one.load is None else one.load(context) for one in slots]
            case _:
                return self._unconnected(name, given)

    def _unconnected(self, name: str, given: In) -> Any:
        if given.input_manager_key is None:
            return given.default_value
        manager = self.surroundings.opened.get(given.input_manager_key, f"input {name!r} of op {self.path!r}")
        if not isinstance(manager, InputManager):
            raise DagsterInvalidDefinitionError(
                f"the resource {given.input_manager_key!r} is no InputManager, but op {self.path!r} has it as one"
            )
        return manager.load_input(self._input_context(name, given))

    def _input_context(self, name: str, given: In) -> InputContext:
        common = self._io(name)
        return InputContext(
            **common,
            definition_metadata=given.metadata,
            annotation=given.dagster_type,
            upstream_output=OutputContext(**common),
        )

    def _io(self, name: str, key: str | None = None) -> dict[str, Any]:
        place: Sequence[str] = [self.surroundings.task.run_id, self.step_key, name if key is None else f"{name}_{key}"]
        return {
            "asset_key": AssetKey(place),
            "is_of_asset": False,
            "name": name,
            "step_key": self.step_key,
            "run_id": self.surroundings.task.run_id,
            "log": self.surroundings.log,
            "resources": self.context.resources,
            "run_partition": self.surroundings.task.partition,
        }

    # Outputs.

    def _store(self, name: str, out: Out, key: str | None, value: Any) -> Present:
        manager_key = out.io_manager_key or DEFAULT_IO_MANAGER
        if manager_key not in self.surroundings.opened and out.io_manager_key is None:
            return Present(value)
        manager = self.surroundings.opened.get(manager_key, f"output {name!r} of op {self.path!r}")
        if not isinstance(manager, IOManager):
            raise DagsterInvalidDefinitionError(
                f"the resource {manager_key!r} is no IOManager, but op {self.path!r} has it as one"
            )
        stored = OutputContext(
            **self._io(name, key),
            definition_metadata={**out.metadata, **self.context.metadata_of(name)},
            annotation=out.dagster_type,
        )
        manager.handle_output(stored, value)

        def load(context: InputContext) -> Any:
            whole = replace(context, asset_key=stored.asset_key, upstream_output=stored)
            return manager.load_input(whole)

        return Present(value, load)
