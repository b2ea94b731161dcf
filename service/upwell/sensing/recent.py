"""The newest records that calls may be about, in memory, so that a call reads nothing from disk as a rule."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Collection, Sequence

from upwell.definitions.graph import AssetGraph
from upwell.events import (
    AssetMaterialized,
    FileChanged,
    MessageReceived,
    RunCanceled,
    RunFailed,
    RunRequested,
    RunStarted,
    RunSucceeded,
    TimerFired,
    WebhookAccepted,
)
from upwell.journal.journal import Record

_MOST_RECORDS = 256
_MOST_OF_AN_ASSET = 100


class Recent:
    """Remembers what the sensors of the present graph listen to or watch."""

    def __init__(self) -> None:
        self._records: OrderedDict[int, Record] = OrderedDict()
        self._watched: dict[str, _Materializations] = {}
        self._graph = AssetGraph()

    def follow(self, graph: AssetGraph, position: int) -> None:
        """From `position` on, remember what this graph wants."""
        self._graph = graph
        wanted = {
            asset for node in graph.sensors.values() if node.kind == "multi_asset" for asset in node.watched_assets
        }
        self._watched = {asset: self._watched.get(asset) or _Materializations(position) for asset in wanted}

    def take_in(self, record: Record) -> None:
        match record.event:
            case WebhookAccepted() | FileChanged() | TimerFired() | MessageReceived():
                self._remember(record)
            case AssetMaterialized(asset=asset) if asset in self._graph.asset_sensors:
                self._remember(record)
                if asset in self._watched:
                    self._watched[asset].add(record)
            case RunRequested() | RunStarted() | RunSucceeded() | RunFailed() | RunCanceled():
                if self._graph.run_status_sensors:
                    self._remember(record)
            case _:
                pass

    def by_id(self, ids: Collection[int]) -> dict[int, Record]:
        """Those of the records that are remembered."""
        return {id: self._records[id] for id in ids if id in self._records}

    def materializations(self, asset: str, after: int) -> Sequence[Record] | None:
        """Those of a watched asset that came after an event; none when memory does not reach back so far."""
        known = self._watched.get(asset)
        return known.since(after) if known is not None else None

    def _remember(self, record: Record) -> None:
        self._records[record.id] = record
        if len(self._records) > _MOST_RECORDS:
            self._records.popitem(last=False)


class _Materializations:
    """The newest of one asset: all that came after the event `complete_after`."""

    def __init__(self, position: int) -> None:
        self._complete_after = position
        self._records: deque[Record] = deque()

    def add(self, record: Record) -> None:
        self._records.append(record)
        if len(self._records) > _MOST_OF_AN_ASSET:
            self._complete_after = self._records.popleft().id

    def since(self, after: int) -> Sequence[Record] | None:
        if after < self._complete_after:
            return None
        return [record for record in self._records if record.id > after]
