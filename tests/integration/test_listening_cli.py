"""Pause, preview, replay and explain by the command line, against a real service."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.service, pytest.mark.timeout(120)]

UPWELL = Path(sys.executable).with_name("upwell")

DEFINITIONS = """
from pathlib import Path
from upwell import RunRequest, SkipReason, asset, define_asset_job, schedule, sensor
from upwell_sensors import webhook

@asset(on=[webhook("orders", insecure=True, filter="$.amount > 100")])
def orders(context):
    if any(event.data["amount"] == 666 for event in context.events) and not Path("mended").exists():
        raise ValueError("an evil order")

@asset
def fct_orders(orders): ...

@asset
def report(): ...

reporting = define_asset_job("reporting", selection="report")

@sensor(job=reporting, minimum_interval_seconds=3600)
def month_end(context):
    if context.cursor == "broken":
        raise ValueError("no such month")
    if not context.cursor:
        return SkipReason("the month goes on")
    month = context.cursor
    context.update_cursor("2024-06")
    return RunRequest(run_key=month)

@schedule(cron_schedule="0 6 * * *", job=reporting)
def nightly(context):
    return RunRequest()
"""


@pytest.fixture
def service(serve: Callable[..., Any]) -> Any:
    return serve(DEFINITIONS)


def upwell(service: Any, *arguments: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("UPWELL_")}
    env = clean | {"TZ": "UTC", "NO_COLOR": "1", "UPWELL_URL": service.url}
    return subprocess.run([UPWELL, *arguments], cwd=service.folder, env=env, capture_output=True, text=True, timeout=60)


def said(service: Any, *arguments: str) -> str:
    done = upwell(service, *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def shown(service: Any, *arguments: str) -> Any:
    return json.loads(said(service, *arguments, "--json"))


def sentences(service: Any, asset: str) -> list[str]:
    return [one["sentence"] for one in shown(service, "explain", asset)["decisions"]]


def test_what_a_paused_source_tells_leads_to_nothing_also_after_a_restart_until_it_is_replayed(
    service: Any, until: Callable[..., Any]
) -> None:
    assert said(service, "sources", "pause", "webhook:orders") == "source webhook:orders rests\n"
    assert said(service, "sources", "pause", "webhook:orders") == "source webhook:orders is paused already\n"
    assert service.terminate() == 0
    service.restart()
    assert service.post("orders", {"amount": 500}).status_code == 202
    until(lambda: any("led to nothing: webhook:orders is paused." in text for text in sentences(service, "orders")))
    assert said(service, "sources", "resume", "webhook:orders") == "source webhook:orders goes on\n"
    replay = ("events", "replay", "--source", "webhook:orders", "--since", "1h")
    assert said(service, *replay) == "1 event will be decided on once more\n"
    service.wait_for("run.succeeded")
    assert sentences(service, "fct_orders")[0].startswith("fct_orders was made by run ")


def test_a_dry_run_prints_the_decisions_by_the_rules_of_now_and_writes_nothing(
    service: Any, until: Callable[..., Any]
) -> None:
    for amount in (5, 500):
        service.post("orders", {"amount": amount})
    service.wait_for("run.succeeded")
    head = service.get("/api/v1/events?limit=1")["events"][0]["id"]
    text = said(service, "events", "replay", "--source", "webhook:orders", "--since", "1h", "--dry-run")
    assert "2 events would be decided on once more; nothing was written" in text
    assert "the filter @.amount > 100 of orders let it pass by" in text
    assert "makes orders, fct_orders" in text
    assert service.get("/api/v1/events?limit=1")["events"][0]["id"] == head


def test_explain_says_which_filter_let_an_event_pass_by_and_what_is_listened_to(
    service: Any, until: Callable[..., Any]
) -> None:
    event_id = service.post("orders", {"amount": 5}).json()["event_id"]
    until(lambda: sentences(service, "orders"))
    text = said(service, "explain", "fct_orders")
    assert "fct_orders listens to nothing itself; it is made when something comes for orders" in text
    assert f"Event {event_id} led to nothing: the filter @.amount > 100 of orders let it pass by." in text


def test_a_preview_shows_what_a_call_would_lead_to_and_writes_nothing(service: Any) -> None:
    found = shown(service, "sensors", "preview", "month_end", "--cursor", "2024-05")
    (event,) = found["events"]
    assert (event["kind"], event["data"]["cursor"]) == ("sensor.evaluated", "2024-06")
    assert event["data"]["runs"][0]["run_key"] == "2024-05"
    assert found["decisions"][0]["makes"] == ["report"]
    assert shown(service, "sensors", "ticks", "month_end", "--status", "requested")["ticks"] == []
    assert "run.requested" not in said(service, "events", "tail", "-n", "100")


def test_a_preview_of_a_call_that_fails_prints_the_traceback_and_ends_with_1(service: Any) -> None:
    done = upwell(service, "sensors", "preview", "month_end", "--cursor", "broken")
    assert done.returncode == 1
    assert "month_end fails: ValueError: no such month" in done.stdout
    assert 'raise ValueError("no such month")' in done.stdout


def test_ticks_show_why_a_sensor_skipped(service: Any, until: Callable[..., Any]) -> None:
    until(lambda: shown(service, "sensors", "ticks", "month_end")["ticks"])
    assert "skipped  the month goes on" in said(service, "sensors", "ticks", "month_end")
    assert "asked for nothing (the month goes on)" in said(service, "explain", "report")


@pytest.mark.parametrize(("family", "name"), [("sensors", "month_end"), ("schedules", "nightly")])
def test_sensors_and_schedules_rest_over_a_restart_until_they_go_on(family: str, name: str, service: Any) -> None:
    assert f"{name} rests" in said(service, family, "pause", name)
    assert service.terminate() == 0
    service.restart()
    (listed,) = shown(service, "list", family)[family]
    assert (listed["active"], listed["next_tick"]) == (False, None)
    assert f"{name} goes on" in said(service, family, "resume", name)
    assert shown(service, "list", family)[family][0]["active"] is True


def test_a_run_that_fails_to_the_last_is_a_dead_letter_that_can_be_replayed(
    service: Any, until: Callable[..., Any]
) -> None:
    event_id = service.post("orders", {"amount": 666}).json()["event_id"]
    until(lambda: shown(service, "events", "dead")["dead_letters"])
    text = said(service, "events", "dead", "--traceback")
    assert text.startswith(f"#{event_id} ")
    assert "ValueError: an evil order" in text
    assert f"Event {event_id} went to the dead letters" in said(service, "explain", "orders")
    (service.folder / "mended").touch()
    assert said(service, "events", "replay", "--dead-letters") == "1 event will be decided on once more\n"
    until(lambda: said(service, "events", "dead") == "there are no dead letters\n")
    service.wait_for("run.succeeded")


MISTAKES = (
    (("sources", "pause", "orders"), 'Did you mean "webhook:orders"?'),
    (("sensors", "pause", "nightly"), "nightly is a schedule"),
    (("schedules", "resume", "nihtly"), 'Did you mean "nightly"?'),
    (("sensors", "preview", "month"), 'Did you mean "month_end"?'),
    (("sensors", "ticks", "nosuch"), "There is no sensor"),
    (("events", "replay", "--source", "webhook:order", "--since", "1h"), 'Did you mean "webhook:orders"?'),
    (("events", "replay", "--id", "99999"), "There is no event 99999"),
)


def test_what_is_not_there_is_wrong_usage_with_a_hint(service: Any) -> None:
    for arguments, words in MISTAKES:
        done = upwell(service, *arguments)
        assert (done.returncode, done.stdout) == (2, ""), arguments
        assert words in done.stderr
