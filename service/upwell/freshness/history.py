"""What the journal remembers of freshness: how to go on after a restart as if there had been none."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from upwell.clock import NEVER
from upwell.definitions.graph import AssetGraph
from upwell.definitions.partitions.time_windows import TimeWindowPartitionsDefinition
from upwell.definitions.snapshot import AssetNode
from upwell.events import AssetMaterialized, FreshnessChanged
from upwell.freshness.standings import LONG_AGO, Standing
from upwell.journal.journal import Record
from upwell.journal.queries import Queries
from upwell.journal.views import AssetState, FreshnessRow

_KINDS = (AssetMaterialized.kind,)
_PAGE = 500
_LOOK_BACK = 100  # materialisations of a partitioned asset, in which its newest partition is looked for


class History:
    """Reads standings out of the journal, as they were told up to the mark of the process before."""

    def __init__(self, queries: Queries) -> None:
        self._queries = queries
        self._mark = 0
        self._rows: dict[str, FreshnessRow] = {}

    async def begin(self, consumer: str) -> None:
        """Read how far the process before had come, and what it had told."""
        self._mark = await self._queries.progress(consumer)
        self._rows = await self._queries.freshness()

    async def standings(self, nodes: Collection[AssetNode], now: datetime) -> list[tuple[Standing, list[Record]]]:
        """Each asset as it was told last, with its materialisations that are to be taken in since then."""
        states = await self._queries.asset_states([node.key for node in nodes]) if nodes else {}
        return [await self._standing(node, states.get(node.key), now) for node in nodes]

    async def of_removed_policies(self, graph: AssetGraph, now: datetime) -> list[FreshnessChanged]:
        """Assets whose policy went away while no process was there to see it. Each is answered once.

        An asset that no loaded code location knows is left alone: its location may only be broken.
        """
        removed = [
            row
            for row in self._rows.values()
            if row.state != "NOT_APPLICABLE" and row.asset in graph.assets and graph.assets[row.asset].freshness is None
        ]
        for row in removed:
            del self._rows[row.asset]
        return [
            FreshnessChanged(
                asset=row.asset,
                state="NOT_APPLICABLE",
                previous_state=row.state,
                changed_at=max(now, row.changed_at),
                last_materialized=row.last_materialized,
            )
            for row in removed
        ]

    async def _standing(
        self, node: AssetNode, state: AssetState | None, now: datetime
    ) -> tuple[Standing, list[Record]]:
        assert node.freshness is not None
        row = self._rows.pop(node.key, None)
        standing = Standing(
            asset=node.key, policy=node.freshness, known_since=now, partitions=node.partitions, told_at=now
        )
        since: list[Record] = []
        if row is not None and row.state != "NOT_APPLICABLE":
            _resume(standing, row)
            if state is not None and state.materialized_id > self._mark:
                since = await self._materializations_since(node.key)
        await self._fill(standing, state, upto=since[0].id - 1 if since else None, now=now)
        return standing, since

    async def _fill(self, standing: Standing, state: AssetState | None, *, upto: int | None, now: datetime) -> None:
        """Give `standing` the newest materialisation that counts, of those up to an id."""
        if state is None or not state.materialized_id or state.materialized_at is None:
            return
        partitioned = isinstance(standing.partitions, TimeWindowPartitionsDefinition)
        if partitioned:
            for partition in (await self._queries.partitions(standing.asset)).values():
                if partition.materialized_at is not None and (upto is None or partition.materialized_id <= upto):
                    _made(standing, partition.materialized_at, partition.materialized_id, partition.partition, now)
        if upto is None and (not partitioned or state.materialized_partition is None):
            _made(standing, state.materialized_at, state.materialized_id, state.materialized_partition, now)
        if upto is not None:
            for record in reversed(await self._materializations_before(standing, upto + 1)):
                assert isinstance(record.event, AssetMaterialized)
                _made(standing, record.at, record.id, record.event.partition, now)
        standing.last_id = max(standing.last_id, upto or state.materialized_id)

    async def _materializations_before(self, standing: Standing, before: int) -> list[Record]:
        limit = _LOOK_BACK if isinstance(standing.partitions, TimeWindowPartitionsDefinition) else 1
        return await self._queries.events(before=before, limit=limit, kinds=_KINDS, asset=standing.asset)

    async def _materializations_since(self, asset: str) -> list[Record]:
        found: list[Record] = []
        after = self._mark
        while page := await self._queries.events(
            after=after, limit=_PAGE, kinds=_KINDS, asset=asset, newest_first=False
        ):
            found += page
            after = page[-1].id
        return found


def _resume(standing: Standing, row: FreshnessRow) -> None:
    """Go on from what was told."""
    standing.told, standing.told_at = row.state, row.changed_at
    standing.deadline = row.deadline or NEVER
    standing.last = row.last_materialized
    standing.known_since = row.changed_at if row.state == "UNKNOWN" else LONG_AGO


def _made(standing: Standing, at: datetime, event_id: int, partition: str | None, now: datetime) -> None:
    standing.made(min(at, now), event_id, partition)
