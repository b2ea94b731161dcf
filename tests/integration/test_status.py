"""`upwell status` against a real service: its exit code, and what it draws while it watches."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

pytestmark = [pytest.mark.service, pytest.mark.timeout(120)]

UPWELL = Path(sys.executable).with_name("upwell")

DEFINITIONS = """
from datetime import timedelta
from upwell import FreshnessPolicy, asset

@asset(freshness_policy=FreshnessPolicy.time_window(fail_window=timedelta(seconds=1)))
def orders(): ...

@asset(freshness_policy=FreshnessPolicy.time_window(fail_window=timedelta(hours=1)))
def customers(): ...
"""


@pytest.fixture
def service(serve: Callable[..., Any]) -> Any:
    service = serve(DEFINITIONS)
    service.wait_for("freshness.violated", asset="orders")
    return service


def environment(service: Any, **more: str) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("UPWELL_")}
    return clean | {"TZ": "UTC", "NO_COLOR": "1", "UPWELL_URL": service.url} | more


def status(service: Any, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [UPWELL, "status", *arguments]
    return subprocess.run(
        command, cwd=service.folder, env=environment(service), capture_output=True, text=True, timeout=60
    )


def test_a_late_asset_ends_it_with_1(service: Any) -> None:
    done = status(service)
    assert done.returncode == 1
    first = done.stdout.splitlines()[1].split()
    assert first[:2] == ["orders", "late"]
    assert "was never made" in done.stdout
    assert done.stdout.splitlines()[-1] == "1 late, 1 unknown"
    assert status(service, "--json").returncode == 1
    assert status(service, "customers").returncode == 0


def test_watching_draws_what_changes_until_it_is_interrupted(service: Any, until: Callable[..., Any]) -> None:
    ours, theirs = pty.openpty()
    env = environment(service, TERM="xterm", COLUMNS="100", LINES="20")
    watching = subprocess.Popen(
        [UPWELL, "status", "--watch"], cwd=service.folder, env=env, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    os.set_blocking(ours, False)
    drawn = bytearray()

    def has(words: bytes) -> bool:
        with contextlib.suppress(OSError):  # nothing yet, or the end
            drawn.extend(os.read(ours, 65536))
        return words in drawn or words in re.sub(rb"\x1b\[[\d;]*m", b"", drawn)

    until(lambda: has(b"1 late, 1 unknown"))
    assert httpx.post(f"{service.url}/api/v1/runs", json={"select": "customers"}).status_code == 202
    until(lambda: has(b"1 late, 1 fresh"))
    watching.send_signal(signal.SIGINT)
    until(lambda: has(b"\x1b[?1049l") and watching.poll() is not None)  # the screen as it was before
    assert watching.returncode == 0
    assert b"Traceback" not in drawn
