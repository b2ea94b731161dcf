"""Part of a graph: `["a", "*b", "c+"]` by the names of its nodes."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from upwell.definitions.errors import DagsterInvalidSubsetError
from upwell.definitions.ops.graphs import GraphDeclaration
from upwell.definitions.ops.nodes import Node

G = TypeVar("G", bound=GraphDeclaration)

_CLAUSE = re.compile(r"(?P<up>\*|\++)?(?P<name>[A-Za-z0-9_.]+)(?P<down>\*|\++)?")


def selected_ops(graph: G, selection: Sequence[str] | None) -> G:
    """The graph with only the selected nodes; what those read of others has to come from run config.

    Raises:
        DagsterInvalidSubsetError: a name that is not there.
    """
    if selection is None or list(selection) == ["*"]:
        return graph
    above = {name: set(node.sources) for name, node in graph.nodes.items()}
    below = {name: {other for other, needs in above.items() if name in needs} for name in graph.nodes}
    chosen: set[str] = set()
    for clause in selection:
        found = _CLAUSE.fullmatch(clause)
        if found is None or found["name"] not in graph.nodes:
            raise DagsterInvalidSubsetError(
                f"op_selection names {clause!r}, which is not in {graph.name!r}; it has: {', '.join(graph.nodes)}"
            )
        chosen |= _reached(found["name"], above, found["up"]) | _reached(found["name"], below, found["down"])
    part = copy.copy(graph)
    part.nodes = {name: _without(node, chosen) for name, node in graph.nodes.items() if name in chosen}
    part.out_links = {name: link for name, link in graph.out_links.items() if link.node in chosen}
    return part


def _reached(start: str, neighbours: Mapping[str, set[str]], steps: str | None) -> set[str]:
    found = edge = {start}
    left = len(neighbours) if steps == "*" else len(steps or "")
    while left and edge:
        edge = {further for name in edge for further in neighbours[name]} - found
        found = found | edge
        left -= 1
    return found


def _without(node: Node, chosen: set[str]) -> Node:
    alone = (replace(node, links={name: link}) for name, link in node.links.items())
    return replace(
        node, links={name: link for one in alone if one.sources <= chosen for name, link in one.links.items()}
    )
