"""Answers what checks ask about updates, out of what this process remembers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from upwell.definitions.keys import AssetKey
from upwell.definitions.partitions.union import AnyPartitionsDefinition
from upwell.definitions.updates import Update, UpdateQuestion, said_updated_at
from upwell.events import AssetMaterialized, AssetObserved, Event
from upwell.oneshot.instance import DagsterInstance


@dataclass(frozen=True, kw_only=True, slots=True)
class _Happened:
    """A materialisation or an observation; `at` is null for an observation that does not say when."""

    partition: str | None
    at: datetime | None


def updates_here(
    questions: Iterable[UpdateQuestion],
    partitions: Mapping[str, AnyPartitionsDefinition | None],
    instance: DagsterInstance,
    so_far: Sequence[Event],
    now: datetime,
) -> tuple[Update, ...]:
    """The answers by what the instance remembers and by what the run did `so_far`."""
    found = []
    for question in questions:
        happened = [*_remembered(instance, question.asset), *_in_run(so_far, question.asset, now)]
        partition = question.due_partition(partitions.get(question.asset), now)
        found.append(
            Update(
                asset=question.asset,
                updated_at=max((one.at for one in happened if one.at is not None), default=None),
                partition=partition,
                partition_is_there=any(one.partition == partition is not None for one in happened),
            )
        )
    return tuple(found)


def _remembered(instance: DagsterInstance, asset: str) -> Iterator[_Happened]:
    for record in instance.materializations_of(AssetKey.from_user_string(asset)):
        said = said_updated_at(record.asset_materialization.metadata)
        yield _Happened(partition=record.partition_key, at=said or datetime.fromtimestamp(record.timestamp, UTC))


def _in_run(so_far: Sequence[Event], asset: str, now: datetime) -> Iterator[_Happened]:
    for event in so_far:
        match event:
            case AssetMaterialized(asset=made) if made == asset:
                yield _Happened(partition=event.partition, at=said_updated_at(event.metadata) or now)
            case AssetObserved(asset=observed) if observed == asset:
                yield _Happened(partition=event.partition, at=said_updated_at(event.metadata))
            case _:
                pass
