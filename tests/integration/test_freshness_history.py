"""How fresh assets were, as a real service tells it: by its API, and to Prometheus."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

pytestmark = [pytest.mark.service, pytest.mark.timeout(120)]

DEFINITIONS = """
from datetime import timedelta
from upwell import FreshnessPolicy, asset

SOON = FreshnessPolicy.time_window(fail_window=timedelta(seconds=1))

@asset(freshness_policy=SOON)
def orders(): ...

@asset(freshness_policy=SOON)
def in_maintenance(): ...
"""
ALWAYS = {"select": "in_maintenance", "cron": "* * * * *", "duration": "2m"}


def test_late_time_is_told_and_declared_maintenance_is_left_out(
    serve: Callable[..., Any], until: Callable[..., Any]
) -> None:
    service = serve(DEFINITIONS, UPWELL_ALERTS__MAINTENANCE=json.dumps([ALWAYS]))
    service.wait_for("freshness.violated")
    until(lambda: service.get("/api/v1/freshness/in_maintenance/history")["state"] == "FAIL")
    orders, excluded = (service.get(f"/api/v1/freshness/{key}/history") for key in ("orders", "in_maintenance"))
    assert orders["percent_fresh"] == 0
    assert orders["seconds"]["late"] > 0
    assert [one["state"] for one in orders["transitions"]] == ["FAIL", "UNKNOWN"]
    assert sum(orders["seconds"].values()) == pytest.approx(30 * 86400)
    assert (excluded["percent_fresh"], excluded["seconds"]["late"]) == (None, 0)
    figures = httpx.get(f"{service.url}/metrics").text
    assert 'upwell_freshness_state{asset="orders"} 2.0' in figures
    assert 'upwell_freshness_ratio{asset="orders",window="1h"} 0.0' in figures
