"""When a source that polls looks next."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from upwell.clock import FakeClock
from upwell_sensors.rhythm import Rhythm, Trouble

NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)


def looks(source: str, clock: FakeClock, times: int, interval: float = 60.0) -> list[datetime]:
    """The instants of the first looks of a source that always succeeds, taking no time."""
    rhythm = Rhythm(source, interval, clock)
    found = []
    for _ in range(times):
        clock.jump(clock.now() + timedelta(seconds=rhythm.pause))
        found.append(clock.now())
        rhythm.succeeded()
    return found


@given(st.text(min_size=1), st.integers(0, 10**6))
def test_after_the_first_look_each_comes_an_interval_later_give_or_take_the_jitter(source: str, start: int) -> None:
    first, second, *following = looks(source, FakeClock(NOON + timedelta(seconds=start)), 8)
    assert 30 <= (second - first).total_seconds() <= 96.1
    pauses = [
        (later - earlier).total_seconds() for earlier, later in zip([second, *following], following, strict=False)
    ]
    assert all(53.9 <= pause <= 66.1 for pause in pauses)


def test_the_first_look_comes_within_seconds_however_long_the_interval() -> None:
    assert all(Rhythm(f"source {n}", 86_400, FakeClock(NOON)).pause < 5 for n in range(100))


def test_a_restart_keeps_the_phase() -> None:
    before = looks("orders", FakeClock(NOON), 5)[-1]
    after = looks("orders", FakeClock(NOON + timedelta(seconds=1000)), 5)[-1]
    apart = (after - before).total_seconds() % 60
    assert min(apart, 60 - apart) <= 6.1


def test_a_thousand_sources_spread_over_the_interval() -> None:
    seconds = [looks(f"source {n}", FakeClock(NOON), 3)[-1].second for n in range(1000)]
    assert max(seconds.count(second) for second in range(60)) < 40


def test_pauses_grow_with_trouble_and_are_forgotten_with_success() -> None:
    rhythm = Rhythm("orders", 60, FakeClock(NOON))
    pauses = []
    for _ in range(12):
        rhythm.failed(Trouble("refused", "connection refused"))
        pauses.append(rhythm.pause)
    rhythm.succeeded()
    rhythm.failed(Trouble("refused", "connection refused"))
    assert pauses[0] <= 1 and 150 <= pauses[-1] <= 300
    assert rhythm.pause <= 1


def test_the_pause_that_is_asked_for_is_kept_up_to_a_day() -> None:
    rhythm = Rhythm("orders", 60, FakeClock(NOON))
    rhythm.failed(Trouble("status 503", "answered 503", retry_after=1000))
    assert rhythm.pause == 1000
    rhythm.failed(Trouble("status 503", "answered 503", retry_after=1e12))
    assert rhythm.pause == 86_400
