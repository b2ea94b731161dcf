"""What is so now: named questions, each answered by one statement or few, none leaving a transaction open."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, TypeAlias

import structlog
from pydantic import ValidationError
from pydantic_core import from_json
from sqlalchemy import ColumnElement, RowMapping, and_, false, func, select, union_all

from upwell.events import Json, decode
from upwell.journal import rows, tables
from upwell.journal.alerting_queries import AlertingQueries
from upwell.journal.journal import Record
from upwell.journal.listening_queries import Query, chunks
from upwell.journal.tables import from_micros, to_micros
from upwell.journal.views import (
    AssetState,
    CheckState,
    DemandRow,
    FreshnessRow,
    LocationView,
    NewestMade,
    PartitionState,
    PartitionSummary,
    RunStatus,
    RunView,
    StepView,
)

Pair: TypeAlias = tuple[str, str | None]  # asset, partition (None: any)

# A column of any table, of whatever type.
Column: TypeAlias = ColumnElement[Any]

_EARLIEST = datetime.min.replace(tzinfo=UTC)

_log = structlog.get_logger("upwell.journal")


class Queries(AlertingQueries):
    """Reads the journal and its projections. Speaks of runs and assets, never of rows."""

    async def head(self) -> int:
        """The id of the newest event on disk; 0 when there is none."""
        [row] = await self._rows(_head())
        return int(row["head"])

    async def run(self, run_id: str) -> RunView | None:
        """The run, or None when no such run was requested."""
        views = await self._run_views(_runs().where(tables.runs.c.run_id == run_id))
        return views[0] if views else None

    async def runs(
        self,
        *,
        limit: int = 50,
        before: int | None = None,
        statuses: Collection[RunStatus] | None = None,
        asset: str | None = None,
    ) -> list[RunView]:
        """Runs, newest first; `before` is the `requested_id` of the last one of the page before."""
        runs = tables.runs.c
        query = _runs().order_by(runs.requested_id.desc()).limit(limit)
        if before is not None:
            query = query.where(runs.requested_id < before)
        if asset is not None:
            # Without another condition the newest runs of the asset are enough to look at.
            most = limit if statuses is None else None
            query = query.where(runs.requested_id.in_(_requests_of(asset, before=before, limit=most)))
            query = query if statuses is None else query.where(_unindexed(runs.status).in_(statuses))
        elif statuses is not None:
            query = query.where(_any_of(query, runs.requested_id, runs.status, statuses))
        return await self._run_views(query)

    async def unfinished_runs(self) -> tuple[int, list[RunView]]:
        """The runs that are queued or started, oldest first, and the id of the newest event they include."""
        runs = tables.runs.c
        query = _runs().where(tables.UNFINISHED).order_by(runs.requested_id)
        async with self._store.snapshot() as connection:
            head = (await connection.execute(_head())).scalar_one()
            found = (await connection.execute(query)).mappings().all()
            answered: list[RowMapping] = []
            for ids in chunks([row["run_id"] for row in found]):
                answered.extend((await connection.execute(_events_of_runs(ids))).mappings())
        return int(head), rows.run_views(found, answered)

    async def steps(self, run_id: str) -> list[StepView]:
        """The steps of a run that have begun or were skipped, in the order in which they did."""
        steps = tables.steps
        views = map(rows.step_view, await self._rows(select(steps).where(steps.c.run_id == run_id)))
        return sorted(views, key=lambda view: view.started_at or view.ended_at or _EARLIEST)

    async def asset_states(self, assets: Collection[str] | None = None) -> dict[str, AssetState]:
        """The newest facts of these assets, or of all; an asset of which nothing is known is not among them."""
        states: dict[str, AssetState] = {}
        for names in _chunks_or_all(assets):
            found = await self._rows(_of(select(tables.assets), tables.assets.c.asset, names))
            counts = await self._rows(_of(_partition_counts(), tables.asset_partitions.c.asset, names))
            count = {row["asset"]: (row["materialized"], row["data_time"]) for row in counts}
            states |= {row["asset"]: rows.asset_state(row, *count.get(row["asset"], (0, None))) for row in found}
        return states

    async def newest_made(self, assets: Collection[str] | None = None) -> dict[str, NewestMade]:
        """How fresh these assets are, or all of them."""
        table = tables.assets.c
        columns = (table.materialized_id, table.materialized_at, table.materialized_partition, table.observed_at)
        query = select(table.asset, *columns, table.reported_at, table.data_time, table.data_id)
        found: dict[str, NewestMade] = {}
        for names in _chunks_or_all(assets):
            async with self._store.reading() as connection:
                made = (await connection.execute(_of(query, table.asset, names))).all()
            found |= {row[0]: rows.newest_made(row) for row in made}
        return found

    async def partitions(self, asset: str) -> dict[str, PartitionState]:
        """The partitions of an asset that were ever tried."""
        partitions = tables.asset_partitions
        query = select(partitions).where(partitions.c.asset == asset).order_by(partitions.c.partition)
        return {row["partition"]: rows.partition_state(row) for row in await self._rows(query)}

    async def partition_summary(self, asset: str, limit: int) -> PartitionSummary:
        """The partitions of an asset in figures, with the newest `limit`; the others are counted, not read."""
        partitions = tables.asset_partitions
        key = partitions.c
        failing = and_(key.asset == asset, key.failed_id > key.materialized_id)
        figures: list[Column] = [
            func.count().filter(key.materialized_id > 0).label("made"),
            func.count().filter(failing).label("failed"),
        ]
        [count] = await self._rows(select(*figures).where(key.asset == asset))
        made = select(partitions).where(key.asset == asset).order_by(key.materialized_id.desc()).limit(limit)
        failed = select(partitions).where(failing).order_by(key.failed_id.desc()).limit(limit if count["failed"] else 0)
        found = {row["partition"]: row for query in (made, failed) for row in await self._rows(query)}
        states = map(rows.partition_state, found.values())
        newest = sorted(states, key=lambda state: max(state.materialized_id, state.failed_id), reverse=True)
        return PartitionSummary(materialized=count["made"], failed=count["failed"], newest=tuple(newest[:limit]))

    async def partitions_made(self, asset: str, since: datetime) -> list[tuple[str, int]]:
        """The partitions of an asset that were last made since then, each with the event that said so."""
        partitions = tables.asset_partitions.c
        query = select(partitions.partition, partitions.materialized_id).where(
            partitions.asset == asset, partitions.materialized_at >= to_micros(since)
        )
        return [(row["partition"], row["materialized_id"]) for row in await self._rows(query)]

    async def materialized(self, pairs: Collection[Pair]) -> set[Pair]:
        """Those of the pairs (asset, partition; None: any) that have ever been materialised."""
        assets, partitions = tables.assets.c, tables.asset_partitions.c
        whole = {asset for asset, partition in pairs if partition is None}
        found: set[Pair] = set()
        for names in chunks(sorted(whole)):
            query = select(assets.asset).where(assets.asset.in_(names), assets.materialized_id > 0)
            found.update((row["asset"], None) for row in await self._rows(query))
        wanted: dict[str, list[str]] = {}
        for asset, partition in pairs:
            if partition is not None:
                wanted.setdefault(asset, []).append(partition)
        for asset, keys in wanted.items():
            for piece in chunks(keys):
                query = select(partitions.partition).where(
                    partitions.asset == asset, partitions.partition.in_(piece), partitions.materialized_id > 0
                )
                found.update((asset, row["partition"]) for row in await self._rows(query))
        return found

    async def check_states(self, asset: str | None = None) -> list[CheckState]:
        """The newest evaluation of each check, of one asset or of all."""
        checks = tables.checks
        query = select(checks).order_by(checks.c.asset, checks.c.name)
        if asset is not None:
            query = query.where(checks.c.asset == asset)
        return [rows.check_state(row) for row in await self._rows(query)]

    async def freshness(self) -> dict[str, FreshnessRow]:
        """The freshness state that was told last, by asset."""
        async with self._store.reading() as connection:
            found = (await connection.execute(select(tables.freshness))).all()
        return {row[0]: rows.freshness_row(row) for row in found}

    async def demands(self) -> dict[str, DemandRow]:
        """What was demanded last to keep assets fresh, by asset."""
        return {row["asset"]: rows.demand_row(row) for row in await self._rows(select(tables.demands))}

    async def durations(self) -> dict[str, list[float]]:
        """How many seconds the newest runs of each step took, in their order."""
        durations = tables.durations.c
        found: dict[str, list[float]] = {}
        query = select(durations.step, durations.seconds).order_by(durations.step, durations.event_id)
        for row in await self._rows(query):
            found.setdefault(row["step"], []).append(row["seconds"])
        return found

    async def locations(self) -> list[LocationView]:
        """The code locations that were ever loaded or tried."""
        locations = tables.locations
        found = await self._rows(select(locations).order_by(locations.c.location))
        return [rows.location_view(row) for row in found]

    async def events(
        self,
        *,
        before: int | None = None,
        after: int | None = None,
        limit: int = 100,
        kinds: Collection[str] | None = None,
        asset: str | None = None,
        run: str | None = None,
        source: str | None = None,
        newest_first: bool = True,
    ) -> list[Record]:
        """Events that match everything given; those of an asset include the decisions about it."""
        events, about = tables.events.c, tables.event_assets.c
        place = events.id if asset is None else about.event_id  # the column whose index is in order
        query = _events().order_by(place.desc() if newest_first else place).limit(limit)
        if asset is not None:
            query = query.join(tables.event_assets, about.event_id == events.id).where(about.asset == asset)
        if before is not None:
            query = query.where(place < before)
        if after is not None:
            query = query.where(place > after)
        if run is not None:
            query = query.where(events.run_id == run)
        if source is not None:
            query = query.where(events.source == source)
        if kinds is not None:
            selective = asset is not None or run is not None or source is not None
            chosen = _unindexed(events.kind).in_(kinds) if selective else _any_of(query, place, events.kind, kinds)
            query = query.where(chosen)
        return await self._records(query)

    async def events_by_id(self, ids: Collection[int]) -> list[Record]:
        """These events, in order; those that retention has removed are missing."""
        events = tables.events.c
        found: list[Record] = []
        for piece in chunks(sorted(ids)):
            found.extend(await self._records(_events().where(events.id.in_(piece)).order_by(events.id)))
        return found

    async def events_between(self, after: int, upto: int) -> list[Record]:
        """The events with `after` < id <= `upto`, in order."""
        events = tables.events.c
        return await self._records(_events().where(events.id > after, events.id <= upto).order_by(events.id))

    async def source_cursor(self, source: str) -> dict[str, Json]:
        """The durable cursor of a source."""
        cursors = tables.source_cursors.c
        found = await self._rows(select(cursors.item, cursors.value).where(cursors.source == source))
        return {row["item"]: from_json(row["value"]) for row in found}

    async def progress(self, consumer: str) -> int:
        """The id up to which a consumer has decided; 0 when it has not begun."""
        progress = tables.progress.c
        found = await self._rows(select(progress.event_id).where(progress.consumer == consumer))
        return int(found[0]["event_id"]) if found else 0

    async def _records(self, query: Query) -> list[Record]:
        return [record for row in await self._rows(query) if (record := _record(row)) is not None]

    async def _run_views(self, query: Query) -> list[RunView]:
        found = await self._rows(query)
        answered: list[RowMapping] = []
        for ids in chunks([row["run_id"] for row in found]):
            answered.extend(await self._rows(_events_of_runs(ids)))
        return rows.run_views(found, answered)


def _head() -> Query:
    return select(func.coalesce(func.max(tables.events.c.id), 0).label("head"))


def _events() -> Query:
    events = tables.events.c
    return select(events.id, events.at, events.kind, events.body)


def _runs() -> Query:
    # A run that was only cancelled or started, but never requested, is none.
    return select(tables.runs).where(tables.runs.c.requested_id.is_not(None))


def _requests_of(asset: str, *, before: int | None, limit: int | None) -> Query:
    """The ids of the requests for runs that make the asset, newest first."""
    plan = tables.plan_assets.c
    query = select(plan.requested_id).where(plan.asset == asset).distinct()
    if before is not None:
        query = query.where(plan.requested_id < before)
    return query.order_by(plan.requested_id.desc()).limit(limit)


def _events_of_runs(ids: Sequence[str]) -> Query:
    return select(tables.run_events).where(tables.run_events.c.run_id.in_(ids))


def _partition_counts() -> Query:
    partitions = tables.asset_partitions.c
    counted = select(
        partitions.asset, func.count().label("materialized"), func.max(partitions.data_time).label("data_time")
    )
    return counted.where(partitions.materialized_id > 0).group_by(partitions.asset)


def _any_of(query: Query, place: Column, column: Column, values: Collection[str]) -> ColumnElement[bool]:
    """One of the values, for a query that is ordered by `place` and limited.

    An index on (column, place) is in order for one value only. With IN, everything that has one of them would be
    sorted; so each value finds its own first ones.
    """
    firsts = [query.with_only_columns(place).where(column == value).subquery() for value in values]
    return place.in_(union_all(*(select(first) for first in firsts))) if firsts else false()


def _unindexed(column: Column) -> ColumnElement[str]:
    """The column, hidden from the planner: another condition is to be looked up, and this one only checked."""
    return func.coalesce(column, "")


def _of(query: Query, column: Column, names: Sequence[str] | None) -> Query:
    return query if names is None else query.where(column.in_(names))


def _chunks_or_all(names: Collection[str] | None) -> Iterable[Sequence[str] | None]:
    return [None] if names is None else chunks(sorted(names))


def _record(row: RowMapping) -> Record | None:
    """The record of a row; None for one that this version cannot read, as a newer one wrote it before a downgrade."""
    try:
        event = decode(row["kind"], row["body"])
    except (KeyError, ValidationError) as error:
        _log.warning("journal.event_unreadable", event_id=row["id"], kind=row["kind"], reason=str(error))
        return None
    return Record(id=row["id"], at=from_micros(row["at"]), event=event)
