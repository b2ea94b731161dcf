from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upwell.definitions.reactions import Rate
from upwell.web.rate_limit import RateLimit, taken

rates = st.builds(Rate, count=st.integers(1, 50), seconds=st.floats(0.1, 3600))
pauses = st.lists(st.floats(0, 100), min_size=1, max_size=100)


def instants(pauses: list[float]) -> list[float]:
    now, found = 0.0, []
    for pause in pauses:
        now += pause
        found.append(now)
    return found


@given(rate=rates, pauses=pauses)
def test_no_stretch_of_time_sees_more_than_the_bucket_and_its_inflow(rate: Rate, pauses: list[float]) -> None:
    limit = RateLimit(rate)
    admitted = [now for now in instants(pauses) if limit.take(now) == 0]
    for first, begin in enumerate(admitted):
        for last in range(first, len(admitted)):
            stretch = admitted[last] - begin
            assert last - first + 1 <= rate.count + stretch * rate.count / rate.seconds + 1e-3


@given(rate=rates, number=st.integers(1, 200), start=st.floats(-1e6, 1e6))
def test_who_keeps_to_the_rate_is_never_refused(rate: Rate, number: int, start: float) -> None:
    limit = RateLimit(rate)
    assert all(limit.take(start + turn * rate.seconds / rate.count) == 0 for turn in range(number))


@given(rate=rates, pauses=pauses)
def test_who_waits_as_long_as_told_is_taken(rate: Rate, pauses: list[float]) -> None:
    limit = RateLimit(rate)
    now = 0.0
    for pause in pauses:
        now += pause
        if (wait := limit.take(now)) > 0:
            now += wait
            assert limit.take(now) == 0


@given(rate=rates, full_at=st.floats(-100, 5000), now=st.floats(0, 100))
def test_a_refusal_costs_nothing(rate: Rate, full_at: float, now: float) -> None:
    after, wait = taken(full_at, now, rate)
    assert (after == full_at) if wait > 0 else (after > now)


@pytest.mark.parametrize("count", [1, 3, 10])
def test_so_many_may_come_at_once_and_then_one_after_the_other(count: int) -> None:
    limit = RateLimit(Rate(count=count, seconds=60))
    assert [limit.take(0) for _ in range(count)] == [0] * count
    assert limit.take(0) == pytest.approx(60 / count)
    assert limit.take(60 / count) == 0
    assert limit.take(60 / count) > 0


def test_a_bucket_that_nobody_used_is_full() -> None:
    assert taken(-math.inf, 1e9, Rate(count=1, seconds=1)) == (1e9 + 1, 0.0)
