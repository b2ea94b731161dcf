"""Which partitions an asset reads, and which an update reaches; the answers are those of Dagster 1.13."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from upwell.definitions.errors import DagsterInvalidDefinitionError
from upwell.definitions.partitions.mapping import (
    AllPartitionMapping,
    IdentityPartitionMapping,
    LastPartitionMapping,
    SpecificPartitionsPartitionMapping,
    StaticPartitionMapping,
    TimeWindowPartitionMapping,
    downstream_partitions,
    upstream_partitions,
)
from upwell.definitions.partitions.named import StaticPartitionsDefinition
from upwell.definitions.partitions.time_windows import (
    DailyPartitionsDefinition,
    HourlyPartitionsDefinition,
    MonthlyPartitionsDefinition,
    WeeklyPartitionsDefinition,
)

NOW = datetime(2024, 2, 10, 12, tzinfo=UTC)
HOURS = HourlyPartitionsDefinition("2024-01-01-00:00")
DAYS = DailyPartitionsDefinition("2024-01-01")
WEEKS = WeeklyPartitionsDefinition("2024-01-01")
MONTHS = MonthlyPartitionsDefinition("2024-01-01")
LATER = DailyPartitionsDefinition("2024-01-05")
AB = StaticPartitionsDefinition(["a", "b"])
XYZ = StaticPartitionsDefinition(["x", "y", "z"])
PAIRS = StaticPartitionMapping({"a": {"x", "y"}, "b": "x"})
DAYS_OF_WEEK = tuple(f"2024-01-{day:02}" for day in range(7, 14))


def windows(start: int = 0, end: int = 0, *, lenient: bool = False) -> TimeWindowPartitionMapping:
    return TimeWindowPartitionMapping(start, end, allow_nonexistent_upstream_partitions=lenient)


@pytest.mark.parametrize(
    ("mapping", "up", "down", "key", "reads"),
    [
        (None, DAYS, DAYS, "2024-01-05", ("2024-01-05",)),
        (None, DAYS, WEEKS, "2024-01-07", DAYS_OF_WEEK),
        (None, WEEKS, DAYS, "2024-01-10", ("2024-01-07",)),
        (None, HOURS, DAYS, "2024-01-10", tuple(f"2024-01-10-{hour:02}:00" for hour in range(24))),
        (None, WEEKS, MONTHS, "2024-01-01", ("2023-12-31", "2024-01-07", "2024-01-14", "2024-01-21", "2024-01-28")),
        (windows(-1, -1), DAYS, DAYS, "2024-01-01", ()),
        (windows(-1), DAYS, DAYS, "2024-01-01", ("2024-01-01",)),
        (windows(-1), DAYS, DAYS, "2024-01-05", ("2024-01-04", "2024-01-05")),
        (windows(0, 1), DAYS, DAYS, "2024-02-09", ("2024-02-09",)),
        (windows(-1), DAYS, WEEKS, "2024-01-07", tuple(f"2024-01-{day:02}" for day in range(1, 14))),
        (windows(-1, -1), MONTHS, DAYS, "2024-02-07", ("2024-02-01",)),
        (windows(), LATER, DAYS, "2024-01-02", ("2024-01-02",)),
        (windows(lenient=True), LATER, DAYS, "2024-01-02", ()),
        (IdentityPartitionMapping(), AB, XYZ, "z", ("z",)),
        (LastPartitionMapping(), DAYS, AB, "a", ("2024-02-09",)),
        (LastPartitionMapping(), DAYS, None, None, ("2024-02-09",)),
        (AllPartitionMapping(), AB, XYZ, "x", ("a", "b")),
        (None, AB, None, None, ("a", "b")),
        (None, None, AB, "a", (None,)),
        (None, None, None, None, (None,)),
        (PAIRS, AB, XYZ, "x", ("a", "b")),
        (PAIRS, AB, XYZ, "z", ()),
        (SpecificPartitionsPartitionMapping(["a", "q"]), AB, XYZ, "x", ("a",)),
    ],
)
def test_what_a_partition_reads(mapping, up, down, key, reads) -> None:
    assert upstream_partitions(mapping, up, down, key, NOW) == reads


@pytest.mark.parametrize(
    ("mapping", "up", "down", "key", "reaches"),
    [
        (None, DAYS, WEEKS, "2024-01-08", ("2024-01-07",)),
        (None, DAYS, WEEKS, "2024-02-05", ()),  # that week has not ended
        (None, WEEKS, DAYS, "2024-01-07", DAYS_OF_WEEK),
        (None, HOURS, DAYS, "2024-01-10-05:00", ("2024-01-10",)),
        (windows(-1), DAYS, DAYS, "2024-01-05", ("2024-01-05", "2024-01-06")),
        (windows(-1), DAYS, DAYS, "2024-02-09", ("2024-02-09",)),
        (windows(0, 1), DAYS, DAYS, "2024-01-01", ("2024-01-01",)),
        (IdentityPartitionMapping(), AB, XYZ, "a", ()),
        (IdentityPartitionMapping(), AB, AB, "a", ("a",)),
        (LastPartitionMapping(), DAYS, AB, "2024-02-09", ("a", "b")),
        (LastPartitionMapping(), DAYS, AB, "2024-02-08", ()),
        (PAIRS, AB, XYZ, "a", ("x", "y")),
        (SpecificPartitionsPartitionMapping(["a"]), AB, XYZ, "a", ("x", "y", "z")),
        (SpecificPartitionsPartitionMapping(["a"]), AB, XYZ, "b", ()),
        (None, AB, None, "a", (None,)),
        (None, None, AB, None, ("a", "b")),
        (None, None, None, None, (None,)),
    ],
)
def test_what_an_update_reaches(mapping, up, down, key, reaches) -> None:
    assert downstream_partitions(mapping, up, down, key, NOW) == reaches


def test_a_window_mapping_between_names_is_refused_with_the_alternatives() -> None:
    with pytest.raises(DagsterInvalidDefinitionError, match="AllPartitionMapping, LastPartitionMapping"):
        upstream_partitions(windows(), AB, DAYS, "2024-01-05", NOW)
