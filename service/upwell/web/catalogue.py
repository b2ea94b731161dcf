"""Reads the present state of the catalogue, and finds assets in it."""

from __future__ import annotations

from upwell.definitions.selection import select
from upwell.definitions.snapshot import AssetNode
from upwell.planning.status import asset_statuses
from upwell.web.freshness_now import read_risks
from upwell.web.parts import WebParts
from upwell.web.presenting import Present, lateness
from upwell.web.problems import not_found


async def read_present(parts: WebParts) -> Present:
    """All assets as they are now."""
    graph = parts.project.graph
    states = await parts.queries.asset_states()
    freshness = await parts.queries.freshness()
    now = parts.clock.now()
    return Present(
        graph=graph,
        states=states,
        statuses=asset_statuses(graph, states),
        freshness=freshness,
        late=lateness(graph, freshness),
        risks=await read_risks(parts.queries, freshness, states, now),
        checks={f"{state.asset}:{state.check}": state for state in await parts.queries.check_states()},
        now=now,
    )


def selected(parts: WebParts, selection: str | None) -> list[str]:
    """The assets of a selection (without one: all), upstream first.

    Raises:
        SelectionError: it cannot be read, or names what does not exist.
    """
    graph = parts.project.graph
    return graph.in_order(graph.assets if selection is None else select(graph, selection))


def find_asset(parts: WebParts, key: str) -> AssetNode:
    """The asset of that key.

    Raises:
        ProblemError: 404.
    """
    node = parts.project.graph.assets.get(key)
    if node is None:
        raise not_found("asset", key)
    return node
