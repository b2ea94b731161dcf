"""What one broken thing costs: itself, and nothing else."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

pytestmark = pytest.mark.service

TWO = """
    import os, time
    from upwell import asset
    from upwell_sensors import webhook

    @asset(on=[webhook("good", insecure=True)])
    def good() -> int:
        return 1

    @asset(on=[webhook("bad", insecure=True)], timeout=1)
    def bad(context) -> int:
        exec(context.events[0].data["do"])
        return 1
"""


@pytest.mark.parametrize(
    ("deed", "told"),
    [
        ("raise KeyError('status')", "KeyError"),
        ("os._exit(3)", "3"),
        ("os.kill(os.getpid(), 9)", "9"),
        ("time.sleep(60)", "imeout"),
        ("while True: pass", "imeout"),
    ],
)
def test_a_step_that_breaks_fails_with_its_reason_and_hurts_nobody(
    serve: Callable[..., Any], deed: str, told: str
) -> None:
    service = serve(TWO)
    service.post("bad", {"do": deed})
    failed = service.wait_for("asset.failed", asset="bad")
    assert told in str(failed)
    service.wait_for("run.failed")
    service.post("good", {})
    service.wait_for("asset.materialized", asset="good")


def test_a_broken_deploy_keeps_the_old_code_running_and_says_why(serve: Callable[..., Any]) -> None:
    service = serve(TWO)
    working = service.file.read_text()
    service.file.write_text(working + "\ndef broken(:\n")
    os.kill(service.process.pid, signal.SIGHUP)
    failed = service.wait_for("location.failed")
    assert "SyntaxError" in str(failed)
    assert "definitions.py" in str(failed)
    service.post("good", {})
    service.wait_for("asset.materialized", asset="good")
    service.file.write_text(working.replace("def good() -> int", "def better() -> int"))
    os.kill(service.process.pid, signal.SIGHUP)
    service.wait_for("location.loaded")
    service.post("good", {})
    service.wait_for("asset.materialized", asset="better")


def test_new_code_can_be_asked_for_over_the_api(serve: Callable[..., Any]) -> None:
    service = serve(TWO)
    service.file.write_text(service.file.read_text().replace("def good() -> int", "def better() -> int"))
    location = service.get("/api/v1/locations")["locations"][0]["location"]
    assert httpx.post(f"{service.url}/api/v1/locations/{location}/reload").status_code == 202
    service.wait_for("location.loaded")
    assert httpx.get(f"{service.url}/api/v1/assets/better").status_code == 200


def test_a_locked_database_answers_503_and_recovers_by_itself(
    serve: Callable[..., Any], until: Callable[..., Any]
) -> None:
    service = serve(TWO)
    locker = sqlite3.connect(service.home / "upwell.db", isolation_level=None)
    locker.execute("BEGIN IMMEDIATE")
    refused = service.post("good", {})
    assert refused.status_code == 503
    assert int(refused.headers["Retry-After"]) >= 1
    assert httpx.get(f"{service.url}/readyz", timeout=10).status_code == 503
    locker.execute("ROLLBACK")
    locker.close()
    until(lambda: service.post("good", {}).status_code == 202)
    service.wait_for("asset.materialized", asset="good")
    until(lambda: httpx.get(f"{service.url}/readyz", timeout=10).status_code == 200)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own that a test can fill."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", folder], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("only root can mount a small disk")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_a_full_disk_answers_503_loses_nothing_and_recovers_by_itself(
    serve: Callable[..., Any], until: Callable[..., Any], small_disk: Path
) -> None:
    service = serve(TWO, UPWELL_HOME=str(small_disk / "home"))
    accepted = [service.post("good", {"n": 0}).json()["event_id"]]
    service.wait_for("asset.materialized", asset="good")
    filler = small_disk / "filler"
    with filler.open("wb") as file:
        left = shutil.disk_usage(small_disk).free
        file.write(b"\0" * (left - left % 4096))

    def refused() -> bool:
        answer = service.post("good", {"pad": "x" * 200_000})
        if answer.status_code == 202:
            accepted.append(answer.json()["event_id"])
        return answer.status_code == 503 and "Retry-After" in answer.headers

    until(refused)
    assert httpx.get(f"{service.url}/readyz", timeout=10).status_code == 503
    filler.unlink()
    until(lambda: service.post("good", {"n": 2}).status_code == 202)
    until(lambda: httpx.get(f"{service.url}/readyz", timeout=10).status_code == 200)
    stored = {item["id"] for item in service.get("/api/v1/events?kind=webhook.accepted&limit=100")["events"]}
    assert set(accepted) <= stored


def test_a_second_service_on_the_same_home_refuses_to_start(serve: Callable[..., Any]) -> None:
    first = serve(TWO)
    second = serve(TWO, ready=False, UPWELL_HOME=str(first.home))
    assert second.process.wait(20) == 3
    assert str(first.process.pid) in second.tail() + str(second.drain_lines())
