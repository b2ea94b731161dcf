"""Who is told, as the settings say it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import structlog

from upwell.alerting import make_dispatcher, make_heartbeat, make_keeper
from upwell.clock import SystemClock
from upwell.definitions.project import Project
from upwell.errors import SettingsError
from upwell.settings import load_settings


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("UPWELL_CONFIG", raising=False)


def sinks(monkeypatch: pytest.MonkeyPatch, *tables: dict[str, Any]) -> Any:
    monkeypatch.setenv("UPWELL_ALERTS__SINKS", json.dumps(tables))
    return load_settings().alerts.sinks


class Nothing:
    """A journal that is not asked."""

    queries = None


def test_sinks_stand_in_the_file_or_in_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    config = tmp_path / "upwell.toml"
    config.write_text(
        '[[alerts.sinks]]\nname = "ops"\nkind = "slack"\nurl = "https://a.example"\nowners = ["team:a"]\n'
    )
    monkeypatch.setenv("UPWELL_CONFIG", str(config))
    [sink] = load_settings().alerts.sinks
    assert (sink.name, sink.owners) == ("ops", ("team:a",))
    [other] = sinks(monkeypatch, {"name": "hook", "kind": "webhook", "url": "https://b.example"})
    assert other.name == "hook"


def test_a_secret_comes_from_a_variable_or_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("whsec_eHh4\n")
    monkeypatch.setenv("SLACK_URL", "https://a.example/T0P")
    [sink] = sinks(
        monkeypatch, {"name": "ops", "kind": "slack", "url_env": "SLACK_URL", "secret_file": str(tmp_path / "secret")}
    )
    assert sink.hidden() == ("https://a.example/T0P", "whsec_eHh4")
    assert "T0P" not in repr(load_settings())
    assert set(sink.hidden()) <= set(load_settings().secrets())


@pytest.mark.parametrize(
    ("table", "why"),
    [
        ({"name": "a", "kind": "log", "url": "https://a.example/T0P", "url_env": "X"}, "say the same thing"),
        ({"name": "a", "kind": "log", "url_env": "NOT_SET"}, "NOT_SET"),
        ({"name": "a", "kind": "log", "url_file": "/nowhere"}, "/nowhere"),
        ({"name": "a b", "kind": "log"}, "name"),
        ({"name": "a", "kind": "log", "typo": 1}, "typo"),
        ({"name": "a", "kind": "log", "rate": 0}, "rate"),
    ],
)
def test_what_cannot_be_is_refused_without_showing_a_secret(
    table: dict[str, Any], why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SettingsError) as caught:
        sinks(monkeypatch, table)
    assert why in str(caught.value)
    assert "T0P" not in str(caught.value)


def test_two_sinks_of_one_name_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match="two sinks are called a"):
        sinks(monkeypatch, {"name": "a", "kind": "log"}, {"name": "a", "kind": "log"})


@pytest.mark.parametrize(
    ("alerts", "why"),
    [
        ({"sinks": [{"name": "a", "kind": "log", "select": "a and and"}]}, "the selection of the sink a"),
        ({"silences": [{"select": "(", "until": "2027-01-02T00:00:00Z"}]}, "the selection of silence 1"),
        ({"maintenance": [{"select": "*", "cron": "0 2 * *", "duration": "4h"}]}, "maintenance window 1"),
        ({"maintenance": [{"select": "*", "cron": "0 2 * * *", "duration": "4h", "timezone": "X"}]}, "time zone"),
    ],
)
def test_what_cannot_be_read_is_refused_at_the_start(alerts: dict[str, Any], why: str) -> None:
    settings = load_settings(alerts=alerts).alerts
    journal: Any = Nothing()
    with pytest.raises(SettingsError, match=why):
        make_keeper(settings, journal, Project(), SystemClock())
        make_dispatcher(settings, journal, Project(), SystemClock())


@pytest.mark.parametrize(
    ("table", "why"),
    [
        ({"name": "a", "kind": "pigeon"}, "there is no kind of sink 'pigeon'"),
        ({"name": "a", "kind": "slack"}, "needs url"),
        ({"name": "a", "kind": "webhook", "url": "https://a.example", "secret": "nö"}, "must be base64"),
        ({"name": "a", "kind": "email", "url": "smtp://a.example"}, "needs sender and to"),
        ({"name": "a", "kind": "email", "url": "https://a.example/T0PPATH"}, "must be smtp://"),
        ({"name": "a", "kind": "apprise", "url": "nothing-known-T0PPATH"}, "does not understand"),
    ],
)
def test_a_sink_that_cannot_be_made_is_said_and_costs_no_other(table: dict[str, Any], why: str) -> None:
    settings = load_settings(alerts={"sinks": [table, {"name": "b", "kind": "log"}]}).alerts
    journal: Any = Nothing()
    with structlog.testing.capture_logs() as lines:
        dispatcher = make_dispatcher(settings, journal, Project(), SystemClock())
    assert [outlet.name for outlet in dispatcher._outlets] == ["b"]
    [line] = [line for line in lines if line["event"] == "alert.sink_unusable"]
    assert why in line["reason"]
    assert "T0PPATH" not in str(line)


def test_without_a_url_there_is_no_heartbeat() -> None:
    settings = load_settings()
    assert make_heartbeat(settings.heartbeat, settings.alerts, (), SystemClock()) is None
    told = load_settings(heartbeat={"url": "https://hc.example/T0P"})
    assert make_heartbeat(told.heartbeat, told.alerts, (), SystemClock()) is not None
    assert "https://hc.example/T0P" in told.secrets()
