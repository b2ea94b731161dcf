from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from upwell.definitions.freshness.deadlines import EARLIEST
from upwell.definitions.freshness.model import FreshnessPolicy
from upwell.definitions.partitions.named import StaticPartitionsDefinition
from upwell.definitions.partitions.time_windows import DailyPartitionsDefinition
from upwell.freshness.occasions import MOST_ATTEMPTS, Demanded, Occasion, is_settled, occasion_of
from upwell.freshness.standings import Fact, Standing

MIDNIGHT = datetime(2024, 3, 1, tzinfo=UTC)
NINE = FreshnessPolicy.cron("0 9 * * *")
DAILY = DailyPartitionsDefinition(start_date="2024-02-01")


def at(hours: float) -> datetime:
    return MIDNIGHT + timedelta(hours=hours)


def standing(policy: Any = NINE, partitions: Any = None, made: datetime | None = None) -> Standing:
    found = Standing(asset="a", policy=policy, known_since=MIDNIGHT - timedelta(days=2), partitions=partitions)
    if made is not None:
        found.take(Fact(asset="a", id=1, at=made))
    return found


def occasion(one: Standing, demanded: Demanded | None, now: datetime) -> Occasion:
    found = occasion_of(one, demanded, now)
    assert found is not None
    return found


def demand(**more: Any) -> Demanded:
    return Demanded(deadline=at(9), at=at(8), **more)


def test_the_next_deadline_is_that_of_the_policy() -> None:
    found = occasion(standing(made=at(-20)), None, at(1))
    assert (found.deadline, found.attempt, found.keys, found.opens_at) == (at(9), 1, (None,), EARLIEST)


def test_it_is_of_use_from_when_its_window_opens() -> None:
    policy = FreshnessPolicy.cron("0 9 * * *", timedelta(hours=2))
    assert occasion(standing(policy, made=at(-16)), None, at(1)).opens_at == at(7)
    assert occasion(standing(policy, made=at(-20)), None, at(1)).opens_at == EARLIEST  # late already: at any time


def test_another_attempt_comes_a_tenth_of_the_time_left_later_and_at_most_a_minute() -> None:
    after_hour = occasion(standing(made=at(-20)), demand(), at(8.5))
    assert (after_hour.deadline, after_hour.attempt, after_hour.not_before) == (at(9), 2, at(8) + timedelta(minutes=1))
    short = replace(demand(), at=at(9) - timedelta(seconds=100))
    assert occasion(standing(made=at(-20)), short, at(9)).not_before == at(9) - timedelta(seconds=90)


@pytest.mark.parametrize("given_up", [{"attempt": MOST_ATTEMPTS}, {"consumed": True}])
def test_what_was_given_up_is_tried_again_for_the_next_deadline(given_up: dict[str, Any]) -> None:
    found = occasion(standing(made=at(-20)), demand(**given_up), at(8.5))
    assert (found.deadline, found.attempt) == (at(33), 1)
    assert at(8) < found.not_before < at(33)


def test_given_up_after_days_of_failing_it_goes_on_with_the_next_deadline_that_is_still_to_come() -> None:
    late = Demanded(deadline=at(9), at=at(9 + 24 * 5), attempt=MOST_ATTEMPTS)
    assert occasion(standing(made=at(-20)), late, at(9 + 24 * 5)).deadline == at(9 + 24 * 6)


def test_a_window_that_was_given_up_is_tried_again_a_window_later() -> None:
    hourly = standing(FreshnessPolicy.time_window(timedelta(hours=1)), made=at(8))
    found = occasion(hourly, demand(attempt=MOST_ATTEMPTS), at(9.1))
    assert at(10) - found.deadline < timedelta(seconds=1)


def test_what_was_made_since_the_demand_makes_it_a_new_occasion() -> None:
    served = standing(made=at(8.5))
    assert occasion(served, demand(attempt=2), at(8.6)).attempt == 1
    assert is_settled(served, demand(), at(33))
    assert not is_settled(standing(made=at(-20)), demand(), at(9))


def test_what_was_made_too_early_to_count_is_another_attempt() -> None:
    policy = FreshnessPolicy.cron("0 9 * * *", timedelta(minutes=15))
    too_early = standing(policy, made=at(-15.1))
    too_early.take(Fact(asset="a", id=2, at=at(8.5)))
    found = occasion(too_early, demand(), at(8.6))
    assert (found.deadline, found.attempt) == (at(9), 2)


def test_of_partitions_all_that_exist_and_are_missing_are_to_be_made() -> None:
    daily = standing(NINE, DAILY)
    found = occasion(daily, None, at(1))
    assert found.keys == ("2024-02-27", "2024-02-28", "2024-02-29")
    daily.take(Fact(asset="a", id=1, at=at(2), partition=found.keys[0]))
    assert occasion(daily, None, at(2)).first == found.keys[1]


def test_of_a_partition_that_was_given_up_the_next_try_is_for_the_deadline_of_the_next_one() -> None:
    daily = standing(NINE, DAILY)
    first = occasion(daily, None, at(1))
    for number, key in enumerate(first.keys[:-1], start=1):
        daily.take(Fact(asset="a", id=number, at=at(1), partition=key))
    last = occasion(daily, None, at(1))
    given_up = Demanded(deadline=last.deadline, at=at(8), partition=last.first, attempt=MOST_ATTEMPTS)
    found = occasion(daily, given_up, at(8.5))
    assert (found.first, found.deadline) == (last.first, at(33))


def test_of_other_partitions_all_are_to_be_made_and_of_a_window_the_newest() -> None:
    week = FreshnessPolicy.time_window(timedelta(days=7))
    assert occasion(standing(week, StaticPartitionsDefinition(["eu", "us"])), None, at(1)).keys == ("eu", "us")
    assert occasion(standing(week, DAILY), None, at(1)).keys == ("2024-02-29",)
