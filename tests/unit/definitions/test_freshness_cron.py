"""Cron deadlines: which windows count, on ordinary days and on those on which clocks are set; business days."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import TypeAdapter

from upwell.clock import NEVER
from upwell.definitions.freshness.calendar import BusinessCalendar
from upwell.definitions.freshness.deadlines import cron_deadlines, opened_at, shortest_interval
from upwell.definitions.freshness.evaluate import Known, Verdict, evaluate
from upwell.definitions.freshness.model import AnyFreshnessPolicy, FreshnessPolicy
from upwell.definitions.snapshot import AssetNode, Snapshot
from upwell.errors import DefinitionError

HOUR = timedelta(hours=1)
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def at(text: str, zone: str = "UTC", fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC)


def verdict(policy: AnyFreshnessPolicy, made: str | None, now: str, since: datetime = LONG_AGO) -> Verdict:
    return evaluate(policy, Known(since=since, made_at=None if made is None else at(made)), at(now))


NINE = FreshnessPolicy.cron("0 9 * * *", HOUR)


@pytest.mark.parametrize(
    ("made", "now", "state", "since", "changes_at"),
    [
        ("2024-03-05 08:00", "2024-03-05 08:30", "PASS", "2024-03-05 08:00", "2024-03-06 09:00"),  # as its window opens
        ("2024-03-05 08:59", "2024-03-06 08:59", "PASS", "2024-03-05 08:59", "2024-03-06 09:00"),
        ("2024-03-05 08:59", "2024-03-06 09:00", "FAIL", "2024-03-06 09:00", None),
        ("2024-03-05 07:59", "2024-03-05 08:59", "PASS", "2024-03-05 07:59", "2024-03-05 09:00"),  # too early a run
        ("2024-03-05 07:59", "2024-03-05 09:00", "FAIL", "2024-03-05 09:00", None),
        ("2024-03-05 09:00", "2024-03-05 09:00", "PASS", "2024-03-05 09:00", "2024-03-06 09:00"),  # late, then fresh
        ("2024-03-01 08:30", "2024-03-05 12:00", "FAIL", "2024-03-02 09:00", None),  # since the first one missed
    ],
)
def test_a_deadline_asks_for_what_was_made_in_its_window(
    made: str, now: str, state: str, since: str, changes_at: str | None
) -> None:
    found = verdict(NINE, made, now)
    assert (found.state, found.since) == (state, at(since))
    assert found.changes_at == (NEVER if changes_at is None else at(changes_at))


@pytest.mark.parametrize(
    ("made", "now", "state"),
    [
        (None, "2024-03-05 11:00", "UNKNOWN"),  # no deadline since the policy is known
        (None, "2024-03-06 08:59", "UNKNOWN"),
        (None, "2024-03-06 09:00", "FAIL"),
        ("2024-03-01 08:30", "2024-03-05 11:00", "UNKNOWN"),  # stale already, but nobody had asked
        ("2024-03-01 08:30", "2024-03-06 09:00", "FAIL"),
        ("2024-03-05 08:30", "2024-03-05 11:00", "PASS"),
    ],
)
def test_deadlines_before_the_policy_was_known_ask_for_nothing(made: str | None, now: str, state: str) -> None:
    assert verdict(NINE, made, now, since=at("2024-03-05 10:00")).state == state


def test_never_made_fails_when_its_grace_is_over() -> None:
    policy = FreshnessPolicy.cron("0 9 * * *", HOUR, grace=timedelta(days=3))
    known = at("2024-03-05 10:00")
    assert verdict(policy, None, "2024-03-08 09:59", since=known).state == "UNKNOWN"
    assert verdict(policy, None, "2024-03-08 10:00", since=known).state == "FAIL"


def test_without_a_window_everything_since_the_deadline_before_counts() -> None:
    policy = FreshnessPolicy.cron("0 9 * * *")
    assert verdict(policy, "2024-03-04 09:00", "2024-03-05 09:00").state == "PASS"
    assert verdict(policy, "2024-03-04 08:59", "2024-03-05 09:00").state == "FAIL"


def test_it_warns_before_a_deadline_that_will_be_missed_but_not_before_its_window_opens() -> None:
    policy = FreshnessPolicy.cron("0 9 * * *", HOUR, warn_before=timedelta(minutes=20))
    assert verdict(policy, "2024-03-04 08:30", "2024-03-05 08:39").state == "PASS"
    found = verdict(policy, "2024-03-04 08:30", "2024-03-05 08:50")
    assert (found.state, found.since, found.changes_at) == ("WARN", at("2024-03-05 08:40"), at("2024-03-05 09:00"))
    assert verdict(policy, "2024-03-05 08:10", "2024-03-05 08:50").state == "PASS"


@pytest.mark.parametrize(
    ("zone", "deadline", "window", "opens"),
    [
        ("America/Chicago", "2024-03-09 09:00", 8 * HOUR, "2024-03-09 01:00"),  # the day before clocks go forward
        ("America/Chicago", "2024-03-10 09:00", 8 * HOUR, "2024-03-10 01:00"),  # seven hours of real time
        ("America/Chicago", "2024-11-03 09:00", 8.5 * HOUR, "2024-11-03 00:30"),  # nine and a half
        ("America/Chicago", "2024-03-10 03:15", HOUR / 2, "2024-03-10 01:45"),  # clocks never show 02:45: real time
        ("America/Chicago", "2024-11-03 02:15", HOUR / 2, "2024-11-03 01:45/1"),  # they show 01:45 twice: the nearer
        ("Australia/Lord_Howe", "2024-10-06 09:00", 8 * HOUR, "2024-10-06 01:00"),  # by half an hour
        ("Asia/Kathmandu", "2024-10-06 09:00", 8 * HOUR, "2024-10-06 01:00"),
        ("Pacific/Kiritimati", "2024-10-06 09:00", 10 * HOUR, "2024-10-05 23:00"),  # +14:00
        ("UTC", "2024-03-01 09:00", 24 * HOUR, "2024-02-29 09:00"),
    ],
)
def test_a_window_opens_at_the_same_time_of_day_also_when_clocks_are_set(
    zone: str, deadline: str, window: timedelta, opens: str
) -> None:
    time, _, fold = opens.partition("/")
    assert opened_at(at(deadline, zone), window, ZoneInfo(zone)) == at(time, zone, fold=int(fold or 0))


@pytest.mark.parametrize(
    ("cron", "zone", "after", "deadline"),
    [
        ("30 2 * * *", "Europe/Berlin", "2024-03-30 12:00", "2024-03-31 01:00"),  # 02:30 is skipped: right after
        ("30 2 * * *", "Europe/Berlin", "2024-10-26 12:00", "2024-10-27 00:30"),  # comes twice: the first time
        ("30 2 * * *", "Europe/Berlin", "2024-10-27 00:30", "2024-10-28 01:30"),
        ("0 9 31 * *", "UTC", "2024-01-31 09:00", "2024-03-31 09:00"),  # months without the 31st
        ("0 9 29 2 *", "UTC", "2024-02-29 09:00", "2028-02-29 09:00"),
        ("0 0 1 1 *", "Pacific/Kiritimati", "2024-06-01 00:00", "2024-12-31 10:00"),
    ],
)
def test_deadlines_come_as_cron_says(cron: str, zone: str, after: str, deadline: str) -> None:
    deadlines = cron_deadlines(cron, zone, None)
    assert deadlines.after(at(after)) == at(deadline)
    assert deadlines.before(at(deadline)) <= at(after) < at(deadline)
    assert deadlines.up_to(at(deadline)) == at(deadline)


def test_deadlines_are_the_same_whatever_was_asked_before() -> None:
    asked = [at("2024-03-05 10:00") + timedelta(hours=7 * step) for step in (0, 900, 3, -4000, 5, 4, 20000, 1)]
    shared = cron_deadlines("0 9 * * 1-5", "Europe/Paris", None)
    for instant in asked:
        cron_deadlines.cache_clear()
        alone = cron_deadlines("0 9 * * 1-5", "Europe/Paris", None)
        assert (shared.after(instant), shared.before(instant)) == (alone.after(instant), alone.before(instant))


MONDAY = date(2024, 5, 20)  # Whit Monday


@pytest.mark.parametrize(
    ("cron", "roll", "after", "deadline"),
    [
        ("0 9 * * 1", "next", "2024-05-18 00:00", "2024-05-21 09:00"),  # a Monday holiday: Tuesday
        ("0 9 * * 1", "previous", "2024-05-16 00:00", "2024-05-17 09:00"),  # Friday
        ("0 9 * * 1", "skip", "2024-05-18 00:00", "2024-05-27 09:00"),
        ("0 9 * * *", "next", "2024-05-17 09:00", "2024-05-21 09:00"),  # three days meet
        ("0 9 * * *", "next", "2024-05-21 09:00", "2024-05-22 09:00"),
        ("0 9 * * *", "previous", "2024-05-16 09:00", "2024-05-17 09:00"),
        ("0 9 * * *", "previous", "2024-05-17 09:00", "2024-05-21 09:00"),
        ("0 17 * * 5", "next", "2024-05-11 00:00", "2024-05-17 17:00"),
        ("0 8,17 * * 6", "next", "2024-05-18 12:00", "2024-05-21 08:00"),
        ("0 8,17 * * 6", "next", "2024-05-21 08:00", "2024-05-21 17:00"),
    ],
)
def test_a_deadline_on_a_free_day_goes_to_a_business_day(cron: str, roll: Any, after: str, deadline: str) -> None:
    deadlines = cron_deadlines(cron, "UTC", BusinessCalendar(holidays=(MONDAY,), roll=roll))
    assert deadlines.after(at(after)) == at(deadline)


def test_public_holidays_come_from_the_package() -> None:
    calendar = BusinessCalendar(country="DE", subdivision="BY")
    assert not calendar.is_business_day(date(2024, 5, 30))  # Corpus Christi, in Bavaria
    assert BusinessCalendar(country="DE", subdivision="BE").is_business_day(date(2024, 5, 30))
    assert cron_deadlines("0 9 * * *", "Europe/Berlin", calendar).after(at("2024-12-24 12:00")) == at(
        "2024-12-27 08:00"
    )


def test_a_time_window_that_ends_on_a_free_day_lasts_until_the_next_business_day() -> None:
    policy = FreshnessPolicy.time_window(24 * HOUR, calendar=BusinessCalendar(holidays=(MONDAY,)), timezone="UTC")
    assert verdict(policy, "2024-05-17 12:00", "2024-05-21 11:59").state == "PASS"
    assert verdict(policy, "2024-05-17 12:00", "2024-05-21 12:00").state == "FAIL"


@pytest.mark.parametrize(
    ("cron", "shortest"),
    [
        ("* * * * *", timedelta(minutes=1)),
        ("0 10 * * 1-5", 24 * HOUR),
        ("0 0,1 1 1 *", HOUR),
        ("0 10 1 * *", timedelta(days=28)),
        ("0 0 29 2 *", timedelta(days=1461)),
    ],
)
def test_the_shortest_time_between_deadlines_is_that_of_the_wall_clock(cron: str, shortest: timedelta) -> None:
    assert shortest_interval(cron) == shortest


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"deadline_cron": "nonsense"}, "invalid cron schedule 'nonsense'"),
        ({"deadline_cron": "0 9 * * *", "timezone": "Europe/Atlantis"}, "is no time zone"),
        ({"deadline_cron": "0 9 * * *", "lower_bound_delta": 25 * HOUR}, "longer than the time between two deadlines"),
        ({"deadline_cron": "0 9 * * *", "lower_bound_delta": timedelta(0)}, "the shortest is one second"),
        ({"deadline_cron": "0 9 * * *", "lower_bound_delta": HOUR, "warn_before": 2 * HOUR}, "before anything that"),
        ({"deadline_cron": "0 9 * * *", "basis": "hope"}, "basis is 'run' or 'data'"),
        ({"deadline_cron": "0 9 * * *", "per": "row"}, "per is 'asset' or 'partition'"),
        ({"deadline_cron": "0 9 * * *", "calendar": "DE"}, "calendar is a BusinessCalendar"),
    ],
)
def test_a_policy_that_cannot_be_kept_is_refused(arguments: dict[str, Any], complaint: str) -> None:
    with pytest.raises(DefinitionError, match=complaint):
        FreshnessPolicy.cron(**arguments)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"weekdays": ()}, "weekdays are numbers"),
        ({"weekdays": (7,)}, "weekdays are numbers"),
        ({"holidays": ("2024-12-25",)}, "holidays are dates"),
        ({"roll": "sideways"}, "roll is 'next', 'previous' or 'skip'"),
        ({"country": "XX"}, "does not know that place"),
        ({"subdivision": "BY"}, "give country="),
    ],
)
def test_a_calendar_that_cannot_be_read_is_refused(arguments: dict[str, Any], complaint: str) -> None:
    with pytest.raises(DefinitionError, match=complaint):
        BusinessCalendar(**arguments)


@pytest.mark.parametrize("delta", [24 * HOUR, HOUR])
def test_a_window_of_a_day_fits_a_daily_deadline_where_a_day_may_have_23_hours(delta: timedelta) -> None:
    assert FreshnessPolicy.cron("0 9 * * *", delta, "America/Chicago").lower_bound_delta == delta


@pytest.mark.parametrize(
    "policy",
    [
        FreshnessPolicy.cron(
            "0 9 * * 1-5", HOUR, "Asia/Tokyo", warn_before=HOUR, grace=HOUR, basis="data", per="asset"
        ),
        FreshnessPolicy.cron("@daily", calendar=BusinessCalendar(country="FR", holidays=(MONDAY,), roll="skip")),
        FreshnessPolicy.maximum_lag(HOUR, "0 9 * * *", "Asia/Tokyo", warn_lag=HOUR / 2),
        FreshnessPolicy.time_window(HOUR, basis="data", per="partition", calendar=BusinessCalendar(weekdays=(0,))),
    ],
)
def test_every_kind_of_policy_survives_the_snapshot(policy: AnyFreshnessPolicy) -> None:
    snapshot = Snapshot(location="here", assets=(AssetNode(key="a", step="a", freshness=policy),))
    adapter = TypeAdapter(Snapshot)
    assert adapter.validate_json(adapter.dump_json(snapshot, exclude_defaults=True)) == snapshot


@pytest.mark.parametrize(
    ("made", "data_time", "now", "state"),
    [
        ("2024-03-05 12:00", "2024-03-05 06:00", "2024-03-05 12:01", "FAIL"),  # a run just now, of old data
        ("2024-03-05 12:00", "2024-03-05 11:30", "2024-03-05 13:29", "WARN"),
        ("2024-03-05 12:00", "2024-03-05 11:30", "2024-03-05 12:20", "PASS"),
        ("2024-03-05 12:00", None, "2024-03-05 12:01", "FAIL"),  # nobody says how old: as if never made
    ],
)
def test_a_maximum_lag_is_about_the_data(made: str, data_time: str | None, now: str, state: str) -> None:
    policy = FreshnessPolicy.maximum_lag(2 * HOUR, warn_lag=HOUR)
    known = Known(since=LONG_AGO, made_at=at(made), data_time=None if data_time is None else at(data_time))
    assert evaluate(policy, known, at(now)).state == state


def test_with_a_schedule_the_lag_is_asked_for_at_its_ticks_only() -> None:
    policy = FreshnessPolicy.maximum_lag(48 * HOUR, "0 9 * * *")
    for made, fails_at in [("2024-03-04 09:00", "2024-03-07 09:00"), ("2024-03-04 08:59", "2024-03-06 09:00")]:
        known = Known(since=LONG_AGO, made_at=at(made), data_time=at(made))
        assert evaluate(policy, known, at("2024-03-05 12:00")).changes_at == at(fails_at)


def test_a_calendar_may_leave_no_deadline_at_all() -> None:
    assert cron_deadlines("0 9 * * 6", "UTC", BusinessCalendar(roll="skip")).after(LONG_AGO) == NEVER
