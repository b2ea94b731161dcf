"""Answers out of the journal what the checks of a step ask for: a worker has no database."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from upwell.definitions.graph import AssetGraph
from upwell.definitions.updates import Update, UpdateQuestion, said_updated_at
from upwell.events import AssetObserved
from upwell.journal.queries import Queries
from upwell.journal.views import AssetState

_LOOK_BACK = 200  # observations in which one of a partition is looked for


async def answered(
    queries: Queries, graph: AssetGraph, questions: Iterable[UpdateQuestion], now: datetime
) -> tuple[Update, ...]:
    """The answers, as the journal on disk has them."""
    return tuple([await _answer(queries, graph, question, now) for question in questions])


async def _answer(queries: Queries, graph: AssetGraph, question: UpdateQuestion, now: datetime) -> Update:
    asset = question.asset
    node = graph.assets.get(asset)
    partition = None if node is None else question.due_partition(node.partitions, now)
    state = (await queries.asset_states([asset])).get(asset)
    limit = 1 if partition is None else _LOOK_BACK
    observed = await queries.events(asset=asset, kinds=(AssetObserved.kind,), limit=limit)
    observations = [record.event for record in observed if isinstance(record.event, AssetObserved)]
    updates = [_made_at(state), said_updated_at(observations[0].metadata) if observations else None]
    there = partition is not None and (
        any(one.partition == partition for one in observations)
        or bool(await queries.materialized([(asset, partition)]))
    )
    return Update(
        asset=asset,
        updated_at=max((instant for instant in updates if instant is not None), default=None),
        partition=partition,
        partition_is_there=there,
    )


def _made_at(state: AssetState | None) -> datetime | None:
    if state is None or state.materialized_at is None:
        return None
    return said_updated_at(state.metadata) or state.materialized_at
