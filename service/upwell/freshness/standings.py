"""Where each asset with a freshness policy stands, and what a materialisation or the passing of time changes. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

from upwell.clock import NEVER
from upwell.definitions.freshness.evaluate import Known, Verdict, evaluate
from upwell.definitions.freshness.model import AnyFreshnessPolicy
from upwell.definitions.freshness.partitions import Coverage, judged_by_partition
from upwell.definitions.partitions.time_windows import TimeWindowPartitionsDefinition
from upwell.definitions.partitions.union import AnyPartitionsDefinition
from upwell.errors import PartitionError
from upwell.events import AssetMaterialized, AssetObserved, FreshnessChanged, FreshnessState
from upwell.journal.journal import Record

LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
"""Since when a policy is known whose grace is over in any case."""

_NONE_YET = float("-inf")


class Fact(NamedTuple):
    """A materialisation, or an observation that says how old the data are. `late`: told after it happened."""

    asset: str
    id: int
    at: datetime
    partition: str | None = None
    data_time: datetime | None = None
    made: bool = True
    late: bool = False


def fact_of(record: Record, now: datetime) -> Fact | None:
    """What an event says about how fresh its asset is, if it says anything."""
    # The journal's clock is ours: an instant after now was written before the clock was set back.
    match record.event:
        case AssetMaterialized() as event:
            at = min(event.made_at(record.at), now)
            late = event.materialized_at is not None and at < record.at
            return Fact(
                asset=event.asset,
                id=record.id,
                at=at,
                partition=event.partition,
                data_time=event.data_time,
                late=late,
            )
        case AssetObserved(asset=asset, data_time=data_time, partition=partition) if data_time is not None:
            at = min(record.at, now)
            return Fact(asset=asset, id=record.id, at=at, partition=partition, data_time=data_time, made=False)
        case _:
            return None


@dataclass(kw_only=True, slots=True)
class Standing:
    """One asset: its policy, the newest materialisation that counts, and what was told last.

    `told_at` is when the told state began: no change is dated before it. `deadline` is the one that was told or is
    in force. Of a time-partitioned asset only the newest partition made so far counts, so that a backfill of
    an old one does not make a stale asset fresh; or, where its partitions are what the policy asks for, `coverage`.
    """

    asset: str
    policy: AnyFreshnessPolicy
    known_since: datetime
    partitions: AnyPartitionsDefinition | None = None
    told: FreshnessState = "NOT_APPLICABLE"
    told_at: datetime = LONG_AGO
    deadline: datetime = NEVER
    changes_at: datetime = NEVER
    last: datetime | None = None
    last_id: int = 0
    data_time: datetime | None = None
    newest: float = _NONE_YET
    windows: TimeWindowPartitionsDefinition | None = field(
        init=False, default=None
    )  # `partitions`, if they are of time
    coverage: Coverage | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        if self.partitions is not None:
            self.cover()

    def cover(self) -> None:
        """Begin to look at partitions, with none of them there, if that is what the policy asks for."""
        partitions = self.partitions
        self.windows = partitions if isinstance(partitions, TimeWindowPartitionsDefinition) else None
        self.coverage = None
        if self.windows is not None and judged_by_partition(self.policy, self.windows):
            self.coverage = Coverage(self.windows, self.policy, self.known_since)

    def take(self, fact: Fact) -> None:
        """Take in what happened."""
        self.last_id = max(self.last_id, fact.id)
        order = self._order(fact.partition)
        if self.coverage is not None and fact.made and fact.partition is not None:
            self.coverage.add(fact.partition)
        if not self._counts(fact, order):
            return
        self.last, self.data_time = fact.at, fact.data_time
        if fact.made and fact.partition is not None:
            self.newest = max(self.newest, order)

    def _counts(self, fact: Fact, order: float) -> bool:
        if fact.late and self.last is not None and fact.at < self.last and order <= max(self.newest, 0.0):
            return False  # what is known is newer
        if not fact.made:
            return self.policy.basis == "data" and order >= self.newest
        return order >= self.newest or self.coverage is not None

    def verdict(self, now: datetime) -> Verdict:
        """What the policy says at `now`."""
        missing = None if self.coverage is None else self.coverage.missing
        known = Known(since=self.known_since, made_at=self.last, data_time=self.data_time, missing=missing)
        return evaluate(self.policy, known, now)

    def change(
        self, now: datetime, *, caught_up: bool = False, not_before: datetime = LONG_AGO
    ) -> FreshnessChanged | None:
        """What there is to tell at `now`; from then on it counts as told."""
        verdict = self.verdict(now)
        previous, missed = self.told, self.deadline
        self.changes_at = verdict.changes_at
        if verdict.state != "FAIL" or previous != "FAIL":
            self.deadline = verdict.deadline
        if verdict.state == previous:
            return None
        self.told, self.told_at = verdict.state, max(verdict.since, self.told_at, not_before)
        return FreshnessChanged(
            asset=self.asset,
            state=verdict.state,
            previous_state=previous,
            changed_at=self.told_at,
            deadline=None if verdict.deadline >= NEVER else verdict.deadline,
            last_materialized=self.last,
            data_time=self.data_time,
            overdue_seconds=_overdue(verdict, previous, missed, self.told_at, now),
            caught_up=caught_up and previous != "NOT_APPLICABLE",
        )

    def history(self, fact: Fact, *, caught_up: bool = False) -> list[FreshnessChanged]:
        """What `fact` and the time up to it change. A deadline that passed before it has been missed."""
        missed = self.change(fact.at, caught_up=caught_up)
        self.take(fact)
        changed = self.change(fact.at, caught_up=caught_up, not_before=fact.at)
        return [change for change in (missed, changed) if change is not None]

    def elapse(self, until: datetime) -> list[FreshnessChanged]:
        """Every change that time makes up to an instant, where `change` would only tell the last."""
        changes = []
        while True:
            at = min(self.changes_at, until)
            if (change := self.change(at)) is not None:
                changes.append(change)
            if self.changes_at > until:
                return changes

    def _order(self, partition: str | None) -> float:
        if self.windows is None or partition is None:
            return max(self.newest, 0.0)
        try:
            return self.windows.order_of(partition)
        except PartitionError:
            return _NONE_YET  # reported from outside under a key that is none


class Standings:
    """All of them. Each method answers with the changes to tell, in the order in which they happened."""

    def __init__(self) -> None:
        self._by_asset: dict[str, Standing] = {}
        self._late: dict[str, datetime] = {}

    def __contains__(self, asset: str) -> bool:
        return asset in self._by_asset

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_asset)

    def __getitem__(self, asset: str) -> Standing:
        return self._by_asset[asset]

    @property
    def late(self) -> Mapping[str, datetime]:
        """The assets that fail, and since when."""
        return self._late

    def admit(self, standing: Standing) -> None:
        """Take in an asset as it stands, in the place of what was known of it."""
        self._by_asset[standing.asset] = standing
        self._note_late(standing)

    def dismiss(self, asset: str, now: datetime) -> FreshnessChanged:
        """Forget an asset whose policy is gone."""
        self._late.pop(asset, None)
        standing = self._by_asset.pop(asset)
        return FreshnessChanged(
            asset=asset,
            state="NOT_APPLICABLE",
            previous_state=standing.told,
            changed_at=max(now, standing.told_at),
            last_materialized=standing.last,
        )

    def learnt(self, fact: Fact, *, caught_up: bool = False) -> list[FreshnessChanged]:
        """Something happened, and was told in time. What is known already changes nothing."""
        standing = self._by_asset[fact.asset]
        if fact.id <= standing.last_id:
            return []
        changes = standing.history(fact, caught_up=caught_up)
        self._note_late(standing)
        return changes

    def passed(self, assets: Iterable[str], now: datetime, *, caught_up: bool = False) -> list[FreshnessChanged]:
        """Time has passed up to `now`. Assets that are not here are left out."""
        changes = []
        for asset in assets:
            standing = self._by_asset.get(asset)
            if standing is not None and (change := standing.change(now, caught_up=caught_up)) is not None:
                changes.append(change)
                self._note_late(standing)
        return changes

    def reported(self, fact: Fact, now: datetime) -> list[FreshnessChanged]:
        """Something happened, and was told late, but after what was told last: time has passed since."""
        changes = [*self.learnt(fact), *self._by_asset[fact.asset].elapse(now)]
        self._note_late(self._by_asset[fact.asset])
        return changes

    def next_change(self, asset: str) -> datetime:
        """When the asset's state changes by itself, as was found when it was last looked at."""
        return self._by_asset[asset].changes_at if asset in self._by_asset else NEVER

    def _note_late(self, standing: Standing) -> None:
        if standing.told == "FAIL":
            self._late[standing.asset] = standing.told_at
        else:
            self._late.pop(standing.asset, None)


def _overdue(
    verdict: Verdict, previous: FreshnessState, missed: datetime, changed_at: datetime, now: datetime
) -> float:
    """How long the deadline has been over; of a recovery, how long it had been."""
    if verdict.state == "FAIL":
        return max(0.0, (now - verdict.deadline).total_seconds())
    if previous == "FAIL" and missed < NEVER:
        return max(0.0, (changed_at - missed).total_seconds())
    return 0.0
