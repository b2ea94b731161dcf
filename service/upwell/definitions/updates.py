"""What a check may ask of the journal, which it cannot read from its worker: when an asset was updated last. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from upwell.definitions.freshness.deadlines import EARLIEST, cron_deadlines
from upwell.definitions.metadata import TimestampMetadataValue
from upwell.definitions.partitions.time_windows import TimeWindowPartitionsDefinition
from upwell.definitions.partitions.union import AnyPartitionsDefinition

LAST_UPDATED = "dagster/last_updated_timestamp"
"""The entry among the metadata of a materialisation or an observation that says when the asset was updated."""


@dataclass(frozen=True, kw_only=True)
class UpdateQuestion:
    """When was the asset updated last; with a cron deadline, also whether the partition is there that was due by it."""

    asset: str
    deadline_cron: str | None = None
    timezone: str = "UTC"

    def due_partition(self, partitions: AnyPartitionsDefinition | None, now: datetime) -> str | None:
        """The newest partition that existed at the last deadline, if the asset has such."""
        if self.deadline_cron is None or not isinstance(partitions, TimeWindowPartitionsDefinition):
            return None
        deadline = last_deadline(self.deadline_cron, self.timezone, now)
        return None if deadline is None else partitions.get_last_partition_key(deadline)


@dataclass(frozen=True, kw_only=True, slots=True)
class Update:
    """The answer: the newest materialisation or observation, and whether `partition` was ever made or observed."""

    asset: str
    updated_at: datetime | None = None
    partition: str | None = None
    partition_is_there: bool = False


def last_deadline(cron: str, timezone: str, now: datetime) -> datetime | None:
    """The last tick that is not later than `now`."""
    deadline = cron_deadlines(cron, timezone, None).up_to(now.astimezone(UTC))
    return None if deadline <= EARLIEST else deadline


def said_updated_at(metadata: Mapping[str, object]) -> datetime | None:
    """When the asset was updated, as the metadata (values, or as JSON) of an event about it say."""
    match metadata.get(LAST_UPDATED):
        case TimestampMetadataValue(seconds=seconds) | {"type": "timestamp", "value": int(seconds) | float(seconds)}:
            return datetime.fromtimestamp(seconds, UTC)
        case _:
            return None
