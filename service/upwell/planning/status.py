"""The status of each asset, as the catalogue shows it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Protocol, TypeAlias

from upwell.definitions.graph import AssetGraph

AssetStatus: TypeAlias = Literal["never", "up_to_date", "stale", "materializing", "failed"]


class AssetFacts(Protocol):
    """The newest facts about an asset: ids of events, which compare like time does; 0 when there was none."""

    @property
    def materialized_id(self) -> int: ...
    @property
    def materialized_run(self) -> str | None: ...
    @property
    def failed_id(self) -> int: ...
    @property
    def started_id(self) -> int: ...
    @property
    def ended_id(self) -> int: ...


def asset_statuses(graph: AssetGraph, states: Mapping[str, AssetFacts]) -> dict[str, AssetStatus]:
    """Every asset's status, upstream first.

    An asset is stale when something that it reads changed after it was made, or is itself stale: its own upstream
    changed, and it has not followed yet.
    """
    stale: set[str] = set()
    statuses: dict[str, AssetStatus] = {}
    for key in graph.in_order(graph.assets):
        state = states.get(key)
        if state is None:
            statuses[key] = "never"
            continue
        if _is_stale(graph, key, state, states, stale):
            stale.add(key)
        statuses[key] = _status(state, stale=key in stale)
    return statuses


def _is_stale(
    graph: AssetGraph, key: str, state: AssetFacts, states: Mapping[str, AssetFacts], stale: set[str]
) -> bool:
    if not state.materialized_id:
        return False
    for upstream in graph.upstream(key):
        if upstream == key:
            continue
        if upstream in stale:
            return True
        other = states.get(upstream)
        if other is not None and other.materialized_id > state.materialized_id and not _same_run(other, state):
            return True
    return False


def _same_run(one: AssetFacts, other: AssetFacts) -> bool:
    """Within a run the plan keeps the order; a multi-asset may report what it made in any order."""
    return one.materialized_run is not None and one.materialized_run == other.materialized_run


def _status(state: AssetFacts, *, stale: bool) -> AssetStatus:
    if state.started_id > state.ended_id:
        return "materializing"
    if state.failed_id > state.materialized_id:
        return "failed"
    if not state.materialized_id:
        return "never"
    return "stale" if stale else "up_to_date"
