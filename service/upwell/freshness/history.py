"""What the journal remembers of freshness: how to go on after a restart as if there had been none."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from upwell.clock import NEVER
from upwell.definitions.graph import AssetGraph
from upwell.definitions.snapshot import AssetNode
from upwell.events import AssetMaterialized, AssetObserved, FreshnessChanged
from upwell.freshness.standings import LONG_AGO, Fact, Standing, fact_of
from upwell.journal.journal import Record
from upwell.journal.queries import Queries
from upwell.journal.views import FreshnessRow, NewestMade

_KINDS = (AssetMaterialized.kind, AssetObserved.kind)
_NOTHING: Sequence[Fact] = ()
_PAGE = 500
_LOOK_BACK = 100  # events of an asset, in which its newest materialisation is looked for
_MOST_TO_CORRECT = 2000  # events of an asset, in which the time of a late report is looked for


@dataclass(frozen=True, kw_only=True, slots=True)
class Past:
    """An asset as it stood at an instant, what happened since, and what was told of that."""

    standing: Standing
    facts: Sequence[Fact]
    told: Sequence[Record]


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

    async def standings(self, nodes: Collection[AssetNode], now: datetime) -> list[tuple[Standing, Sequence[Fact]]]:
        """Each asset as it was told last, with what is to be taken in since then."""
        if not nodes:
            return []
        keys = [node.key for node in nodes] if len(nodes) < _PAGE else None
        states = await self._queries.newest_made(keys)
        found: list[tuple[Standing, Sequence[Fact]]] = []
        for node in nodes:
            row, state = self._rows.pop(node.key, None), states.get(node.key)
            told = row if row is not None and row.state != "NOT_APPLICABLE" else None
            standing, since = _as_told_last(node, told, now), _NOTHING
            if state is not None:
                if told is not None and max(state.materialized_id, state.data_id) > self._mark:
                    since = await self._facts_since(node.key, now)
                if since or state.reported_at is not None or standing.windows is not None:
                    await self._fill(standing, state, upto=since[0].id - 1 if since else None, now=now)
                elif (fact := _newest(standing, state, now)) is not None:
                    standing.take(fact)  # most are as simple as that
            found.append((standing, since))
        return found

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

    async def cover(self, standing: Standing, *, upto: int | None = None, without: Collection[int] = ()) -> None:
        """Have `standing` know which partitions are there, if they are what its policy asks for."""
        standing.cover()
        if standing.coverage is not None:
            made = await self._queries.partitions_made(standing.asset, standing.coverage.asked_from)
            for key, event_id in made:
                if (upto is None or event_id <= upto) and event_id not in without:
                    standing.coverage.add(key)

    async def around(self, standing: Standing, at: datetime, upto: int, now: datetime) -> Past | None:
        """The asset as it stood at `at`, as far as events up to an id tell; None when the journal does not go back."""
        records = await self._queries.events(
            before=upto + 1, limit=_MOST_TO_CORRECT, kinds=(*_KINDS, FreshnessChanged.kind), asset=standing.asset
        )
        told = _in_force(reversed(records))
        facts = sorted((fact for record in records if (fact := fact_of(record, now))), key=lambda f: (f.at, f.id))
        before = [fact for fact in facts if fact.at < at]
        earlier = [change for change in told.values() if _dated(change) < at]
        if not told or (not earlier and len(records) == _MOST_TO_CORRECT):
            return None
        base = (earlier or [*told.values()])[-1 if earlier else 0]
        past = _as_told(standing, base.event)
        since = [fact for fact in facts if fact.at >= at]
        await self.cover(past, upto=upto, without={fact.id for fact in since})
        for fact in before:
            past.take(fact)
        wrong = [change for change in told.values() if change.id != base.id and change not in earlier]
        return Past(standing=past, facts=since, told=wrong)

    async def _fill(self, standing: Standing, state: NewestMade, *, upto: int | None, now: datetime) -> None:
        """Give `standing` what counts, of what happened up to an id."""
        if standing.coverage is not None:
            await self.cover(standing, upto=upto)
        elif standing.windows is not None:
            await self._take_partitions(standing, upto, now)
        newest = max(state.materialized_id, state.data_id)
        if upto is None and state.reported_at is None:
            if (fact := _newest(standing, state, now)) is not None:
                standing.take(fact)
        elif newest:
            for fact in await self._facts_before(standing, (newest if upto is None else upto) + 1, now):
                standing.take(fact)
        standing.last_id = max(standing.last_id, upto or newest)

    async def _take_partitions(self, standing: Standing, upto: int | None, now: datetime) -> None:
        for partition in (await self._queries.partitions(standing.asset)).values():
            if partition.materialized_at is not None and (upto is None or partition.materialized_id <= upto):
                fact = Fact(
                    asset=standing.asset,
                    id=partition.materialized_id,
                    at=min(partition.materialized_at, now),
                    partition=partition.partition,
                    data_time=partition.data_time,
                )
                standing.take(fact)

    async def _facts_before(self, standing: Standing, before: int, now: datetime) -> list[Fact]:
        """The newest ones, oldest first."""
        found = await self._queries.events(before=before, limit=_LOOK_BACK, kinds=_KINDS, asset=standing.asset)
        facts = [fact for record in found if (fact := fact_of(record, now))]
        return sorted(facts, key=lambda fact: fact.id)

    async def _facts_since(self, asset: str, now: datetime) -> list[Fact]:
        found: list[Fact] = []
        after = self._mark
        while page := await self._queries.events(
            after=after, limit=_PAGE, kinds=_KINDS, asset=asset, newest_first=False
        ):
            found += [fact for record in page if (fact := fact_of(record, now))]
            after = page[-1].id
        return found


def _as_told_last(node: AssetNode, row: FreshnessRow | None, now: datetime) -> Standing:
    """The asset as it was told last, if it was, with nothing taken in yet."""
    assert node.freshness is not None
    if row is None:
        return Standing(asset=node.key, policy=node.freshness, known_since=now, partitions=node.partitions, told_at=now)
    return Standing(
        asset=node.key,
        policy=node.freshness,
        known_since=_known_since(row, now),
        partitions=node.partitions,
        told=row.state,
        told_at=row.changed_at,
        deadline=row.deadline or NEVER,
        last=row.last_materialized,
    )


def _known_since(row: FreshnessRow, now: datetime) -> datetime:
    if row.known_since is not None:
        return min(row.known_since, now)
    return row.changed_at if row.state == "UNKNOWN" else LONG_AGO


def _newest(standing: Standing, state: NewestMade, now: datetime) -> Fact | None:
    if state.materialized_id and state.materialized_at is not None:
        if standing.windows is not None and standing.coverage is None and state.partition is not None:
            return None  # the partitions have told
        return Fact(
            asset=standing.asset,
            id=state.materialized_id,
            at=min(state.materialized_at, now),
            partition=state.partition,
            data_time=state.data_time,
        )
    if state.data_time is not None and state.observed_at is not None:
        at = min(state.observed_at, now)
        return Fact(asset=standing.asset, id=state.data_id, at=at, data_time=state.data_time, made=False)
    return None


def _as_told(standing: Standing, change: object) -> Standing:
    """The asset as it was when a change was told, with nothing taken in yet."""
    assert isinstance(change, FreshnessChanged)
    return Standing(
        asset=standing.asset,
        policy=standing.policy,
        known_since=standing.known_since,
        partitions=standing.partitions,
        told=change.state,
        told_at=change.changed_at,
        deadline=change.deadline or NEVER,
    )


def _in_force(records: Iterable[Record]) -> dict[int, Record]:
    """The changes that were told, in order, without those that were corrected."""
    found: dict[int, Record] = {}
    for record in records:
        if isinstance(record.event, FreshnessChanged):
            for wrong in record.event.corrects:
                found.pop(wrong, None)
            found[record.id] = record
    return found


def _dated(record: Record) -> datetime:
    assert isinstance(record.event, FreshnessChanged)
    return record.event.changed_at
