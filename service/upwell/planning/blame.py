"""Which asset is to blame when several are late: the one furthest upstream that is late itself. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from datetime import datetime

from upwell.definitions.graph import AssetGraph


class Blame:
    """For one look at the graph and at who is late since when.

    An asset's root is the late asset above it with nobody late above itself; of several the one that is late
    for longest. Assets without a policy in between pass the blame on.
    """

    def __init__(self, graph: AssetGraph, late: Mapping[str, datetime]) -> None:
        self._graph = graph
        self._late = late
        self._roots: dict[str, str | None] = {}

    def cause(self, asset: str) -> str | None:
        """The root of `asset`, or none when nothing above it is late."""
        if asset not in self._graph.assets:
            return None
        for key in self._unknown_above(asset):
            self._roots[key] = self._root(key)
        return self._roots[asset]

    def affected(self, asset: str) -> tuple[str, ...]:
        """The late assets below `asset` whose root it is; none when it is not to blame itself."""
        if asset not in self._graph.assets or self.cause(asset) is not None:
            return ()
        return tuple(sorted(key for key in self._below(asset) if key in self._late and self.cause(key) == asset))

    def inheritors(self, asset: str) -> tuple[str, ...]:
        """The assets with a policy below `asset` that are themselves on time, with input whose root it is."""
        if asset not in self._late or self.cause(asset) is not None:
            return ()
        return tuple(
            sorted(
                key
                for key in self._below(asset)
                if key not in self._late and self._graph.assets[key].freshness is not None and self.cause(key) == asset
            )
        )

    def _root(self, key: str) -> str | None:
        roots = {
            self._roots[parent] or (parent if parent in self._late else None)
            for parent in self._graph.upstream(key)
            if parent != key
        }
        return min(
            (root for root in roots if root is not None), key=lambda root: (self._late[root], root), default=None
        )

    def _unknown_above(self, asset: str) -> list[str]:
        """`asset` and everything above it whose root is not known yet, upstream first."""
        found, todo = {asset}, [asset]
        while todo:
            for parent in self._graph.upstream(todo.pop()):
                if parent not in found and parent not in self._roots:
                    found.add(parent)
                    todo.append(parent)
        return self._graph.in_order(found)

    def _below(self, asset: str) -> Iterator[str]:
        found, todo = {asset}, deque([asset])
        while todo:
            for child in self._graph.downstream(todo.popleft()):
                if child not in found:
                    found.add(child)
                    todo.append(child)
                    yield child
