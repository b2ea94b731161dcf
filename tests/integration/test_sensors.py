"""Sensors, schedules and filters end to end, in a real service: what they are called about, and what comes of it."""

from __future__ import annotations

import json
import signal
import sqlite3
import textwrap
from collections.abc import Callable
from typing import Any

import httpx
import psutil
import pytest

pytestmark = pytest.mark.service

SHOP = """
    from upwell import (
        AssetKey, DefaultSensorStatus, RunRequest, SkipReason, asset, asset_sensor, define_asset_job,
        multi_asset_sensor, run_failure_sensor, sensor,
    )
    from upwell_sensors import webhook

    @asset(on=[webhook("orders", insecure=True, filter=lambda event: event.data["n"] > 0)])
    def orders(context):
        if context.events and context.events[0].data.get("fails"):
            raise KeyError("status")
        return 1

    @asset
    def refunds(): return 1

    @asset
    def report(): return 1

    report_job = define_asset_job("report_job", selection=["report"])

    @sensor(target=[report], minimum_interval_seconds=1, default_status=DefaultSensorStatus.RUNNING)
    def counts(context):
        n = int(context.cursor or 0) + 1
        context.update_cursor(str(n))
        print("call", n)
        return RunRequest(run_key="the first") if n == 1 else SkipReason("counted on")

    @sensor(on=webhook("refunds", insecure=True), target=[refunds])
    async def on_refund(context):
        return RunRequest(run_key=str(context.events[0].data["id"]))

    @asset_sensor(asset_key=AssetKey("refunds"), job=report_job)
    def after_refunds(context, event):
        return RunRequest(run_key=f"after {event.run_id}")

    @multi_asset_sensor(monitored_assets=[AssetKey("orders"), AssetKey("refunds")], job=report_job)
    def when_both(context):
        records = context.latest_materialization_records_by_key()
        if all(records.values()):
            context.advance_all_cursors()
            return RunRequest(run_key="both")

    @run_failure_sensor
    def on_failure(context):
        print("failed:", context.failure_event.message, context.dagster_run.run_id)
"""


def journal(service: Any, *kinds: str) -> list[dict[str, Any]]:
    with sqlite3.connect(f"file:{service.home}/upwell.db?mode=ro", uri=True) as db:
        rows = db.execute("SELECT id, kind, body FROM events ORDER BY id").fetchall()
    return [{"id": id, "kind": kind, **json.loads(body)} for id, kind, body in rows if kind in kinds]


def calls_of(service: Any, sensor: str) -> list[dict[str, Any]]:
    return [call for call in journal(service, "sensor.evaluated", "sensor.failed") if call["sensor"] == sensor]


def test_a_polling_sensor_is_called_again_and_again_and_keeps_its_cursor(
    serve: Callable[..., Any], until: Callable[..., Any]
) -> None:
    service = serve(SHOP)
    run = service.wait_for("run.requested", sensor="counts")
    service.wait_for("run.succeeded", run_id=run["run_id"])
    until(lambda: len(calls_of(service, "counts")) == 2)
    service.kill()
    service.restart()
    until(lambda: len(calls_of(service, "counts")) == 4)
    calls = calls_of(service, "counts")
    assert [call["cursor"] for call in calls] == [str(n) for n in range(1, len(calls) + 1)]
    until(lambda: "[sensor counts] call 1\n" in (service.home / "logs/sensors/default.log").read_text())


def test_a_webhook_calls_a_sensor_whose_run_calls_the_sensors_that_watch_it(serve: Callable[..., Any]) -> None:
    service = serve(SHOP)
    event = service.post("refunds", {"id": 7}).json()["event_id"]
    asked = service.wait_for("run.requested", sensor="on_refund")
    service.wait_for("run.succeeded", run_id=asked["run_id"])
    service.wait_for("run.requested", sensor="after_refunds")
    [call] = calls_of(service, "on_refund")
    assert call["event_ids"] == [event] and [run["run_key"] for run in call["runs"]] == ["7"]


def test_a_filter_of_the_user_is_asked_in_a_worker(serve: Callable[..., Any], until: Callable[..., Any]) -> None:
    service = serve(SHOP)
    no, yes = (service.post("orders", {"n": n}).json()["event_id"] for n in (0, 1))
    until(lambda: len(journal(service, "filter.evaluated")) == 2)
    answers = {each["event_id"]: list(each["answers"].values()) for each in journal(service, "filter.evaluated")}
    assert answers == {no: [False], yes: [True]}
    assert service.wait_for("run.succeeded", timeout=20)["event_ids"] == [yes]


def test_a_multi_asset_sensor_sees_what_its_cursor_has_not_passed(
    serve: Callable[..., Any], until: Callable[..., Any]
) -> None:
    service = serve(SHOP)
    service.post("orders", {"n": 1})
    until(lambda: calls_of(service, "when_both"))
    service.post("refunds", {"id": 1})
    service.wait_for("run.requested", sensor="when_both")
    cursor = json.loads(calls_of(service, "when_both")[-1]["cursor"])
    made = {event["asset"]: event["id"] for event in journal(service, "asset.materialized")}
    assert {name: entry[1] for name, entry in cursor.items()} == {
        "AssetKey(['orders'])": made["orders"],
        "AssetKey(['refunds'])": made["refunds"],
    }


def test_a_run_that_fails_calls_the_sensor_that_watches_for_it(
    serve: Callable[..., Any], until: Callable[..., Any]
) -> None:
    service = serve(SHOP)
    service.post("orders", {"n": 1, "fails": True})
    failed = service.wait_for("run.failed")
    until(lambda: calls_of(service, "on_failure"))
    log = service.home / "logs/sensors/default.log"
    until(lambda: failed["run_id"] in log.read_text())


def test_a_preview_tells_what_would_be_written_and_writes_nothing(serve: Callable[..., Any]) -> None:
    service = serve(SHOP)
    service.post("refunds", {"id": 7})
    service.wait_for("sensor.evaluated", sensor="on_refund")
    answer = httpx.post(f"{service.url}/api/v1/sensors/on_refund/preview", timeout=20)
    assert answer.status_code == 200, answer.text
    [event] = answer.json()["events"]
    assert event["kind"] == "sensor.evaluated" and '"run_key": "7"' in json.dumps(event)
    assert len(calls_of(service, "on_refund")) == 1


def test_a_location_without_sensors_has_no_evaluator(serve: Callable[..., Any]) -> None:
    plain = serve("from upwell import asset\n\n@asset\ndef a(): return 1\n", UPWELL_WORKERS="1")
    with_sensor = serve(SHOP, UPWELL_WORKERS="1")
    with_sensor.wait_for("sensor.evaluated", sensor="counts")
    count = [len(psutil.Process(one.process.pid).children(recursive=True)) for one in (plain, with_sensor)]
    assert count[1] == count[0] + 1


def test_new_code_is_evaluated_after_a_reload_and_sensors_that_are_gone_are_not(
    serve: Callable[..., Any], until: Callable[..., Any]
) -> None:
    text = """
        from upwell import DefaultSensorStatus, asset, sensor

        @asset
        def unused(): return 1

        @sensor(minimum_interval_seconds=1, default_status=DefaultSensorStatus.RUNNING)
        def counts(context): context.update_cursor("{0}")

        @sensor(name="only_in_{0}", minimum_interval_seconds=1, default_status=DefaultSensorStatus.RUNNING)
        def only(context): ...
    """
    service = serve(text.format("old"))
    until(lambda: calls_of(service, "only_in_old"))
    service.file.write_text(textwrap.dedent(text.format("new")))
    service.process.send_signal(signal.SIGHUP)
    service.wait_for("location.loaded", generation=2)
    until(lambda: calls_of(service, "only_in_new") and calls_of(service, "counts")[-1]["cursor"] == "new")
    old = len(calls_of(service, "only_in_old"))
    count = len(calls_of(service, "counts"))
    until(lambda: len(calls_of(service, "counts")) > count + 1)
    assert len(calls_of(service, "only_in_old")) == old


def test_what_a_database_cannot_hold_fails_its_call_and_no_other(serve: Callable[..., Any], postgres_url: str) -> None:
    service = serve(
        """
        from upwell import DefaultSensorStatus, RunRequest, asset, sensor

        @asset
        def a(): return 1

        @sensor(minimum_interval_seconds=1, default_status=DefaultSensorStatus.RUNNING, target=[a])
        def null(context): context.update_cursor("a\\0b")

        @sensor(minimum_interval_seconds=1, default_status=DefaultSensorStatus.RUNNING, target=[a])
        def good(context): return RunRequest(run_key="one")
        """,
        UPWELL_DATABASE_URL=postgres_url,
    )
    failed = service.wait_for("sensor.failed", sensor="null")
    assert failed["error"]
    service.wait_for("run.succeeded")
