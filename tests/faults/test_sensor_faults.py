"""Promises about sensors in real services: no call is lost, none counts twice, and what one does hurts no other."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import threading
import time
from collections.abc import Callable
from typing import Any

import httpx
import psutil
import pytest

pytestmark = pytest.mark.service

COUNTER = """
    import time
    from upwell import DefaultSensorStatus, asset, sensor
    from upwell_sensors import webhook

    @asset
    def unused(): return 1

    @sensor(on=webhook("orders", insecure=True))
    def counts(context):
        seen = (context.cursor or "").split()
        time.sleep(0.03)
        context.update_cursor(" ".join([*seen, *(str(event.id) for event in context.events)]))

    @sensor(on=webhook("naps", insecure=True))
    async def naps(context):
        import asyncio
        await asyncio.sleep(2)
        context.update_cursor("rested")
"""

BAD_COMPANY = """
    import asyncio, ctypes, os, time
    from upwell import DefaultSensorStatus, asset, sensor
    from upwell_sensors import webhook

    @asset
    def unused(): return 1

    def polling(function):
        options = {"minimum_interval_seconds": 1, "timeout": 1, "default_status": DefaultSensorStatus.RUNNING}
        return sensor(name=function.__name__, **options)(function)

    @polling
    def raises(context): raise KeyError("status")
    @polling
    async def sleeps(context): await asyncio.sleep(3600)
    @polling
    def sleeps_in_a_thread(context): time.sleep(3600)
    @polling
    def spins(context):
        while True: pass
    @polling
    def sleeps_in_c(context): ctypes.PyDLL(None).sleep(3600)
    @polling
    def ends_its_process(context): os._exit(7)
    @polling
    def good(context): context.update_cursor(str(int(context.cursor or 0) + 1))
    @polling
    async def good_too(context): context.update_cursor(str(int(context.cursor or 0) + 1))
"""


def journal(service: Any, *kinds: str) -> list[dict[str, Any]]:
    with sqlite3.connect(f"file:{service.home}/upwell.db?mode=ro", uri=True) as db:
        rows = db.execute("SELECT id, kind, body FROM events ORDER BY id").fetchall()
    return [{"id": id, "kind": kind, **json.loads(body)} for id, kind, body in rows if kind in kinds]


def evaluators(service: Any) -> list[psutil.Process]:
    """The workers of a service that has as many others as `UPWELL_WORKERS` says, oldest first."""
    nursery = psutil.Process(service.process.pid).children()[0]
    return sorted(nursery.children(), key=lambda one: (one.create_time(), one.pid))[1:]


def test_kill_9_of_the_service_at_random_loses_no_call_and_commits_none_twice(
    serve: Callable[..., Any], until: Callable[..., Any]
) -> None:
    chance = random.Random(20261125)
    service = serve(COUNTER)
    accepted: list[int] = []
    ended = threading.Event()

    def send() -> None:
        number = 0
        while not ended.is_set():
            try:
                key = {"Idempotency-Key": f'"{number}"'}
                answer = httpx.post(f"{service.url}/webhooks/orders", json=number, headers=key, timeout=5)
                answer.raise_for_status()
            except httpx.HTTPError:
                time.sleep(0.02)
                continue
            accepted.append(answer.json()["event_id"])
            number += 1

    sender = threading.Thread(target=send, daemon=True)
    sender.start()
    for life in range(6):
        until(lambda least=6 * (life + 1): len(accepted) >= least)
        time.sleep(chance.uniform(0.0, 0.5))
        service.kill()
        service.restart()
    ended.set()
    sender.join(10)
    until(lambda: len(journal(service, "sensor.evaluated")) == len(set(accepted)), timeout=60)
    calls = journal(service, "sensor.evaluated")
    answered = [event_id for call in calls for event_id in call["event_ids"]]
    assert len(accepted) > 30 and answered == sorted(set(accepted))
    assert calls[-1]["cursor"].split() == [str(event_id) for event_id in answered]
    assert not journal(service, "sensor.failed")


def test_kill_9_of_the_evaluator_fails_no_call(serve: Callable[..., Any], until: Callable[..., Any]) -> None:
    service = serve(COUNTER, UPWELL_WORKERS="1")
    service.post("naps", {})
    until(lambda: journal(service, "sensor.triggered"))
    time.sleep(0.5)
    for process in evaluators(service):
        os.kill(process.pid, signal.SIGKILL)
    until(lambda: journal(service, "sensor.evaluated"))
    [call] = journal(service, "sensor.evaluated", "sensor.failed")
    assert (call["kind"], call["cursor"]) == ("sensor.evaluated", "rested")
    assert "attempt" not in call


def test_a_stop_lets_calls_end_and_what_does_not_is_called_after_the_restart(
    serve: Callable[..., Any], until: Callable[..., Any]
) -> None:
    service = serve(COUNTER)
    service.post("naps", {})
    until(lambda: journal(service, "sensor.triggered"))
    assert service.terminate() == 0
    assert [call["cursor"] for call in journal(service, "sensor.evaluated")] == ["rested"]


def test_sensors_that_raise_hang_and_crash_fail_alone_and_the_good_ones_go_on(
    serve: Callable[..., Any], until: Callable[..., Any]
) -> None:
    service = serve(BAD_COMPANY)
    bad = {"raises", "sleeps", "sleeps_in_a_thread", "spins", "sleeps_in_c", "ends_its_process"}

    def failed() -> dict[str, str]:
        return {event["sensor"]: event["error"]["type"] for event in journal(service, "sensor.failed")}

    until(lambda: failed().keys() >= bad, timeout=40)
    counted = len(journal(service, "sensor.evaluated"))
    until(lambda: len(journal(service, "sensor.evaluated")) > counted + 6, timeout=30)
    assert failed() == {
        "raises": "KeyError",
        "sleeps": "Timeout",
        "sleeps_in_a_thread": "Timeout",
        "spins": "Timeout",
        "sleeps_in_c": "Timeout",
        "ends_its_process": "WorkerEnded",
    }
    for name in ("good", "good_too"):
        cursors = [event["cursor"] for event in journal(service, "sensor.evaluated") if event["sensor"] == name]
        assert cursors == [str(n) for n in range(1, len(cursors) + 1)] and len(cursors) > 3
    line = service.wait_for("sensor.failed", sensor="raises")
    assert line["error"] and "raise KeyError" in line["traceback"]


def test_a_poison_event_becomes_a_dead_letter_and_the_next_one_is_answered(
    serve: Callable[..., Any], until: Callable[..., Any]
) -> None:
    service = serve(
        """
        from upwell import asset, sensor
        from upwell_sensors import webhook

        @asset
        def unused(): return 1

        @sensor(on=webhook("orders", insecure=True))
        def reads(context): context.update_cursor(context.events[0].data["n"])
        """
    )
    poison, good = (service.post("orders", data).json()["event_id"] for data in ({}, {"n": "1"}))
    until(lambda: journal(service, "sensor.evaluated"))
    [letter] = journal(service, "event.dead_lettered")
    assert (letter["event_ids"], letter["attempts"], letter["sensor"]) == ([poison], 3, "reads")
    assert "KeyError" in letter["error"]["traceback"]
    assert [call["event_ids"] for call in journal(service, "sensor.evaluated")] == [[good]]
