"""Running a graph of ops: one after the other, each as soon as what it reads is there.

A failure stops what reads from the op, directly or through others, and nothing else, unless the run is to stop at once.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

from upwell.definitions.ops.graphs import GraphDeclaration
from upwell.definitions.ops.hooks import HookDefinition
from upwell.definitions.ops.nodes import FanIn, FromInput, FromOutput, Link, Node
from upwell.definitions.ops.op import OpDefinition
from upwell.definitions.retry_policy import RetryPolicy
from upwell.definitions.specs import UNSET
from upwell.events import Event, StepFailed, StepSkipped, StepStarted, StepSucceeded
from upwell.runtime.asset_records import recorded_asset
from upwell.runtime.ops.calls import OpCall, Surroundings
from upwell.runtime.ops.contexts import HookContext
from upwell.runtime.ops.slots import Absent, Keyed, Listed, Present, Slot, listed, plain
from upwell.runtime.retrying import retry_wish
from upwell.runtime.tracebacks import error_info


@dataclass(kw_only=True)
class OpsRun:
    """A run of ops so far: what it tells, the values of each output, and the first error.

    Attributes:
        tell: called with each event as it happens.
        stop_at_failure: let nothing begin any more once an op has failed.
        values: by path of the node and output.
    """

    surroundings: Surroundings
    tell: Callable[[Event], None]
    stop_at_failure: bool = False
    values: dict[tuple[str, str], Any] = field(default_factory=dict)
    errors: list[BaseException] = field(default_factory=list)

    async def run(self, graph: GraphDeclaration, inputs: Mapping[str, Any]) -> bool:
        """Run to the end; answers whether nothing failed. (`Any`: values are of the user's types.)"""
        given = {name: Present(value) for name, value in inputs.items()}
        given |= {name: Present(value) for (path, name), value in self.surroundings.config.inputs.items() if not path}
        outputs = await _GraphRun(self, graph, given, "", None, self.surroundings.hooks).run()
        self.keep("", outputs)
        return not self.errors

    def keep(self, path: str, slots: Mapping[str, Slot], key: str | None = None) -> None:
        for name, slot in slots.items():
            if isinstance(slot, Absent):
                continue
            if key is None:
                self.values[path, name] = plain(slot)
            else:
                self.values.setdefault((path, name), {})[key] = plain(slot)

    @property
    def stopped(self) -> bool:
        """Whether nothing more is to begin."""
        return self.stop_at_failure and bool(self.errors)


class _GraphRun:
    def __init__(
        self,
        run: OpsRun,
        graph: GraphDeclaration,
        inputs: Mapping[str, Slot],
        path: str,
        key: str | None,
        hooks: frozenset[HookDefinition],
    ) -> None:
        self._run = run
        self._graph = graph
        self._inputs = inputs
        self._path = path
        self._key = key
        self._hooks = hooks
        self._slots: dict[tuple[str, str], Slot] = {}

    async def run(self) -> dict[str, Slot]:
        """The slots of the graph's outputs."""
        for node in self._graph.in_order():
            for name, slot in (await self._node(node)).items():
                self._slots[node.name, name] = slot
        return {name: self._slots[link.node, link.output] for name, link in self._graph.out_links.items()}

    async def _node(self, node: Node) -> dict[str, Slot]:
        each = next(node.links_each, None)
        if each is None:
            return await self._use(node, self._key)
        source = self._slots[each.node, each.output]
        if not isinstance(source, Keyed):
            reason = source if isinstance(source, Absent) else Absent.SKIPPED
            return dict.fromkeys(node.definition.outs, reason)
        found: dict[str, dict[str, Slot]] = {name: {} for name in node.definition.outs}
        for key in source.slots:
            for name, slot in (await self._use(node, key)).items():
                found[name][key] = slot
        return {name: Keyed(slots) for name, slots in found.items()}

    async def _use(self, node: Node, key: str | None) -> dict[str, Slot]:
        path = f"{self._path}.{node.name}" if self._path else node.name
        values = {name: self._resolved(link, key) for name, link in node.links.items()}
        hooks = self._hooks | node.hooks
        if self._run.stopped:
            return dict.fromkeys(node.definition.outs, Absent.FAILED)
        if isinstance(node.definition, GraphDeclaration):
            given = {name: _as_slot(value) for name, value in values.items()}
            slots = await _GraphRun(self._run, node.definition, given, path, key, hooks).run()
        else:
            assert isinstance(node.definition, OpDefinition)
            slots = await self._op(node, node.definition, path, key, values, hooks)
        self._run.keep(path, slots, key)
        return slots

    def _resolved(self, link: Link, key: str | None) -> Slot | Listed:
        match link:
            case FanIn(parts=parts):
                return listed([self._part(part, key) for part in parts], empty=False)
            case FromOutput(collected=True):
                source = self._slots[link.node, link.output]
                return listed(source.slots.values(), empty=True) if isinstance(source, Keyed) else source
            case FromOutput() | FromInput():
                return self._part(link, key)

    def _part(self, link: FromOutput | FromInput, key: str | None) -> Slot:
        if isinstance(link, FromInput):
            return self._inputs.get(link.name, _UNCONNECTED)
        slot = self._slots[link.node, link.output]
        return slot.slots[key] if link.each and isinstance(slot, Keyed) and key is not None else slot

    # Ops.

    async def _op(
        self,
        node: Node,
        op: OpDefinition,
        path: str,
        key: str | None,
        values: Mapping[str, Slot | Listed],
        hooks: frozenset[HookDefinition],
    ) -> dict[str, Slot]:
        run, step_key = self._run, path if key is None else f"{path}[{key}]"
        if Absent.FAILED in values.values():
            return dict.fromkeys(op.outs, Absent.FAILED)
        if Absent.SKIPPED in values.values():
            task = run.surroundings.task
            run.tell(StepSkipped(run_id=task.run_id, step_id=step_key, reason="an output that it reads was left out"))
            return dict.fromkeys(op.outs, Absent.SKIPPED)
        said = run.surroundings.config.inputs
        given = {name: Present(said[path, name]) for name in op.ins if (path, name) in said}
        ready = {name: one for name, one in values.items() if isinstance(one, Present | Listed) and one != _UNCONNECTED}
        call = OpCall(
            op=op,
            name=node.name,
            path=path,
            step_key=step_key,
            values={**given, **ready},
            surroundings=run.surroundings,
            mapping_key=key,
        )
        policy = node.retry_policy or op.compute.retry_policy or run.surroundings.retry_policy
        return await _Attempts(run, call, policy, hooks).run()


class _Attempts:
    """An op, until it succeeds or is given up."""

    def __init__(self, run: OpsRun, call: OpCall, policy: RetryPolicy | None, hooks: Iterable[HookDefinition]) -> None:
        self._run = run
        self._call = call
        self._policy = policy
        self._hooks = sorted(hooks, key=lambda hook: hook.name)

    async def run(self) -> dict[str, Slot]:
        attempt = 1
        while True:
            call = replace(self._call, attempt=attempt)
            error, duration = await self._attempt(call)
            if error is None:
                await self._call_hooks(call, None)
                return call.outputs.slots
            pause = self._pause(error, attempt)
            self._tell_failure(call, error, duration, pause)
            if pause is None:
                self._run.errors.append(error)
                await self._call_hooks(call, error)
                return dict.fromkeys(call.op.outs, Absent.FAILED)
            await self._run.surroundings.clock.sleep(pause)
            attempt += 1

    async def _attempt(self, call: OpCall) -> tuple[BaseException | None, float]:
        run_id = self._run.surroundings.task.run_id
        self._run.tell(StepStarted(run_id=run_id, step_id=call.step_key, attempt=call.attempt))
        began = time.perf_counter()
        error: BaseException | None = None
        try:
            await call.run()
        except (Exception, SystemExit) as raised:  # noqa: BLE001 - whatever user code raises ends its op and nothing else
            error = raised
        duration = time.perf_counter() - began
        task = replace(self._run.surroundings.task, step_id=call.step_key)
        for record in call.outputs.records:
            self._run.tell(recorded_asset(record, task))
        if error is None:
            done = StepSucceeded(run_id=run_id, step_id=call.step_key, attempt=call.attempt, duration=duration)
            self._run.tell(done)
        return error, duration

    def _pause(self, error: BaseException, attempt: int) -> float | None:
        """Seconds before the next attempt, or none when this was the last."""
        wish = retry_wish(error)
        if wish is not None:
            return (wish.seconds_to_wait or 0.0) if attempt <= wish.max_retries else None
        if self._policy is None or attempt > self._policy.max_retries:
            return None
        return self._policy.delay_before(attempt, random.random())

    def _tell_failure(self, call: OpCall, error: BaseException, duration: float, pause: float | None) -> None:
        around = self._run.surroundings
        self._run.tell(
            StepFailed(
                run_id=around.task.run_id,
                step_id=call.step_key,
                attempt=call.attempt,
                duration=duration,
                error=error_info(error),
                retry_at=None if pause is None else around.clock.now() + timedelta(seconds=pause),
            )
        )

    async def _call_hooks(self, call: OpCall, error: BaseException | None) -> None:
        around = self._run.surroundings
        for hook in self._hooks:
            if hook.when != ("success" if error is None else "failure"):
                continue
            values = {name: plain(slot) for name, slot in call.outputs.slots.items() if not isinstance(slot, Absent)}
            context = HookContext(
                op=SimpleNamespace(name=call.name, definition=call.op),
                op_config=around.config.said.get(call.path),
                op_exception=error,
                op_output_values=values,
                log=around.log,
                resources=around.opened.namespace(hook.required_resource_keys, f"hook {hook.name!r}"),
                run_id=around.task.run_id,
                job_name=around.job_name,
                step_key=call.step_key,
                hook_def=hook,
            )
            try:
                await around.blocking(hook.hook_fn, context)
            except Exception:
                around.log.exception("hook %s of op %s failed", hook.name, call.step_key)


_UNCONNECTED = Present(UNSET)
"""Stands in an input of a graph that nothing is connected to: the ops within have their defaults."""


def _as_slot(value: Slot | Listed) -> Slot:
    if not isinstance(value, Listed):
        return value
    return Present([one.value for one in value.slots])
