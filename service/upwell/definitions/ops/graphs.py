"""Graphs of ops, and jobs that are made of them."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from upwell.definitions.compute import UserFunction
from upwell.definitions.errors import DagsterInvalidDefinitionError
from upwell.definitions.jobs import JobDeclaration
from upwell.definitions.ops.composing import (
    composing,
    current_composition,
    given_input,
    output_link,
)
from upwell.definitions.ops.config import ConfigMapping
from upwell.definitions.ops.hooks import HookDefinition
from upwell.definitions.ops.inputs_outputs import DynamicOut, GraphIn, GraphOut, In, Out
from upwell.definitions.ops.nodes import FanIn, FromInput, FromOutput, Link, Node, NodeDefinition, Use, checked_name
from upwell.definitions.ops.partitioned_config import PartitionedConfig
from upwell.definitions.results import DEFAULT_OUTPUT
from upwell.definitions.run_config import plain_config
from upwell.definitions.signature import Place, annotation_of, name_of, place_of
from upwell.events import Json


class GraphDeclaration(NodeDefinition):
    """Nodes that pass values on to each other; its inputs and outputs are those of some of them."""

    def __init__(
        self,
        *,
        name: str,
        nodes: Mapping[str, Node],
        ins: Mapping[str, In],
        out_links: Mapping[str, FromOutput],
        outs: Mapping[str, Out],
        config: ConfigMapping | None = None,
        description: str | None = None,
        place: Place | None = None,
    ) -> None:
        self.name = name
        self.nodes = nodes
        self.out_links = out_links
        self.config = config
        self.description = description
        self.place = place or Place()
        self._ins = ins
        self._outs = outs

    @property
    def ins(self) -> Mapping[str, In]:
        return self._ins

    @property
    def outs(self) -> Mapping[str, Out]:
        return self._outs

    def in_order(self) -> Iterator[Node]:
        """The nodes in the order in which they run: what waits for nothing first, by name, and so on."""
        waiting = dict(sorted(self.nodes.items()))
        done: set[str] = set()
        ready: list[str] = []
        while waiting or ready:
            found = [name for name, node in waiting.items() if node.sources <= done]
            ready += found
            for name in found:
                del waiting[name]
            done.add(ready[0])
            yield self.nodes[ready.pop(0)]

    @property
    def required_resource_keys(self) -> frozenset[str]:
        keys: frozenset[str] = frozenset()
        for node in self.nodes.values():
            keys |= node.definition.required_resource_keys
            keys = keys.union(*(hook.required_resource_keys for hook in node.hooks))
        return keys

    def called(self, use: Use, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        composition = current_composition()
        if composition is None:
            raise DagsterInvalidDefinitionError(
                f"graph {self.name!r} is used within @graph and @job; here, call {self.name}.execute_in_process()"
            )
        return composition.use(use, args, kwargs)


@dataclass(frozen=True, kw_only=True)
class GraphOptions:
    """What can be said of a `@graph`; as in Dagster."""

    name: str | None = None
    description: str | None = None
    ins: Mapping[str, GraphIn] | None = None
    out: GraphOut | Mapping[str, GraphOut] | None = None
    config: ConfigMapping | None = None
    tags: Mapping[str, str] | None = None

    def parts(self, function: UserFunction) -> dict[str, Any]:
        """What the body of the function says, as the arguments of a `GraphDeclaration`. (`Any`: of many types.)

        Raises:
            DagsterInvalidDefinitionError: it is no valid graph.
        """
        place = place_of(function)
        name = checked_name(self.name or name_of(function), place)
        parameters = inspect.signature(function).parameters
        with composing() as composition:
            result = function(**{key: given_input(key) for key in parameters})
        nodes = composition.nodes
        found, outs = self._outputs(result, name, place)
        ins = {key: _input(key, annotation_of(function, one.annotation), nodes) for key, one in parameters.items()}
        for key, one in ins.items():
            if one is None:
                raise place.error(f"input {key!r} of graph {name!r} is not used; remove it, or give it to an op")
        return {
            "name": name,
            "nodes": nodes,
            "ins": ins,
            "out_links": found,
            "outs": outs,
            "config": self.config,
            "description": self.description or inspect.getdoc(function),
            "place": place,
        }

    def _outputs(self, result: Any, name: str, place: Place) -> tuple[dict[str, FromOutput], dict[str, Out]]:
        named = list(self.out) if isinstance(self.out, Mapping) else []
        match result:
            case None:
                given: dict[str, Any] = {}
            case dict():
                given = result
            case tuple() | list() if named or len(result) != 1:
                names = named or list(getattr(result, "_fields", map(str, range(len(result)))))
                given = dict(zip(names, result, strict=False))
            case _:
                given = {named[0] if named else DEFAULT_OUTPUT: result}
        if named and set(named) != set(given):
            raise place.error(
                f"graph {name!r} is to return {', '.join(named)}, and returns {', '.join(given) or 'nothing'}"
            )
        links, outs = {}, {}
        for key, value in given.items():
            links[key], dynamic = output_link(value, f"output {key!r} of graph {name!r}")
            outs[key] = DynamicOut() if dynamic else Out()
        return links, outs


def _input(name: str, annotation: object, nodes: Mapping[str, Node]) -> In | None:
    """The input of a graph, as those that read it have it; none when nobody does."""
    readers = [
        node.definition.ins[key] for node in nodes.values() for key, link in node.links.items() if _reads(link, name)
    ]
    if not readers:
        return None
    return In(dagster_type=annotation, default_value=readers[0].default_value) if len(readers) == 1 else In(annotation)


def _reads(link: Link, name: str) -> bool:
    parts = link.parts if isinstance(link, FanIn) else (link,)
    return any(isinstance(part, FromInput) and part.name == name for part in parts)


@dataclass(frozen=True, kw_only=True, eq=False)
class OpJobDeclaration(JobDeclaration):
    """A job of ops.

    Attributes:
        graph: what runs.
        resource_defs: resources by key, before those of `Definitions`.
        hooks: hooks of every op.
        retry_policy: of every op that has none.
        input_values: for the inputs of the graph.
    """

    graph: GraphDeclaration
    resource_defs: Mapping[str, object] = field(default_factory=dict)
    hooks: frozenset[HookDefinition] = frozenset()
    retry_policy: Any = None
    input_values: Mapping[str, Any] = field(default_factory=dict)

    @property
    def step(self) -> str:
        """The key of the step that runs it as a whole, in the service."""
        return f"job:{self.name}"

    def config_for(self, partition_key: str | None) -> Json:
        if isinstance(self.config, PartitionedConfig):
            return dict(self.config.run_config_for(partition_key)) if partition_key is not None else None
        return None if isinstance(self.config, ConfigMapping) else plain_config(self.config) or None

    @property
    def required_resource_keys(self) -> frozenset[str]:
        """The resources that running it takes."""
        return self.graph.required_resource_keys.union(*(hook.required_resource_keys for hook in self.hooks))
