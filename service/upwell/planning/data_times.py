"""Up to when data are complete: what a materialisation inherits from what it read, where nobody says. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeAlias

from upwell.definitions.freshness.partitions import window_end
from upwell.definitions.graph import AssetGraph
from upwell.events import AssetMaterialized, AssetObserved, CheckEvaluated

Result: TypeAlias = AssetMaterialized | AssetObserved | CheckEvaluated
Known: TypeAlias = Mapping[str, datetime | None]


def inherited(
    graph: AssetGraph, asset: str, partition: str | None, known: Known, looked_at: datetime
) -> datetime | None:
    """Up to when data are complete that are made from the present inputs: as far as the oldest of them.

    Who reads no asset looked at the world, at `looked_at`. A partition is complete at most up to its end. None when
    nobody ever said it of any input.
    """
    inputs = [key for key in graph.upstream(asset) if key != asset] if asset in graph.assets else []
    times = [time for key in inputs if (time := known.get(key)) is not None] if inputs else [looked_at]
    end = window_end(graph.assets[asset].partitions, partition) if asset in graph.assets else None
    return min([*times, end] if end is not None else times, default=None)


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What was known of the inputs of a step when it began: what came in later, it may not have seen."""

    graph: AssetGraph
    at: datetime
    known: Known


class DataTimes:
    """Up to when the data of each asset are complete, as was told last; of partitions, the newest."""

    def __init__(self, known: Known | None = None) -> None:
        self._known: dict[str, datetime | None] = dict(known or {})

    def reading(self, graph: AssetGraph, assets: Iterable[str], at: datetime) -> Reading:
        """What a step that makes these assets is about to read."""
        inputs = {key for asset in assets if asset in graph.assets for key in graph.upstream(asset)}
        return Reading(graph=graph, at=at, known={key: self._known.get(key) for key in inputs})

    def stamped(self, reading: Reading, results: Iterable[Result]) -> tuple[Result, ...]:
        """What a step recorded, each materialisation with its data time; from then on that is known."""
        known = dict(reading.known)
        stamped: list[Result] = []
        for result in results:
            if isinstance(result, AssetMaterialized) and result.data_time is None:
                time = inherited(reading.graph, result.asset, result.partition, known, reading.at)
                result = replace(result, data_time=time)
            if not isinstance(result, CheckEvaluated):
                self.learn(result)
                known[result.asset] = self._known.get(result.asset)
            stamped.append(result)
        return tuple(stamped)

    def learn(self, event: AssetMaterialized | AssetObserved) -> None:
        """Take in what an event says."""
        before = self._known.get(event.asset)
        if event.partition is not None:
            self._known[event.asset] = max(filter(None, (before, event.data_time)), default=None)
        elif isinstance(event, AssetMaterialized) or event.data_time is not None:
            self._known[event.asset] = event.data_time
