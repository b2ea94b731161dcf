"""What a job of ops answers with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from upwell.definitions.errors import DagsterInvariantViolationError
from upwell.definitions.event_records import DagsterEvent
from upwell.definitions.ops.graphs import GraphDeclaration
from upwell.definitions.ops.nodes import NodeDefinition
from upwell.definitions.results import DEFAULT_OUTPUT
from upwell.definitions.runs import DagsterRun
from upwell.events import Event, StepSkipped
from upwell.oneshot.result import ExecuteInProcessResult, KeptValues, RunRecord


class OpsResult(ExecuteInProcessResult):
    """How a run of ops went, and the values that they made, by path (`graph.op`)."""

    def __init__(
        self, *, run: DagsterRun, graph: GraphDeclaration, record: RunRecord, values: Mapping[tuple[str, str], Any]
    ) -> None:
        super().__init__(run=run, steps=(), computations={}, record=record, kept=KeptValues())
        self._graph = graph
        self._values = values

    def output_for_node(self, node_str: str, output_name: str = DEFAULT_OUTPUT) -> Any:
        """The value of an op's or inner graph's output; a dict by key where it ran for each of several values.

        Raises:
            DagsterInvariantViolationError: there is no such node or output, or no value of it.
        """
        definition = self._definition(node_str)
        if output_name not in definition.outs:
            known = ", ".join(definition.outs) or "none"
            raise DagsterInvariantViolationError(
                f"{node_str!r} has no output {output_name!r}; its outputs are: {known}"
            )
        return self._value(node_str, output_name)

    def output_value(self, output_name: str = DEFAULT_OUTPUT) -> Any:
        """The value of an output of the graph itself.

        Raises:
            DagsterInvariantViolationError: there is no such output, or no value of it.
        """
        if output_name not in self._graph.outs:
            known = ", ".join(self._graph.outs) or "none"
            raise DagsterInvariantViolationError(f"the graph has no output {output_name!r}; it has: {known}")
        return self._value("", output_name)

    def events_for_node(self, node_name: str) -> Sequence[DagsterEvent]:
        """The events of an op, for each value that it ran for, or of all ops of an inner graph."""
        return [event for event in self.all_events if _is_of(event.step_key or "", node_name)]

    def _value(self, path: str, output_name: str) -> Any:
        try:
            return self._values[path, output_name]
        except KeyError:
            raise DagsterInvariantViolationError(
                f"{path or 'the graph'} has no value {output_name!r}: it did not succeed in this run, or left it out"
            ) from None

    def _definition(self, path: str) -> NodeDefinition:
        found: NodeDefinition = self._graph
        for name in path.split("."):
            nodes = found.nodes if isinstance(found, GraphDeclaration) else {}
            if name not in nodes:
                raise DagsterInvariantViolationError(
                    f"this job has no {path!r}; it has: {', '.join(self._graph.nodes)}"
                )
            found = nodes[name].definition
        return found

    def _values_read(self, step: str) -> int:
        return len(self._definition(step.partition("[")[0]).ins)

    def _values_made(self, step: str) -> int:
        path, _, key = step.rstrip("]").partition("[")
        made = 0
        for name, out in self._definition(path).outs.items():
            value = self._values.get((path, name), _NOTHING)
            if key and value is not _NOTHING:
                value = value.get(key, _NOTHING)
            made += 0 if value is _NOTHING else len(value) if out.is_dynamic else 1
        return made

    def _told(self, event: Event) -> Iterable[DagsterEvent]:
        if isinstance(event, StepSkipped):
            yield DagsterEvent(event_type_value="STEP_SKIPPED", step_key=event.step_id, message=event.reason)
        else:
            yield from super()._told(event)


_NOTHING = object()


def _is_of(step_key: str, node: str) -> bool:
    return step_key == node or step_key.startswith((f"{node}[", f"{node}."))
