"""The integral over transitions is that of somebody who looks every second."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

from hypothesis import given
from hypothesis import strategies as st

from upwell.events import FreshnessChanged, FreshnessState
from upwell.planning.slo import Interval, Timeline, Totals, totals, united

START = datetime(2024, 5, 1, tzinfo=UTC)
LENGTH = 120  # seconds of the history
STATES: tuple[FreshnessState, ...] = get_args(FreshnessState)
FIELDS: dict[FreshnessState, str] = {
    "PASS": "fresh",
    "WARN": "warned",
    "FAIL": "late",
    "UNKNOWN": "unknown",
    "NOT_APPLICABLE": "not_applicable",
}


def at(second: int) -> datetime:
    return START + timedelta(seconds=second)


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[int, FreshnessState]]:
    """Second by second when the state changed, and to what; at second 0 there is always a change."""
    seconds = draw(st.lists(st.integers(1, LENGTH), unique=True, max_size=12).map(sorted))
    return [(second, draw(st.sampled_from(STATES))) for second in [0, *seconds]]


def written(history: list[tuple[int, FreshnessState]]) -> list[FreshnessChanged]:
    previous: FreshnessState = "NOT_APPLICABLE"
    changes = []
    for second, state in history:
        changes.append(FreshnessChanged(asset="a", state=state, previous_state=previous, changed_at=at(second)))
        previous = state
    return changes


def read(changes: list[tuple[int, FreshnessChanged]], complete_from: int = 0) -> Timeline:
    timeline = Timeline(complete_from=at(complete_from))
    for number, change in changes:
        timeline.take(number, change)
    return timeline


def looked_at(history: list[tuple[int, FreshnessState]], start: int, end: int, excluded: list[Interval]) -> Totals:
    """The oracle: looks at every second."""
    counts = dict.fromkeys([*FIELDS.values(), "excluded"], 0)
    for second in range(start, end):
        state = [state for changed, state in history if changed <= second][-1]
        out = any(a <= at(second) < b for a, b in excluded)
        counts["excluded" if out else FIELDS[state]] += 1
    return Totals(**{name: timedelta(seconds=count) for name, count in counts.items()})


windows = st.tuples(st.integers(0, LENGTH), st.integers(0, LENGTH)).map(sorted)
maintenance = st.lists(windows, max_size=3).map(lambda found: united((at(a), at(b)) for a, b in found))


@given(histories(), windows, maintenance)
def test_totals_are_those_of_an_oracle_that_looks_every_second(
    history: list[tuple[int, FreshnessState]], window: list[int], excluded: list[Interval]
) -> None:
    start, end = window
    found = totals(read([*enumerate(written(history))]).stretches(at(start), at(end)), excluded)
    assert found == looked_at(history, start, end, excluded)


@given(histories(), windows)
def test_leaving_out_transitions_to_the_same_state_changes_nothing(
    history: list[tuple[int, FreshnessState]], window: list[int]
) -> None:
    start, end = window
    compacted = [one for n, one in enumerate(history) if n == 0 or history[n - 1][1] != one[1]]
    every = totals(read([*enumerate(written(history))]).stretches(at(start), at(end)))
    assert totals(read([*enumerate(written(compacted))]).stretches(at(start), at(end))) == every


@given(histories(), windows, st.integers(0, LENGTH))
def test_retention_changes_nothing_that_is_still_known(
    history: list[tuple[int, FreshnessState]], window: list[int], horizon: int
) -> None:
    """What was written before the horizon is gone; each transition was written at its instant."""
    start, end = window
    kept = [(n, change) for n, change in enumerate(written(history)) if change.changed_at >= at(horizon)]
    timeline = read(kept, horizon)
    if not kept:
        timeline = Timeline(complete_from=at(horizon), state=history[-1][1])
    found = totals(timeline.stretches(at(start), at(end)))
    whole = end - start
    known = looked_at(history, max(start, min(horizon, end)), end, [])
    if found.not_applicable > known.not_applicable:  # an asset whose policy was not known was not late before either
        return
    assert replace(found, unrecorded=timedelta(0)) == known
    assert found.unrecorded == timedelta(seconds=whole) - sum_of(known)


@given(histories(), histories(), st.integers(0, LENGTH), windows)
def test_a_correction_leaves_what_would_have_been_told_in_time(
    first: list[tuple[int, FreshnessState]],
    truth: list[tuple[int, FreshnessState]],
    since: int,
    window: list[int],
) -> None:
    """From an instant on, other transitions are told in place of those that were."""
    start, end = window
    kept = [one for one in first if one[0] < since]
    wrong = [n for n, one in enumerate(first) if one[0] >= since]
    right = [one for one in truth if one[0] >= since]
    if not wrong or not right:
        return
    told: list[Any] = [*enumerate(written(first))]
    corrections = written(right)
    corrections[0] = replace(corrections[0], previous_state=first[-1][1], corrects=tuple(wrong))
    if corrections[0].changed_at > at(first[wrong[0]][0]):
        return  # a correction begins where the first that is wrong did, or before
    told += [(len(first) + n, change) for n, change in enumerate(corrections)]
    expected = looked_at([*kept, *right] or right, start, end, []) if kept or right[0][0] == 0 else None
    if expected is not None:
        assert totals(read(told).stretches(at(start), at(end))) == expected


@given(histories(), windows)
def test_the_parts_of_a_window_add_up_to_it(history: list[tuple[int, FreshnessState]], window: list[int]) -> None:
    start, end = window
    found = totals(read([*enumerate(written(history))]).stretches(at(start), at(end)))
    assert sum_of(found) == timedelta(seconds=end - start)


def sum_of(found: Totals) -> timedelta:
    parts = (*(getattr(found, name) for name in FIELDS.values()), found.excluded, found.unrecorded)
    return sum(parts, timedelta(0))
