"""How much of the time an asset was fresh, as a table of timelines."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from upwell.definitions.graph import AssetGraph
from upwell.definitions.snapshot import AssetNode, Snapshot
from upwell.events import FreshnessChanged, FreshnessState
from upwell.planning.maintenance import MaintenanceCalendar, PlannedMaintenance
from upwell.planning.slo import Timeline, Totals, totals, united

START = datetime(2024, 5, 1, tzinfo=UTC)


def at(hours: float) -> datetime:
    return START + timedelta(hours=hours)


def hours(**named: float) -> Totals:
    return Totals(**{name: timedelta(hours=value) for name, value in named.items()})


def change(
    state: FreshnessState, hour: float, previous: FreshnessState = "PASS", corrects: tuple[int, ...] = ()
) -> FreshnessChanged:
    return FreshnessChanged(asset="mart", state=state, previous_state=previous, changed_at=at(hour), corrects=corrects)


def told(*changes: FreshnessChanged, complete_from: datetime = START) -> Timeline:
    timeline = Timeline(complete_from=complete_from)
    for number, one in enumerate(changes, start=1):
        timeline.take(number, one)
    return timeline


def test_each_state_is_counted_from_its_instant_to_the_next() -> None:
    timeline = told(change("WARN", 6), change("FAIL", 8, "WARN"), change("PASS", 11, "FAIL"))
    assert totals(timeline.stretches(START, at(24))) == hours(fresh=19, warned=2, late=3)


def test_the_state_at_the_start_is_what_the_first_transition_says_was_before() -> None:
    timeline = told(change("PASS", 6, previous="FAIL"))
    assert totals(timeline.stretches(START, at(24))) == hours(late=6, fresh=18)


def test_time_before_the_policy_was_known_does_not_count() -> None:
    timeline = told(change("UNKNOWN", 10, "NOT_APPLICABLE"), change("PASS", 14, "UNKNOWN"), complete_from=at(10))
    assert totals(timeline.stretches(START, at(24))) == hours(not_applicable=10, unknown=4, fresh=10)


def test_what_retention_has_taken_away_is_not_counted_as_anything() -> None:
    timeline = told(change("PASS", 20, "FAIL"), complete_from=at(12))
    assert totals(timeline.stretches(START, at(24))) == hours(unrecorded=12, late=8, fresh=4)


def test_a_late_report_takes_the_time_back_that_was_counted_as_late() -> None:
    wrong = told(change("FAIL", 8), change("PASS", 10, "FAIL"))
    assert totals(wrong.stretches(START, at(24))) == hours(late=2, fresh=22)
    right = told(change("FAIL", 8), change("PASS", 10, "FAIL"), change("PASS", 8, "PASS", corrects=(1, 2)))
    assert totals(right.stretches(START, at(24))) == hours(fresh=24)


def test_a_correction_may_say_more_than_one_change() -> None:
    timeline = told(change("FAIL", 8), change("PASS", 8, "FAIL", corrects=(1,)), change("FAIL", 12))
    assert totals(timeline.stretches(START, at(24))) == hours(fresh=12, late=12)


def test_maintenance_counts_neither_way() -> None:
    timeline = told(change("FAIL", 8), change("PASS", 12, "FAIL"))
    excluded = united([(at(7), at(9)), (at(8), at(10)), (at(23), at(30))])
    assert totals(timeline.stretches(START, at(24)), excluded) == hours(excluded=4, late=2, fresh=18)


def test_an_asset_of_which_nothing_was_told_in_the_window_is_as_it_was() -> None:
    timeline = Timeline(complete_from=START, state="FAIL")
    assert totals(timeline.stretches(START, at(24))) == hours(late=24)


@pytest.mark.parametrize(
    ("late", "objective", "rate", "budget"),
    [(0.0, 0.99, 0.0, 14.4), (0.24, 0.99, 1.0, 14.4), (2.4, 0.99, 10.0, 14.4), (2.4, 0.9, 1.0, 144.0)],
)
def test_a_burn_rate_of_one_uses_up_the_budget_just_in_time(
    late: float, objective: float, rate: float, budget: float
) -> None:
    day = hours(fresh=24 - late, late=late)
    assert day.burn_rate(objective) == pytest.approx(rate)
    assert day.budget(objective).total_seconds() / 60 == pytest.approx(budget)


def test_where_no_time_counts_there_is_no_rate() -> None:
    assert hours(unknown=24).late_ratio is None
    assert hours(unknown=24).burn_rate(0.99) is None


def test_maintenance_comes_again_by_the_clock_of_its_zone_for_what_it_selects() -> None:
    graph = AssetGraph([Snapshot(location="shop", assets=(AssetNode(key="mart", step="mart", group="marts"),))])
    nightly = PlannedMaintenance(
        select="group:marts", cron="0 2 * * *", duration=timedelta(hours=1), timezone="Europe/Berlin"
    )
    other = PlannedMaintenance(select="group:raw", cron="0 5 * * *", duration=timedelta(hours=1))
    calendar = MaintenanceCalendar([nightly, other], graph, at(0.5), at(48))
    assert calendar.of("mart") == [(at(0), at(1)), (at(24), at(25))]


def test_what_is_over_can_be_forgotten() -> None:
    timeline = told(change("FAIL", 2), change("PASS", 4, "FAIL"), change("FAIL", 8))
    before = totals(timeline.stretches(at(6), at(24)))
    timeline.forget(at(6))
    assert totals(timeline.stretches(at(6), at(24))) == before == hours(fresh=2, late=16)
    assert timeline.changes_in(START, at(24)) == [2, 3]
