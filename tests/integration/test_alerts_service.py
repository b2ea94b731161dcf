"""A service that is really there: one alert for one cause, over kill -9, silences by the command line, a heartbeat."""

from __future__ import annotations

import http.server
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

pytestmark = pytest.mark.service

COMPANY = """
    from datetime import timedelta
    from upwell import FreshnessPolicy, asset
    from upwell_sensors import webhook

    SOON = FreshnessPolicy.time_window(fail_window=timedelta(seconds=1), grace=timedelta(hours=1))
    SOMEWHAT_LATER = FreshnessPolicy.time_window(fail_window=timedelta(seconds=1.3), grace=timedelta(hours=1))

    @asset(on=[webhook("go", insecure=True)], freshness_policy=SOON, owners=["team:data"])
    def raw(): ...

    @asset(deps=["raw"], freshness_policy=SOMEWHAT_LATER)
    def mart(): ...

    @asset(on=[webhook("break", insecure=True)])
    def broken():
        raise RuntimeError("cannot reach postgresql://ann:hunter22@db/x with whsec_dDBwLXMzY3IzdC1jYW5hcnk=")
"""
CANARY = "whsec_dDBwLXMzY3IzdC1jYW5hcnk="


class Receiver(http.server.ThreadingHTTPServer):
    """Remembers what it is told, and answers as it is set to."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.told: list[tuple[str, str | None, Any]] = []
        self.status = 200
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def alerts(self) -> list[str]:
        """What it was told, by kind and subject; each id once."""
        by_id = {name: body for path, name, body in self.told if path.startswith("/alerts")}
        return [f"{body['type']} {body['data'].get('subject')}" for body in by_id.values()]

    def beats(self) -> int:
        return sum(path == "/ping" for path, _, _ in self.told)


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        self.server.told.append((self.path, self.headers.get("webhook-id"), json.loads(body) if body else None))
        self.send_response(self.server.status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.shutdown()


def settings_of(receiver: Receiver, **sink: Any) -> dict[str, str]:
    url = f"http://127.0.0.1:{receiver.server_port}"
    hook = {"name": "hook", "kind": "webhook", "url": f"{url}/alerts/hook", "secret": CANARY, **sink}
    return {
        "UPWELL_ALERTS__SINKS": json.dumps([hook]),
        "UPWELL_ALERTS__ALLOW_PRIVATE": "127.0.0.0/8",
        "UPWELL_HEARTBEAT__URL": f"{url}/ping",
        "UPWELL_HEARTBEAT__INTERVAL": "200ms",
    }


def lines_of(service: Any, event: str) -> list[dict[str, Any]]:
    return [line for line in service.drain_lines() if line["event"] == event]


def test_one_alert_for_one_cause_however_often_the_service_is_killed(
    serve: Callable[..., Any], receiver: Receiver, until: Callable[..., Any]
) -> None:
    receiver.status = 503
    service = serve(COMPANY, **settings_of(receiver))
    service.post("go", {})
    service.wait_for("freshness.violated", asset="raw", state="FAIL", previous_state="PASS")
    service.wait_for("incident.changed", asset="raw", affected=["mart"])
    for _ in range(2):
        service.wait_for("alert.failed", sink="hook")
        service.kill()
        service.restart()
    receiver.status = 200
    until(lambda: "incident.opened raw" in receiver.alerts())
    service.wait_for("alert.delivered", sink="hook")
    names = {name for path, name, body in receiver.told if name and body["data"]["subject"] == "raw"}
    opened = {name.rpartition(".")[0] for name in names}
    told = {one["incident"] for one in service.get("/api/v1/incidents")["incidents"] if one["subject"] == "raw"}
    assert opened <= told
    violated = [line for line in lines_of(service, "freshness.violated") if line["level"] == "error"]
    assert {line["asset"] for line in violated} == {"raw"}
    assert len({line["incident"] for line in violated}) == len(violated)


def test_a_child_that_stays_late_is_told_by_itself(serve: Callable[..., Any], receiver: Receiver) -> None:
    service = serve(COMPANY, **settings_of(receiver), UPWELL_ALERTS__CATCH_UP_GRACE="500ms")
    service.post("go", {})
    service.wait_for("incident.changed", asset="raw", affected=["mart"])
    subprocess.run([*upwell(), "alerts", "list", "--url", service.url], check=True, capture_output=True)
    report = {"type": "materialization", "asset": "raw"}
    answer = report_by(service, report)
    assert answer < 300, answer
    service.wait_for("freshness.recovered", asset="raw")
    assert service.wait_for("freshness.violated", asset="mart")["affected"] == []


def test_what_failed_is_told_without_secrets(
    serve: Callable[..., Any], receiver: Receiver, until: Callable[..., Any]
) -> None:
    service = serve(COMPANY, **settings_of(receiver))
    service.post("break", {})
    until(lambda: "incident.opened broken" in receiver.alerts())
    [alert] = [body for _, _, body in receiver.told if body and body["data"]["subject"] == "broken"]
    assert "cannot reach" in alert["data"]["error"]
    service.wait_for("alert.delivered")
    assert service.terminate() == 0
    everything = json.dumps(alert) + json.dumps(service.drain_lines())
    assert "hunter22" not in everything
    assert CANARY not in everything


def test_a_silence_by_the_command_line_keeps_it_back(
    serve: Callable[..., Any], receiver: Receiver, until: Callable[..., Any]
) -> None:
    service = serve(COMPANY, **settings_of(receiver))
    run = [*upwell(), "alerts"]
    shown = [*run, "silence", "--select", "raw", "--for", "1h", "--reason", "moving", "--url", service.url, "--json"]
    made = json.loads(subprocess.run(shown, check=True, capture_output=True, text=True).stdout)
    service.post("go", {})
    service.wait_for("incident.changed", asset="raw", change="opened", silenced="moving")
    listed = subprocess.run([*run, "list", "--url", service.url], check=True, capture_output=True, text=True).stdout
    assert "moving" in listed
    assert [one for one in receiver.alerts() if "raw" in one] == []
    over = [*run, "unsilence", made["silence"], "--url", service.url]
    assert "is over" in subprocess.run(over, check=True, capture_output=True, text=True).stdout
    until(lambda: "incident.opened raw" in receiver.alerts())


def test_the_heartbeat_ends_with_the_service(
    serve: Callable[..., Any], receiver: Receiver, until: Callable[..., Any]
) -> None:
    service = serve(COMPANY, **settings_of(receiver))
    until(lambda: receiver.beats() > 3)
    service.kill()
    beats = receiver.beats()
    threading.Event().wait(0.6)
    assert receiver.beats() <= beats + 1


def upwell() -> list[str]:
    return [str(Path(sys.executable).with_name("upwell"))]


def report_by(service: Any, report: dict[str, Any]) -> int:
    return httpx.post(f"{service.url}/api/v1/events", json=report, timeout=10).status_code
