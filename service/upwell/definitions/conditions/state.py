"""What an evaluation of conditions asks of the world, and what it remembers for the next one."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol, TypeAlias

Partition: TypeAlias = str | None
"""A partition's key; None is the whole of an asset without partitions, and of a check."""

Subset: TypeAlias = frozenset[Partition]
CheckStatus: TypeAlias = Literal["passed", "failed", "in_progress", "execution_failed"]

EMPTY: Subset = frozenset()
WHOLE: Subset = frozenset((None,))


@dataclass(frozen=True, kw_only=True)
class Update:
    """An asset was made at `at` (seconds since the epoch)."""

    partition: Partition
    at: float
    run_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class RunFacts:
    """What is to be known of a run: the assets and checks that it was made for by name, and its tags."""

    targets: AbstractSet[str] = frozenset()
    tags: Mapping[str, str] = field(default_factory=dict)


class AutomationState(Protocol):
    """The world as it is at one moment; assets and checks by their names, as in the graph. It only reads."""

    @property
    def last_event_id(self) -> int:
        """The id of the newest event; 0 before the first."""

    def made(self, asset: str) -> Collection[Partition]:
        """The partitions that were ever made."""

    def updates_after(self, asset: str, event_id: int) -> Sequence[Update]:
        """What was made after an event, oldest first."""

    def latest_update(self, asset: str) -> Update | None:
        """The newest materialisation of an asset, of whichever partition."""

    def data_version_changed_after(self, asset: str, event_id: int) -> Collection[Partition]:
        """The partitions of which the newest data version is another than the newest up to that event."""

    def run(self, run_id: str) -> RunFacts | None:
        """What is known of a run."""

    def in_progress(self, asset: str) -> Collection[Partition]:
        """The partitions that runs under way are to make, and have not yet."""

    def backfill_in_progress(self, asset: str) -> Collection[Partition]:
        """The partitions that backfills under way are to make, and have not yet."""

    def failed(self, asset: str) -> Collection[Partition]:
        """The partitions that the latest run which was to make them did not make, since it failed."""

    def check_status(self, check: str) -> CheckStatus | None:
        """How the check stands on the newest materialisation of its asset; none if it was not evaluated on that."""

    def check_evaluation(self, check: str) -> Update | None:
        """The newest evaluation of a check."""

    def freshness(self, asset: str) -> Literal["pass", "warn", "fail"] | None:
        """How fresh an asset is; none without a policy."""


@dataclass(frozen=True, kw_only=True)
class ConditionCursor:
    """What one asset's or check's condition remembers of its previous evaluation.

    Attributes:
        requested: what it asked for.
        shape: how the asset was partitioned then.
        notes: by the place in the tree of conditions: what `since`, `newly_true` and the like need to know.
    """

    requested: Subset
    shape: str
    evaluated_at: datetime
    last_event_id: int
    notes: Mapping[str, Subset | str | None] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class AutomationCursor:
    """What all conditions remember, by asset or check."""

    evaluation_id: int = 0
    conditions: Mapping[str, ConditionCursor] = field(default_factory=dict)
