"""What the commands about sources, sensors and replays do where no service runs, and with what they cannot read."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from upwell.cli.failures import UsageError
from upwell.cli.replaying import _instant

DEFINITIONS = """
from upwell import RunRequest, asset, define_asset_job, schedule, sensor
from upwell_sensors import webhook

@asset(on=[webhook("orders", insecure=True)])
def orders(): ...

job = define_asset_job("nightly_job", selection="orders")

@sensor(job=job, minimum_interval_seconds=90)
def new_files(context): ...

@schedule(cron_schedule="0 6 * * *", job=job)
def nightly(context): ...
"""


@pytest.fixture
def defined(project: Path) -> Path:
    (project / "definitions.py").write_text(DEFINITIONS)
    return project


@pytest.mark.usefixtures("defined")
class TestList:
    def test_sensors_tells_what_calls_them(self, upwell: Callable[..., Any]) -> None:
        result = upwell("list", "sensors")
        assert result.exit_code == 0, result.stderr
        assert [line.split() for line in result.stdout.splitlines()][1] == [
            "new_files",
            "every",
            "90s",
            "active",
            "-",
            "-",
        ]

    def test_schedules_tells_when_they_tick_next(self, upwell: Callable[..., Any]) -> None:
        (nightly,) = json.loads(upwell("list", "schedules", "--json").stdout)["schedules"]
        assert (nightly["name"], nightly["cron"]) == ("nightly", ["0 6 * * *"])
        assert datetime.fromisoformat(nightly["next_tick"]).hour == 6

    def test_sources_tells_who_listens(self, upwell: Callable[..., Any]) -> None:
        lines = [line.split() for line in upwell("list", "sources").stdout.splitlines()]
        assert ["webhook:orders", "webhook", "active", "orders", "-", "-"] in lines


@pytest.mark.usefixtures("defined")
@pytest.mark.parametrize(
    "arguments",
    [
        ("sources", "pause", "webhook:orders"),
        ("sensors", "resume", "new_files"),
        ("schedules", "pause", "nightly"),
        ("sensors", "preview", "new_files"),
        ("events", "replay", "--id", "1"),
    ],
)
def test_what_only_a_service_can_do_says_that_none_is_there(
    arguments: tuple[str, ...], upwell: Callable[..., Any]
) -> None:
    result = upwell(*arguments)
    assert (result.exit_code, result.stdout) == (3, "")
    assert "cannot be reached" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "say which events"),
        (("--source", "a", "--id", "1", "--since", "1h"), "say which events"),
        (("--source", "a"), "say since when"),
        (("--id", "1", "--since", "1h"), "go with --source"),
        (("--source", "a", "--since", "yesterday"), "--since='yesterday' is neither an age"),
        (("--source", "a", "--since", "1h", "--until", "x"), "--until='x' is neither an age"),
    ],
)
def test_a_replay_that_is_not_clear_is_wrong_usage(
    arguments: tuple[str, ...], words: str, upwell: Callable[..., Any]
) -> None:
    result = upwell("events", "replay", *arguments)
    assert result.exit_code == 2
    assert words in result.stderr


class TestInstants:
    def test_are_ages_counted_back_from_now(self) -> None:
        instant = _instant("--since", "2h")
        assert instant is not None
        assert timedelta(0) <= datetime.now(UTC) - timedelta(hours=2) - instant < timedelta(minutes=1)

    @pytest.mark.parametrize("text", ["2024-05-01T12:00:00Z", "2024-05-01T14:00+02:00"])
    def test_are_dates_with_a_zone(self, text: str) -> None:
        assert _instant("--since", text) == datetime(2024, 5, 1, 12, tzinfo=UTC)

    def test_without_a_zone_are_of_this_machine(self) -> None:
        assert _instant("--since", "2024-05-01") == datetime(2024, 5, 1).astimezone()

    def test_that_nobody_can_read_are_wrong_usage(self) -> None:
        with pytest.raises(UsageError, match="2024-05-01T12:00"):
            _instant("--since", "noon")
