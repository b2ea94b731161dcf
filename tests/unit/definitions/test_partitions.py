"""Partitions at the edges: clock changes, offsets, limits, what is no key. The answers are those of Dagster 1.13."""

from __future__ import annotations

from datetime import UTC, datetime
from time import perf_counter

import pytest

from upwell.definitions.errors import (
    DagsterInvalidDefinitionError,
    DagsterInvalidInvocationError,
    DagsterUnknownPartitionError,
)
from upwell.definitions.partitions.definition import PartitionKeyRange
from upwell.definitions.partitions.named import StaticPartitionsDefinition
from upwell.definitions.partitions.time_windows import (
    DailyPartitionsDefinition,
    HourlyPartitionsDefinition,
    MonthlyPartitionsDefinition,
    TimeWindowPartitionsDefinition,
    WeeklyPartitionsDefinition,
)

NEW_YORK = "America/New_York"
NOON = datetime(2024, 1, 5, 12, tzinfo=UTC)


def spans(definition: TimeWindowPartitionsDefinition, *keys: str) -> list[tuple[str, str]]:
    windows = [definition.time_window_for_partition_key(key) for key in keys]
    return [(f"{start.astimezone(UTC):%m-%dT%H:%M}", f"{end.astimezone(UTC):%m-%dT%H:%M}") for start, end in windows]


def test_the_repeated_hour_of_autumn_has_two_partitions() -> None:
    hours = HourlyPartitionsDefinition("2024-11-03-00:00", timezone=NEW_YORK)
    assert list(hours.get_partition_keys(datetime(2024, 11, 3, 8, tzinfo=UTC))) == [
        "2024-11-03-00:00",
        "2024-11-03-01:00",
        "2024-11-03-01:00-0500",
        "2024-11-03-02:00",
    ]
    assert spans(hours, "2024-11-03-01:00", "2024-11-03-01:00-0500") == [
        ("11-03T05:00", "11-03T06:00"),
        ("11-03T06:00", "11-03T07:00"),
    ]


def test_the_skipped_hour_of_spring_has_none() -> None:
    hours = HourlyPartitionsDefinition("2024-03-10-00:00", timezone=NEW_YORK)
    keys = list(hours.get_partition_keys(datetime(2024, 3, 10, 9, tzinfo=UTC)))
    assert keys == ["2024-03-10-00:00", "2024-03-10-01:00", "2024-03-10-03:00", "2024-03-10-04:00"]
    assert not hours.has_partition_key("2024-03-10-02:00", NOON.replace(month=6))


def test_half_an_hour_of_clock_change_keeps_real_hours() -> None:
    hours = HourlyPartitionsDefinition("2024-04-07-00:00", timezone="Australia/Lord_Howe")
    keys = list(hours.get_partition_keys(datetime(2024, 4, 6, 17, tzinfo=UTC)))
    assert keys == ["2024-04-07-00:00", "2024-04-07-01:00", "2024-04-07-01:30+1030", "2024-04-07-02:30"]


@pytest.mark.parametrize(
    ("zone", "hour", "minute", "day", "span"),
    [
        (NEW_YORK, 2, 30, "2024-03-10", ("03-10T07:00", "03-11T06:30")),  # 02:30 does not exist: 03:00
        (NEW_YORK, 1, 30, "2024-11-03", ("11-03T06:30", "11-04T06:30")),  # 01:30 comes twice: the second
        ("America/Havana", 0, 0, "2024-11-03", ("11-03T04:00", "11-04T05:00")),  # midnight comes twice: the first
        ("America/Havana", 0, 0, "2024-03-10", ("03-10T05:00", "03-11T04:00")),  # midnight does not exist: 01:00
    ],
)
def test_a_boundary_on_the_day_of_a_clock_change(zone: str, hour: int, minute: int, day: str, span) -> None:
    days = DailyPartitionsDefinition("2024-01-01", timezone=zone, hour_offset=hour, minute_offset=minute)
    assert spans(days, day) == [span]


@pytest.mark.parametrize(
    ("end_offset", "end", "last"),
    [
        (-1, None, "2024-01-03"),
        (0, None, "2024-01-04"),
        (1, None, "2024-01-05"),
        (2, None, "2024-01-06"),
        (2, "2024-01-04", "2024-01-03"),
        (0, "2024-01-04", "2024-01-03"),
        (-2, "2024-01-04", "2024-01-02"),
        (0, "2024-01-01", None),
        (-9, None, None),
    ],
)
def test_the_last_partition(end_offset: int, end: str | None, last: str | None) -> None:
    days = DailyPartitionsDefinition("2024-01-01", end_date=end, end_offset=end_offset)
    assert days.get_last_partition_key(NOON) == last
    assert (list(days.get_partition_keys(NOON)) or [None])[-1] == last


def test_weeks_start_on_sunday_and_a_start_amid_a_window_begins_with_the_next() -> None:
    weeks = WeeklyPartitionsDefinition("2024-01-03")
    assert weeks.get_first_partition_key(datetime(2024, 2, 1, tzinfo=UTC)) == "2024-01-07"


def test_months_without_the_day_have_no_boundary() -> None:
    months = MonthlyPartitionsDefinition("2024-01-01", day_offset=31)
    assert list(months.get_partition_keys(datetime(2024, 6, 15, tzinfo=UTC))) == ["2024-01-31", "2024-03-31"]


@pytest.mark.parametrize(
    ("cron", "first"),
    [
        ("0 0 ? * *", "2024-01-04"),
        ("0 0 L * *", "2024-01-31"),
        ("0 0 * * 1#2", "2024-01-08"),
        ("0 0 * * MON", "2024-01-08"),
    ],
)
def test_cron_schedules_may_be_written_in_these_ways(cron: str, first: str) -> None:
    windows = TimeWindowPartitionsDefinition("2024-01-04", "%Y-%m-%d", cron_schedule=cron)
    assert windows.get_first_partition_key(datetime(2024, 6, 1, tzinfo=UTC)) == first


def test_any_cron_schedule_can_cut_windows() -> None:
    working_days = TimeWindowPartitionsDefinition("2024-01-04", "%Y-%m-%d", cron_schedule="0 0 * * 1-5")
    assert list(working_days.get_partition_keys(datetime(2024, 1, 9, tzinfo=UTC))) == [
        "2024-01-04",
        "2024-01-05",
        "2024-01-08",
    ]
    assert spans(working_days, "2024-01-05") == [("01-05T00:00", "01-08T00:00")]


@pytest.mark.parametrize("key", ["2023-12-31", "2024-01-05", "2024-1-4", "2024-02-30", "x", ""])
def test_what_is_no_key_yet_or_never(key: str) -> None:
    assert not DailyPartitionsDefinition("2024-01-01").has_partition_key(key, NOON)


def test_a_range_may_reach_into_the_future_but_not_past_the_end() -> None:
    days = DailyPartitionsDefinition("2024-01-01", end_date="2024-01-03")
    assert list(
        DailyPartitionsDefinition("2024-01-01").get_partition_keys_in_range(
            PartitionKeyRange("2030-01-02", "2030-01-03")
        )
    ) == ["2030-01-02", "2030-01-03"]
    with pytest.raises(DagsterUnknownPartitionError, match="leaves the partitions"):
        days.get_partition_keys_in_range(PartitionKeyRange("2024-01-02", "2024-01-09"))


def test_an_unknown_key_is_answered_with_what_keys_look_like() -> None:
    with pytest.raises(DagsterUnknownPartitionError, match="keys look like 2024-01-01, 2024-01-02"):
        DailyPartitionsDefinition("2024-01-01").order_of("yesterday")
    with pytest.raises(DagsterInvalidInvocationError, match="the keys are a, b"):
        StaticPartitionsDefinition(["a", "b"]).get_partition_keys_in_range(PartitionKeyRange("a", "c"))


def test_definitions_are_equal_by_what_they_mean() -> None:
    days = DailyPartitionsDefinition("2024-01-01")
    same = TimeWindowPartitionsDefinition("2024-01-01", "%Y-%m-%d", cron_schedule="0 0 * * *")
    assert days == same
    assert hash(days) == hash(same)
    assert days != DailyPartitionsDefinition("2024-01-01", end_offset=1)


def test_a_question_about_one_key_does_not_list_the_others() -> None:
    hours = HourlyPartitionsDefinition("1900-01-01-00:00", timezone=NEW_YORK)
    begun = perf_counter()
    assert hours.has_partition_key("2024-01-01-00:00", NOON)
    assert hours.get_last_partition_key(NOON) == "2024-01-05-06:00"
    assert perf_counter() - begun < 1  # listing a million hours takes many seconds


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda: DailyPartitionsDefinition("2024-01-01", hour_offset=25), "cron schedule '0 25"),
        (lambda: DailyPartitionsDefinition("2024-01-01", timezone="Nowhere/X"), "no time zone 'Nowhere/X'"),
        (lambda: TimeWindowPartitionsDefinition("2024-01-01", "%Y-%m-%d"), "cron_schedule="),
        (lambda: TimeWindowPartitionsDefinition("2024-01-01", "%Y-%m-%d", cron_schedule="0 0 0 * * *"), "five fields"),
        (lambda: StaticPartitionsDefinition(["a", "b", "a"]), "more than once: a"),
        (lambda: StaticPartitionsDefinition(["a...b"]), "ends of a range"),
    ],
)
def test_what_cannot_be_a_definition(make, complaint: str) -> None:
    with pytest.raises(DagsterInvalidDefinitionError, match=complaint.replace("(", r"\(")):
        make()
