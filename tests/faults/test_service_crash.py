"""Promises about the whole service, in real processes: nothing accepted is lost, nothing is decided twice."""

from __future__ import annotations

import json
import random
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

pytestmark = pytest.mark.service

CHAIN = """
    import time
    from upwell import asset
    from upwell_sensors import webhook

    @asset(on=[webhook("orders", insecure=True)])
    def raw(context) -> list:
        return [event.data["n"] for event in context.events]

    @asset
    def middle(raw: list) -> int:
        time.sleep(0.01)
        return len(raw)

    @asset
    def last(middle: int) -> int:
        return middle + 1
"""


class Sender(threading.Thread):
    """Posts numbered deliveries, each again and again until it is acknowledged, as real senders do."""

    def __init__(self, address: Callable[[], str], lane: int) -> None:
        super().__init__(daemon=True)
        self.address, self.lane = address, lane
        self.acknowledged: dict[str, int] = {}
        self.stopping = threading.Event()

    def run(self) -> None:
        n = 0
        while not self.stopping.is_set():
            key = f"{self.lane}-{n}"
            try:
                answer = httpx.post(
                    f"{self.address()}/webhooks/orders",
                    json={"n": n},
                    headers={"Idempotency-Key": f'"{key}"'},
                    timeout=5,
                )
            except httpx.HTTPError:
                time.sleep(0.02)
                continue
            if answer.status_code in (200, 202):
                self.acknowledged[key] = answer.json()["event_id"]
                n += 1
            else:
                assert answer.status_code == 503, answer.text
                time.sleep(0.02)


@contextmanager
def sending(address: Callable[[], str], lanes: int = 4) -> Iterator[list[Sender]]:
    senders = [Sender(address, lane) for lane in range(lanes)]
    for sender in senders:
        sender.start()
    yield senders
    for sender in senders:
        sender.stopping.set()
    for sender in senders:
        sender.join(10)


def journal(home: Path) -> list[tuple[int, str, dict[str, Any]]]:
    with sqlite3.connect(f"file:{home}/upwell.db?mode=ro", uri=True) as db:
        rows = db.execute("SELECT id, kind, body FROM events ORDER BY id").fetchall()
    return [(id, kind, json.loads(body)) for id, kind, body in rows]


def acknowledged(senders: list[Sender]) -> dict[str, int]:
    return {key: id for sender in senders for key, id in sender.acknowledged.items()}


def queued_or_started(service: Any) -> list[Any]:
    runs = service.get("/api/v1/runs?limit=200")["runs"]
    return [run for run in runs if run["status"] in ("QUEUED", "STARTED")]


def assert_promises_hold(home: Path, senders: list[Sender]) -> None:
    events = journal(home)
    assert [id for id, _, _ in events] == list(range(1, len(events) + 1)), "the journal has gaps"

    stored = {body["delivery_id"]: id for id, kind, body in events if kind == "webhook.accepted"}
    lost = {key: id for key, id in acknowledged(senders).items() if stored.get(key) != id}
    assert not lost, "acknowledged, but not stored"
    assert len(stored) == len([1 for _, kind, _ in events if kind == "webhook.accepted"]), "stored twice"

    decided = Counter(id for _, kind, body in events if kind == "event.decided" for id in body["event_ids"])
    assert {decided[id] for id in stored.values()} == {1}, "each event is decided exactly once"

    answered = Counter(id for _, kind, body in events if kind == "run.succeeded" for id in body.get("event_ids", ()))
    assert {answered[id] for id in stored.values()} == {1}, "each event is answered by exactly one run"

    finished: set[tuple[str, str]] = set()
    for _, kind, body in events:
        if kind == "step.started":
            assert (body["run_id"], body["step_id"]) not in finished, "a finished step was repeated"
        elif kind == "step.succeeded":
            finished.add((body["run_id"], body["step_id"]))


def test_kill_9_at_random_loses_nothing_and_decides_nothing_twice(
    serve: Callable[..., Any], until: Callable[..., Any]
) -> None:
    chance = random.Random(20261123)
    service = serve(CHAIN)
    with sending(lambda: service.url) as senders:
        for _ in range(8):
            time.sleep(chance.uniform(0.05, 1.2))
            service.kill()
            service.restart()
        time.sleep(0.5)
    until(lambda: not queued_or_started(service), timeout=30)
    assert len(acknowledged(senders)) > 50
    assert_promises_hold(service.home, senders)


def test_sigterm_under_load_keeps_what_was_accepted_and_exits_0(
    serve: Callable[..., Any], until: Callable[..., Any]
) -> None:
    service = serve(CHAIN)
    with sending(lambda: service.url) as senders:
        until(lambda: len(acknowledged(senders)) > 50)
        assert service.terminate() == 0
        service.restart()
        before = len(acknowledged(senders))
        until(lambda: len(acknowledged(senders)) > before + 20)
    until(lambda: not queued_or_started(service))
    assert_promises_hold(service.home, senders)


def test_no_process_outlives_a_killed_service(serve: Callable[..., Any], until: Callable[..., Any]) -> None:
    service = serve(CHAIN)
    children = service.tree()[1:]
    assert len(children) >= 2
    service.kill()
    until(lambda: not any(child.is_running() and child.status() != psutil.STATUS_ZOMBIE for child in children), 5)


def test_no_process_outlives_a_stopped_service(serve: Callable[..., Any], until: Callable[..., Any]) -> None:
    service = serve(CHAIN)
    children = service.tree()[1:]
    assert service.terminate() == 0
    until(lambda: not any(child.is_running() and child.status() != psutil.STATUS_ZOMBIE for child in children), 5)


def test_a_run_cut_off_by_kill_9_is_resumed_without_repeating_finished_steps(
    serve: Callable[..., Any], until: Callable[..., Any]
) -> None:
    service = serve(
        """
        import pathlib, time
        from upwell import asset
        from upwell_sensors import webhook

        def note(what):
            with open("notes.txt", "a") as notes:
                notes.write(what + "\\n")

        @asset(on=[webhook("go", insecure=True)])
        def first() -> int:
            note("first")
            return 1

        @asset
        def second(first: int) -> int:
            note("second")
            if not pathlib.Path("open").exists():
                time.sleep(60)
            return first + 1
        """
    )
    service.post("go", {})
    service.wait_for("asset.materialized", asset="first")
    while "second" not in (service.folder / "notes.txt").read_text():
        time.sleep(0.01)
    service.kill()
    (service.folder / "open").touch()
    service.restart()
    until(lambda: service.get("/api/v1/runs")["runs"][0]["status"] == "SUCCESS")
    assert (service.folder / "notes.txt").read_text().split() == ["first", "second", "second"]
