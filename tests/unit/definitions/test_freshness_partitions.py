from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upwell.clock import NEVER
from upwell.definitions.freshness.model import AnyFreshnessPolicy, FreshnessPolicy
from upwell.definitions.freshness.partitions import Coverage, judged_by_partition
from upwell.definitions.partitions.named import StaticPartitionsDefinition
from upwell.definitions.partitions.time_windows import DailyPartitionsDefinition, HourlyPartitionsDefinition

DAY = timedelta(days=1)
KNOWN = datetime(2024, 3, 1, 12, tzinfo=UTC)
DAYS = DailyPartitionsDefinition("2024-01-01")
CRON = FreshnessPolicy.cron("0 9 * * *")


@pytest.mark.parametrize(
    ("policy", "partitions", "judged"),
    [
        (CRON, DAYS, True),
        (FreshnessPolicy.maximum_lag(DAY), DAYS, True),
        (FreshnessPolicy.time_window(DAY), DAYS, False),
        (FreshnessPolicy.time_window(DAY, per="partition"), DAYS, True),
        (FreshnessPolicy.cron("0 9 * * *", per="asset"), DAYS, False),
        (CRON, DailyPartitionsDefinition("2024-01-01", end_offset=1), False),  # today's is made again and again
        (CRON, StaticPartitionsDefinition(["north", "south"]), False),
        (CRON, None, False),
    ],
)
def test_which_policies_ask_for_partitions(policy: AnyFreshnessPolicy, partitions: Any, judged: bool) -> None:
    assert judged_by_partition(policy, partitions) is judged


@pytest.mark.parametrize(
    ("policy", "first"),
    [
        (CRON, "2024-03-01"),  # yesterday's was due at nine, when nobody had asked
        (FreshnessPolicy.cron("0 13 * * *"), "2024-02-29"),
        (FreshnessPolicy.time_window(DAY, per="partition"), "2024-02-29"),
        (FreshnessPolicy.time_window(2 * DAY, per="partition"), "2024-02-28"),
        (FreshnessPolicy.maximum_lag(2 * DAY), "2024-02-29"),  # data up to 12:00 of 28 February would do
        (FreshnessPolicy.maximum_lag(999 * DAY), "2024-01-01"),
    ],
)
def test_partitions_that_were_due_before_the_policy_was_known_are_not_asked_for(
    policy: AnyFreshnessPolicy, first: str
) -> None:
    assert DAYS.key_of(Coverage(DAYS, policy, KNOWN).asked_from) == first


def missing(coverage: Coverage) -> str | None:
    return None if coverage.missing.starts_at >= NEVER else DAYS.key_of(coverage.missing.starts_at)


def test_a_hole_is_missing_until_it_is_filled_and_a_backfill_of_an_old_one_changes_nothing() -> None:
    coverage = Coverage(DAYS, CRON, KNOWN)
    for key in ("2024-03-02", "2024-03-03", "2024-01-05", "nonsense"):
        coverage.add(key)
    assert missing(coverage) == "2024-03-01"
    coverage.add("2024-03-01")
    assert missing(coverage) == "2024-03-04"


def test_after_the_last_partition_nothing_is_missing() -> None:
    short = DailyPartitionsDefinition("2024-01-01", end_date="2024-03-03")
    coverage = Coverage(short, CRON, KNOWN)
    for key in ("2024-03-01", "2024-03-02"):
        assert missing(coverage) == key
        coverage.add(key)
    assert missing(coverage) is None


def test_where_partitions_exist_later_they_are_due_later() -> None:
    later = DailyPartitionsDefinition("2024-01-01", end_offset=-1)
    coverage = Coverage(later, CRON, KNOWN)
    assert coverage.missing.exists_at == coverage.missing.starts_at + 2 * DAY


def test_a_hundred_thousand_partitions_without_a_hole_are_one_stretch() -> None:
    hours = HourlyPartitionsDefinition("2010-01-01-00:00")
    coverage = Coverage(hours, FreshnessPolicy.maximum_lag(timedelta(days=99999)), KNOWN)
    for number in range(20_000):
        coverage.add(hours.key_of(hours.first_start + number * timedelta(hours=1)))
    assert len(coverage._starts) == 1
    assert coverage.missing.starts_at == hours.first_start + timedelta(hours=20_000)


@given(st.lists(st.integers(0, 30), max_size=40))
def test_the_first_missing_is_that_of_a_set(numbers: list[int]) -> None:
    first = datetime(2024, 3, 1, tzinfo=UTC)
    coverage = Coverage(DAYS, CRON, KNOWN)
    for number in numbers:
        coverage.add(DAYS.key_of(first + number * DAY))
    expected = next(number for number in range(99) if number not in numbers)
    assert coverage.missing.starts_at == first + expected * DAY
