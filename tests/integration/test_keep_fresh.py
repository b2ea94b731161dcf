"""Assets that are kept fresh by a real service, in windows of seconds."""

from __future__ import annotations

import itertools
import json
import sqlite3
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

pytestmark = pytest.mark.service

CHAIN = """
    import time
    from datetime import timedelta
    from pathlib import Path
    from upwell import AutomationCondition, FreshnessPolicy, asset

    @asset
    def raw():
        time.sleep(0.2)
        return 1

    @asset
    def stg(raw):
        time.sleep(float(Path("slow").read_text()) if Path("slow").exists() else 0.2)
        return raw

    @asset(
        freshness_policy=FreshnessPolicy.time_window(fail_window=timedelta(seconds=3)),
        automation_condition=AutomationCondition.keep_fresh(),
    )
    def mart(stg):
        return stg
"""


def journal(service: Any, *kinds: str) -> list[dict[str, Any]]:
    with sqlite3.connect(f"file:{service.home}/upwell.db?mode=ro", uri=True) as db:
        rows = db.execute("SELECT id, at, kind, body FROM events ORDER BY id").fetchall()
    return [
        {"id": id, "at": at / 1e6, "kind": kind, **json.loads(body)} for id, at, kind, body in rows if kind in kinds
    ]


def test_a_window_of_three_seconds_is_kept_by_one_run_a_window(
    serve: Callable[..., Any], until: Callable[..., Any]
) -> None:
    service = serve(CHAIN)
    until(lambda: len(journal(service, "run.succeeded")) >= 5, timeout=30)
    assert [one for one in journal(service, "freshness.changed") if one["state"] == "FAIL"] == []
    assert journal(service, "freshness.at_risk") == []
    made = [one["at"] for one in journal(service, "asset.materialized") if one["asset"] == "mart"]
    between = [later - earlier for earlier, later in itertools.pairwise(made)]
    assert all(2.0 < one < 3.0 for one in between), between
    requested = journal(service, "run.requested")
    assert {one["cause"] for one in requested} == {"automation"}
    assert [step["step"] for step in requested[-1]["plan"]] == ["raw", "stg", "mart"]


def test_what_takes_too_long_is_told_before_the_deadline_with_the_slow_hop(
    serve: Callable[..., Any], until: Callable[..., Any]
) -> None:
    service = serve(CHAIN)
    until(lambda: len(journal(service, "run.succeeded")) >= 3, timeout=30)
    (service.folder / "slow").write_text("4")
    told = service.wait_for("freshness.at_risk", timeout=20)
    assert (told["level"], told["asset"], told["slow_hop"]) == ("warning", "mart", "stg")
    assert datetime.fromisoformat(told["timestamp"]) < datetime.fromisoformat(told["deadline"])
    violated = service.wait_for("freshness.violated", timeout=20)
    assert violated["deadline"] == told["deadline"]
    (service.folder / "slow").unlink()
    service.wait_for("freshness.recovered", timeout=20)


def test_a_restart_goes_on_with_the_durations_and_demands_nothing_twice(
    serve: Callable[..., Any], until: Callable[..., Any]
) -> None:
    service = serve(CHAIN)
    until(lambda: len(journal(service, "run.succeeded")) >= 2, timeout=30)
    service.kill()
    time.sleep(0.5)
    service.restart()
    until(lambda: len(journal(service, "run.succeeded")) >= 5, timeout=30)
    demanded = [
        (one["asset"], one["deadline"]) for each in journal(service, "freshness.demanded") for one in each["demands"]
    ]
    assert len(set(demanded)) == len(demanded)
    reasons = [each["reason"] for each in journal(service, "freshness.demanded")]
    assert "not known yet" in reasons[0]
    assert not any("not known yet" in reason for reason in reasons[1:])
