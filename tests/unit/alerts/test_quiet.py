"""When nobody is told: to the second, in the time zone that is meant, also when clocks are set."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from upwell.alerts.quiet import Maintenance, QuietTimes, Silence

SATURDAY_NIGHT = Maintenance(
    select="*", cron="0 1 * * 0", duration=timedelta(hours=4), timezone="Europe/Berlin", reason="backups"
)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


class Chosen:
    def has_any(self, select: str, assets: Sequence[str]) -> bool:
        return select in assets


@pytest.mark.parametrize(
    ("instant", "until"),
    [
        ("2026-03-01T00:00:00", "2026-03-01T04:00:00"),  # 01:00 in winter
        ("2026-03-01T03:59:59", "2026-03-01T04:00:00"),
        ("2026-03-01T04:00:00", None),
        ("2026-02-28T23:59:59", None),
        ("2026-03-02T01:00:00", None),
        ("2026-07-05T00:00:00", "2026-07-05T03:00:00"),  # 01:00 in summer is 23:00 the day before
        ("2026-07-04T23:00:00", "2026-07-05T03:00:00"),
        ("2026-03-29T01:30:00", "2026-03-29T04:00:00"),  # the clock is set forward in it: four hours all the same
        ("2026-10-25T02:59:00", "2026-10-25T03:00:00"),  # and back: 01:00 is before that
        ("2026-10-25T03:00:00", None),
    ],
)
def test_a_maintenance_window_is_where_the_clock_on_the_wall_says(instant: str, until: str | None) -> None:
    quiet = SATURDAY_NIGHT.at(at(instant))
    assert (None if quiet is None else quiet.until) == (None if until is None else at(until))


def test_windows_without_a_gap_are_one() -> None:
    hourly = Maintenance(select="*", cron="0 1-3 * * *", duration=timedelta(hours=1))
    quiet = hourly.at(at("2026-03-01T01:10:00"))
    assert quiet is not None
    assert quiet.until == at("2026-03-01T04:00:00")


def test_a_silence_holds_from_when_it_says_until_just_before_its_end() -> None:
    silence = Silence(id="s", select="*", since=at("2026-03-01T01:00:00"), until=at("2026-03-01T02:00:00"))
    held = [
        silence.at(at(f"2026-03-01T{time}")) is not None for time in ("00:59:59", "01:00:00", "01:59:59", "02:00:00")
    ]
    assert held == [False, True, True, False]


def test_of_several_reasons_the_one_that_lasts_longest_counts() -> None:
    quiet = QuietTimes([SATURDAY_NIGHT], Chosen())
    quiet.add(Silence(id="s", select="a", until=at("2026-03-01T09:00:00"), reason="moving"))
    found = quiet.quiet_for(["a"], at("2026-03-01T01:00:00"))
    assert found is not None
    assert (found.reason, found.until) == ("moving", at("2026-03-01T09:00:00"))


def test_a_silence_is_about_the_assets_that_it_selects() -> None:
    quiet = QuietTimes([], Chosen())
    quiet.add(Silence(id="s", select="a", until=at("2026-03-01T09:00:00")))
    assert quiet.quiet_for(["b"], at("2026-03-01T01:00:00")) is None
    assert quiet.quiet_for([], at("2026-03-01T01:00:00")) is None
    quiet.end("s")
    assert quiet.quiet_for(["a"], at("2026-03-01T01:00:00")) is None


def test_what_is_over_is_forgotten() -> None:
    quiet = QuietTimes([], Chosen())
    quiet.add(Silence(id="s", select="a", until=at("2026-03-01T09:00:00")))
    quiet.quiet_for(["a"], at("2026-03-01T10:00:00"))
    assert quiet.asked == {}
