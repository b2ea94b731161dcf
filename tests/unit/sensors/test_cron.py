"""The golden table of clock changes: what cron(8) does on the days when the clock is set."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from upwell.errors import DefinitionError
from upwell_sensors import cron
from upwell_sensors.timer_source import CronSource

NEW_YORK, LONDON = "America/New_York", "Europe/London"
SPRING_NY, AUTUMN_NY = "2026-03-08", "2026-11-01"
SPRING_LONDON, AUTUMN_LONDON = "2026-03-29", "2026-10-25"


def ticks_of_day(schedule: str, zone: str, day: str) -> list[datetime]:
    source = CronSource("cron", schedule=schedule, timezone=zone)
    start = datetime.fromisoformat(day).replace(tzinfo=ZoneInfo(zone))
    end = (start + timedelta(days=1)).astimezone(UTC)
    ticks = []
    tick = source.tick_after(start.astimezone(UTC) - timedelta(seconds=1))
    while tick < end:
        ticks.append(tick)
        tick = source.tick_after(tick)
    return ticks


@pytest.mark.parametrize(
    ("zone", "day", "schedule", "expected"),
    [
        (NEW_YORK, SPRING_NY, "30 2 * * *", "03:00 -0400"),
        (NEW_YORK, SPRING_NY, "30 1 * * *", "01:30 -0500"),
        (NEW_YORK, AUTUMN_NY, "30 1 * * *", "01:30 -0400"),
        (NEW_YORK, AUTUMN_NY, "30 2 * * *", "02:30 -0500"),
        (LONDON, SPRING_LONDON, "30 1 * * *", "02:00 +0100"),
        (LONDON, SPRING_LONDON, "30 2 * * *", "02:30 +0100"),
        (LONDON, AUTUMN_LONDON, "30 1 * * *", "01:30 +0100"),
        (LONDON, AUTUMN_LONDON, "30 2 * * *", "02:30 +0000"),
    ],
)
def test_a_daily_job_runs_once_on_the_day_the_clock_changes(zone: str, day: str, schedule: str, expected: str) -> None:
    ticks = ticks_of_day(schedule, zone, day)
    assert [tick.astimezone(ZoneInfo(zone)).strftime("%H:%M %z") for tick in ticks] == [expected]


@pytest.mark.parametrize(
    ("zone", "day", "quarters", "hours"),
    [
        (NEW_YORK, SPRING_NY, 92, 23),
        (NEW_YORK, AUTUMN_NY, 100, 25),
        (LONDON, SPRING_LONDON, 92, 23),
        (LONDON, AUTUMN_LONDON, 100, 25),
    ],
)
def test_wildcard_jobs_follow_real_time_when_the_clock_changes(zone: str, day: str, quarters: int, hours: int) -> None:
    for schedule, count, gap in (("*/15 * * * *", quarters, 15), ("0 * * * *", hours, 60)):
        ticks = ticks_of_day(schedule, zone, day)
        assert len(ticks) == count
        assert {later - earlier for earlier, later in pairwise(ticks)} == {timedelta(minutes=gap)}


@pytest.mark.parametrize("minute", range(0, 60, 7))
def test_a_restart_in_the_repeated_hour_does_not_run_the_job_again(minute: int) -> None:
    source = CronSource("cron", schedule="30 1 * * *", timezone=NEW_YORK)
    second_pass = datetime(2026, 11, 1, 6, minute, tzinfo=UTC)  # 01:xx for the second time
    assert source.tick_after(second_pass) == datetime(2026, 11, 2, 6, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("schedule", "zone", "after", "expected"),
    [
        ("0 6 * * *", "UTC", "2024-05-01T06:00:00+00:00", "2024-05-02T06:00:00+00:00"),
        ("0 6 * * *", "UTC", "2024-05-01T05:59:59.999999+00:00", "2024-05-01T06:00:00+00:00"),
        ("*/10 * * * * *", "UTC", "2024-05-01T06:00:01.5+00:00", "2024-05-01T06:00:10+00:00"),
        ("0 9 * * 1-5", "Asia/Kathmandu", "2024-05-03T04:00:00+00:00", "2024-05-06T03:15:00+00:00"),
        ("0 0 29 2 *", "UTC", "2024-02-29T00:00:00+00:00", "2028-02-29T00:00:00+00:00"),
        ("0 0 31 * *", "UTC", "2024-03-31T00:00:00+00:00", "2024-05-31T00:00:00+00:00"),
        ("@daily", "Europe/Paris", "2024-07-01T00:00:00+00:00", "2024-07-01T22:00:00+00:00"),
    ],
)
def test_the_next_tick_is_the_one_a_calendar_shows(schedule: str, zone: str, after: str, expected: str) -> None:
    source = CronSource("cron", schedule=schedule, timezone=zone)
    assert source.tick_after(datetime.fromisoformat(after)) == datetime.fromisoformat(expected)


def test_a_cron_is_named_by_its_schedule_and_zone() -> None:
    on = cron("0  6 * *   *", timezone="Europe/Paris")
    assert on.source.name == "cron:0 6 * * *@Europe/Paris"
    assert on.source.kind == "cron"
    assert on.source.params == {"schedule": "0 6 * * *", "timezone": "Europe/Paris"}


def test_schedules_in_a_list_tick_in_turn_and_once_where_they_coincide() -> None:
    source = CronSource("cron", schedule=["0 6 * * *", "0 18 * * *", "0 */9 * * *"])
    tick, ticks = datetime(2024, 5, 1, tzinfo=UTC), []
    for _ in range(5):
        tick = source.tick_after(tick)
        ticks.append((tick.day, tick.hour))
    assert ticks == [(1, 6), (1, 9), (1, 18), (2, 0), (2, 6)]


def test_a_list_of_schedules_is_plain_data_under_a_readable_name() -> None:
    on = cron(["0 6 * * *", "0  18 * * *", "0 6 * * *"], timezone="Europe/Paris", jitter="30s")
    assert on.source.name == "cron:0 6 * * *, 0 18 * * *@Europe/Paris"
    assert on.source.params == {
        "schedule": ["0 6 * * *", "0 18 * * *"],
        "timezone": "Europe/Paris",
        "jitter": "30s",
    }


def test_the_name_of_many_schedules_is_short_and_their_own() -> None:
    names = [cron([f"{minute} 6 * * *" for minute in range(count)]).source.name for count in (20, 21)]
    assert names[0].startswith("cron:0 6 * * *, 1 6 * * *, 2 6 * * * and 17 more (")
    assert len(set(names)) == 2


def test_a_schedule_as_the_service_declares_it_makes_a_source() -> None:
    params = {"schedule": "0 6 * * *", "timezone": "Europe/Paris", "catch_up": "none"}
    source = CronSource("schedule:morning", **params)  # type: ignore[arg-type]
    assert source.tick_after(datetime(2024, 7, 1, tzinfo=UTC)) == datetime(2024, 7, 1, 4, tzinfo=UTC)


def test_a_cron_takes_the_options_of_every_source() -> None:
    assert cron("0 6 * * *", throttle="1/h", debounce="2s").debounce == 2.0


@pytest.mark.parametrize(
    ("schedule", "options", "complaint"),
    [
        ("0 25 * * *", {}, "Bad hour; write minute hour day"),
        ("every day", {}, "Wrong number of fields"),
        ("0 0 30 2 *", {}, "Bad day-of-month"),
        ("0 6 * * *", {"timezone": "Mars/Olympus"}, "timezone='Mars/Olympus' is unknown; write an IANA name"),
        ("0 6 * * *", {"timezone": "../etc/passwd"}, "is unknown"),
        ("0 6 * * *", {"catch_up": "some"}, 'choose "latest", "all" or "none"'),
        ("0 6 * * *", {"jitter": "a bit"}, "jitter='a bit' is no duration"),
        ([], {}, "name a schedule"),
        (["0 6 * * *", "0 25 * * *"], {}, "Bad hour"),
    ],
)
def test_a_wrong_cron_is_refused_with_its_mend(schedule: Any, options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(DefinitionError, match=complaint):
        cron(schedule, **options)
