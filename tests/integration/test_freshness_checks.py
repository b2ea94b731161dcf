"""Checks of freshness in a real service: their workers have no database, and know all the same."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

pytestmark = [pytest.mark.service, pytest.mark.timeout(120)]

DEFINITIONS = """
from datetime import timedelta
from upwell import (
    DailyPartitionsDefinition, asset, build_last_update_freshness_checks, build_time_partition_freshness_checks
)

@asset(partitions_def=DailyPartitionsDefinition(start_date="2024-01-01"))
def days(): ...

@asset
def orders(): ...

by_partition = build_time_partition_freshness_checks(assets=[days], deadline_cron="0 0 * * *")
@asset
def prices(): ...

soon = build_last_update_freshness_checks(assets=[prices], lower_bound_delta=timedelta(seconds=2))
by_age = build_last_update_freshness_checks(assets=[orders], lower_bound_delta=timedelta(minutes=5))
"""


WATCHING = """
from upwell import DefaultSensorStatus, build_sensor_for_freshness_checks

watching = build_sensor_for_freshness_checks(
    freshness_checks=soon, minimum_interval_seconds=1, name="watching", default_status=DefaultSensorStatus.RUNNING
)
"""


def submit(service: Any, run: dict[str, Any]) -> None:
    answer = httpx.post(f"{service.url}/api/v1/runs", json=run)
    assert answer.status_code == 202, answer.text
    service.wait_for("run.succeeded")


def check_of(service: Any, asset: str) -> dict[str, Any]:
    (found,) = [one for one in service.get("/api/v1/checks")["checks"] if one["asset"] == asset]
    return dict(found)


def test_a_backfill_of_an_old_partition_does_not_pass_for_the_one_that_is_due(serve: Callable[..., Any]) -> None:
    service = serve(DEFINITIONS)
    for run in ({"select": "days", "partition": "2024-01-01"}, {"select": "orders"}):
        submit(service, run)
    checks = {one["asset"]: one for one in service.get("/api/v1/checks")["checks"]}
    assert (checks["days"]["status"], checks["days"]["severity"]) == ("failed", "WARN")
    assert checks["days"]["result"].endswith("is not there")
    assert checks["orders"]["status"] == "passed"
    assert "dagster/last_updated_timestamp" in checks["orders"]["metadata"]


def test_without_a_run_of_its_asset_a_check_sees_that_the_asset_is_not_made(serve: Callable[..., Any]) -> None:
    service = serve(DEFINITIONS)
    alone = {"checks": ["prices:freshness_check"]}
    submit(service, {"select": "prices"})
    assert check_of(service, "prices")["status"] == "passed"
    time.sleep(3)  # the service has the clock of this machine
    submit(service, alone)
    assert check_of(service, "prices")["status"] == "failed"
    (check,) = service.get("/api/v1/events?kind=check.evaluated&limit=1")["events"]
    assert (check["data"]["check"], check["data"]["passed"]) == ("freshness_check", False)
    submit(service, {"select": "prices"})
    assert check_of(service, "prices")["status"] == "passed"


def test_a_sensor_has_freshness_checked_while_nobody_makes_the_asset(serve: Callable[..., Any]) -> None:
    service = serve(DEFINITIONS + WATCHING)
    failed = service.wait_for("check.failed", asset="prices")
    assert failed["check"] == "freshness_check"
    run = service.get(f"/api/v1/runs/{failed['run_id']}")
    assert (run["cause"], run["sensor"], run["assets"]) == ("sensor", "watching", [])
    assert [step["checks"] for step in run["steps"]] == [["prices:freshness_check"]]
