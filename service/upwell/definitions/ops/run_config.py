"""What run config says of each op of a job, or every mistake in it with its place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from upwell.definitions.config.checking import PARTS
from upwell.definitions.config.resolving import problems_of
from upwell.definitions.errors import DagsterInvalidConfigError
from upwell.definitions.ops.graphs import GraphDeclaration
from upwell.definitions.ops.nodes import Node
from upwell.definitions.ops.op import OpDefinition
from upwell.definitions.specs import UNSET


@dataclass(frozen=True)
class OpsConfig:
    """What is said, by path of the op (`graph.op`), and values of inputs, by path and name. (`Any`: of any type.)"""

    said: dict[str, Any] = field(default_factory=dict)
    inputs: dict[tuple[str, str], Any] = field(default_factory=dict)


def ops_config(
    graph: GraphDeclaration, run_config: Any, resources: Mapping[str, object], given_inputs: Iterable[str] = ()
) -> OpsConfig:
    """The config of each op. (`Any`: whatever the caller gave.)

    Args:
        resources: by resource that the run uses: what may be said of it, as a schema.
        given_inputs: inputs of the graph that run config need not give.

    Raises:
        DagsterInvalidConfigError: run config does not fit; with every problem.
    """
    if not isinstance(run_config or {}, Mapping):
        raise DagsterInvalidConfigError(f"run config is {run_config!r}, and has to be a dict")
    given = dict(run_config or {})
    reading = _Reading()
    reading.unknown("run config", given, (*PARTS, "inputs"))
    if graph.config is not None:
        said = given.get("ops", given.get("config", UNSET))
        reading.mapped(graph, said.get("config", said) if isinstance(said, Mapping) else said, "config", "")
    else:
        reading.ops(graph, given.get("ops"), "ops", "")
    reading.inputs_of_graph(graph, given.get("inputs") or {}, set(given_inputs))
    reading.resources(given.get("resources") or {}, resources)
    if reading.problems:
        raise DagsterInvalidConfigError("run config: " + "; ".join(reading.problems))
    return reading.found


class _Reading:
    def __init__(self) -> None:
        self.found = OpsConfig()
        self.problems: list[str] = []

    def unknown(self, where: str, given: Mapping[str, Any], known: Iterable[str]) -> None:
        takes = ", ".join(known) or "nothing"
        self.problems += [f"{where}: {key} is not known; it takes {takes}" for key in given if key not in set(known)]

    def ops(self, graph: GraphDeclaration, given: Any, where: str, path: str) -> None:
        if not isinstance(given or {}, Mapping):
            self.problems.append(f"{where} is {given!r}, and has to be a dict")
            return
        self.unknown(where, given or {}, graph.nodes)
        for node in graph.nodes.values():
            self._node(node, (given or {}).get(node.name) or {}, f"{where}.{node.name}", f"{path}{node.name}")

    def _node(self, node: Node, said: Any, where: str, path: str) -> None:
        if not isinstance(said, Mapping):
            self.problems.append(f"{where} is {said!r}, and has to be a dict")
            return
        definition = node.definition
        if isinstance(definition, OpDefinition):
            self.unknown(where, said, ("config", "inputs", "outputs"))
            config = said.get("config", UNSET)
            self.problems += problems_of(definition.schema, config, f"{where}.config")
            self.found.said[path] = config
        elif isinstance(definition, GraphDeclaration) and definition.config is not None:
            self.unknown(where, said, ("config", "inputs"))
            self.mapped(definition, said.get("config", UNSET), f"{where}.config", f"{path}.")
        elif isinstance(definition, GraphDeclaration):
            self.unknown(where, said, ("ops", "inputs"))
            self.ops(definition, said.get("ops"), f"{where}.ops", f"{path}.")
        self._inputs(node, said.get("inputs") or {}, where, path)

    def mapped(self, graph: GraphDeclaration, said: Any, where: str, path: str) -> None:
        assert graph.config is not None
        try:
            ops = graph.config.ops_for(said, where)
        except DagsterInvalidConfigError as wrong:
            self.problems.append(str(wrong))
            return
        self.ops(graph, ops, f"what {where} is mapped to", path)

    def _inputs(self, node: Node, said: Mapping[str, Any], where: str, path: str) -> None:
        for name, one in node.definition.ins.items():
            if name in node.links or one.is_nothing:
                continue
            if name in said:
                self.found.inputs[path, name] = _value(said[name])
            elif one.default_value is UNSET and one.input_manager_key is None:
                self.problems.append(f"{where}.inputs.{name} is missing: nothing is connected to that input")

    def inputs_of_graph(self, graph: GraphDeclaration, said: Mapping[str, Any], given: set[str]) -> None:
        for name, one in graph.ins.items():
            if name in said:
                self.found.inputs["", name] = _value(said[name])
            elif name not in given and one.default_value is UNSET and not one.is_nothing:
                self.problems.append(f"inputs.{name} is missing")

    def resources(self, given: Mapping[str, Any], schemas: Mapping[str, object]) -> None:
        self.unknown("resources", given, schemas)
        for key, schema in schemas.items():
            said = given.get(key) or {}
            self.problems += problems_of(schema, said.get("config", UNSET), f"resources.{key}.config")


def _value(said: Any) -> Any:
    return said["value"] if isinstance(said, Mapping) and set(said) == {"value"} else said
