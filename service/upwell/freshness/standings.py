"""Where each asset with a freshness policy stands, and what a materialisation or the passing of time changes. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from upwell.clock import NEVER
from upwell.definitions.freshness import AnyFreshnessPolicy, Verdict, evaluate
from upwell.definitions.partitions.time_windows import TimeWindowPartitionsDefinition
from upwell.definitions.partitions.union import AnyPartitionsDefinition
from upwell.errors import PartitionError
from upwell.events import FreshnessChanged, FreshnessState

LONG_AGO = datetime.min.replace(tzinfo=UTC)
"""Since when a policy is known whose grace is over in any case."""

_NONE_YET = float("-inf")


@dataclass(kw_only=True, slots=True)
class Standing:
    """One asset: its policy, the newest materialisation that counts, and what was told last.

    `told_at` is when the told state began: no change is dated before it. `deadline` is the one that was told or is
    in force. Of a time-partitioned asset only the newest partition made so far counts, so that a backfill of
    an old one does not make a stale asset fresh.
    """

    asset: str
    policy: AnyFreshnessPolicy
    known_since: datetime
    partitions: AnyPartitionsDefinition | None = None
    told: FreshnessState = "NOT_APPLICABLE"
    told_at: datetime = LONG_AGO
    deadline: datetime = NEVER
    last: datetime | None = None
    last_id: int = 0
    newest: float = _NONE_YET

    def counts(self, partition: str | None) -> bool:
        """Whether a materialisation of `partition` makes the asset fresher."""
        return self._order(partition) >= self.newest

    def made(self, at: datetime, event_id: int, partition: str | None) -> None:
        """Take in a materialisation."""
        self.last_id = max(self.last_id, event_id)
        if self.counts(partition):
            self.last = at
            self.newest = max(self.newest, self._order(partition) if partition is not None else _NONE_YET)

    def verdict(self, now: datetime) -> Verdict:
        """What the policy says at `now`."""
        return evaluate(self.policy, last_materialized_at=self.last, known_since=self.known_since, now=now)

    def _order(self, partition: str | None) -> float:
        if not isinstance(self.partitions, TimeWindowPartitionsDefinition) or partition is None:
            return max(self.newest, 0.0)
        try:
            return self.partitions.order_of(partition)
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
        """Take in an asset as it stands."""
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

    def materialized(
        self, asset: str, at: datetime, event_id: int, partition: str | None, *, caught_up: bool = False
    ) -> list[FreshnessChanged]:
        """A materialisation, by the journal's clock. A deadline that passed before it has been missed."""
        standing = self._by_asset[asset]
        if event_id <= standing.last_id:
            return []
        missed = self.passed([asset], at, caught_up=caught_up)
        standing.made(at, event_id, partition)
        return [*missed, *self.passed([asset], at, caught_up=caught_up)]

    def passed(self, assets: Iterable[str], now: datetime, *, caught_up: bool = False) -> list[FreshnessChanged]:
        """Time has passed up to `now`. Assets that are not here are left out."""
        changes = []
        for asset in assets:
            standing = self._by_asset.get(asset)
            if standing is not None and (change := _change(standing, now, caught_up)) is not None:
                changes.append(change)
                self._note_late(standing)
        return changes

    def next_change(self, asset: str, now: datetime) -> datetime:
        """When the asset's state changes by itself."""
        return self._by_asset[asset].verdict(now).changes_at if asset in self._by_asset else NEVER

    def _note_late(self, standing: Standing) -> None:
        if standing.told == "FAIL":
            self._late[standing.asset] = standing.told_at
        else:
            self._late.pop(standing.asset, None)


def _change(standing: Standing, now: datetime, caught_up: bool) -> FreshnessChanged | None:
    """What there is to tell; from then on it counts as told."""
    verdict = standing.verdict(now)
    previous, missed = standing.told, standing.deadline
    if verdict.state != "FAIL" or previous != "FAIL":
        standing.deadline = verdict.deadline
    if verdict.state == previous:
        return None
    standing.told, standing.told_at = verdict.state, max(verdict.since, standing.told_at)
    return FreshnessChanged(
        asset=standing.asset,
        state=verdict.state,
        previous_state=previous,
        changed_at=standing.told_at,
        deadline=None if verdict.deadline >= NEVER else verdict.deadline,
        last_materialized=standing.last,
        overdue_seconds=_overdue(verdict, previous, missed, now),
        caught_up=caught_up and previous != "NOT_APPLICABLE",
    )


def _overdue(verdict: Verdict, previous: FreshnessState, missed: datetime, now: datetime) -> float:
    """How long the deadline has been over; of a recovery, how long it had been."""
    if verdict.state == "FAIL":
        return max(0.0, (now - verdict.deadline).total_seconds())
    if previous == "FAIL" and missed < NEVER:
        return max(0.0, (verdict.since - missed).total_seconds())
    return 0.0
