"""What Prometheus is told of each asset's freshness, and that alerts and dashboard ask for nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from upwell.clock import FakeClock
from upwell.definitions.freshness.model import FreshnessPolicy
from upwell.definitions.project import Project
from upwell.definitions.snapshot import AssetNode, Snapshot
from upwell.durations import format_duration
from upwell.events import AssetMaterialized, FreshnessAtRisk, FreshnessChanged, FreshnessState
from upwell.journal.database import StoredJournal
from upwell.web import freshness_metrics
from upwell.web.app import WebApp

pytestmark = pytest.mark.anyio

CONFIG = Path(__file__).parents[3] / "config"
HOUR = timedelta(hours=1)
SUFFIXES = {"counter": ["_total"], "histogram": ["_bucket", "_count", "_sum"]}


def changed(
    clock: FakeClock, state: FreshnessState, ago: timedelta, asset: str = "fct_orders", first: bool = False, **more: Any
) -> Any:
    previous: FreshnessState = "NOT_APPLICABLE" if first else "FAIL" if state == "PASS" else "PASS"
    return FreshnessChanged(asset=asset, state=state, previous_state=previous, changed_at=clock.now() - ago, **more)


@pytest.fixture
async def follow(make_app: Callable[..., WebApp], browse: Callable[..., Any]) -> AsyncIterator[Callable[..., Any]]:
    """Starts an application that follows the journal; answers a client of it."""
    async with anyio.create_task_group() as tasks:

        async def start() -> httpx.AsyncClient:
            app = make_app()
            await tasks.start(app.run)
            client: httpx.AsyncClient = browse(app)
            return client

        yield start
        tasks.cancel_scope.cancel()


async def figures(client: httpx.AsyncClient, asset: str = "fct_orders") -> dict[str, float]:
    await anyio.wait_all_tasks_blocked()
    text = (await client.get("/metrics")).text
    return {
        one.name.removeprefix("upwell_freshness_") + one.labels.get("window", ""): one.value
        for family in text_string_to_metric_families(text)
        for one in family.samples
        if one.labels.get("asset") == asset and family.name.startswith("upwell_freshness")
    }


async def test_a_late_asset_is_told_with_how_late_it_is_and_how_fresh_it_was(
    follow: Callable[..., Any], journal: StoredJournal, clock: FakeClock
) -> None:
    client = await follow()
    await journal.append(changed(clock, "PASS", 100 * HOUR, first=True), changed(clock, "FAIL", HOUR / 2))
    found = await figures(client)
    assert (found["state"], found["late_seconds"], found["at_risk"]) == (2, 1800, 0)
    assert (found["ratio1h"], found["ratio6h"]) == pytest.approx((0.5, 5.5 / 6))
    await clock.advance(1800)
    assert (await figures(client))["late_seconds"] == 3600


async def test_figures_are_the_same_after_a_restart(
    follow: Callable[..., Any], journal: StoredJournal, clock: FakeClock
) -> None:
    first = await follow()
    deadline = clock.now() + HOUR
    risk = FreshnessAtRisk(asset="fct_orders", deadline=deadline, expected_at=deadline, slow_hop="x", reason="slow")
    await journal.append(changed(clock, "FAIL", 2 * HOUR, first=True), changed(clock, "PASS", HOUR), risk)
    found = await figures(first)
    assert found["at_risk"] == 1
    assert found == await figures(await follow())


async def test_what_was_made_is_not_at_risk_any_more(
    follow: Callable[..., Any], journal: StoredJournal, clock: FakeClock
) -> None:
    client = await follow()
    deadline = clock.now() + HOUR
    risk = FreshnessAtRisk(asset="fct_orders", deadline=deadline, expected_at=deadline, slow_hop="x", reason="slow")
    await journal.append(changed(clock, "PASS", HOUR), risk, AssetMaterialized(asset="fct_orders"))
    assert (await figures(client))["at_risk"] == 0
    assert (await figures(await follow()))["at_risk"] == 0


async def test_an_asset_without_a_policy_has_no_figures(
    follow: Callable[..., Any], journal: StoredJournal, clock: FakeClock
) -> None:
    client = await follow()
    await journal.append(changed(clock, "FAIL", HOUR, asset="regions"))
    assert await figures(client, "regions") == {}


async def test_of_very_many_assets_only_those_in_trouble_are_told_one_by_one(
    follow: Callable[..., Any],
    journal: StoredJournal,
    clock: FakeClock,
    project: Project,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(freshness_metrics, "MOST_ASSETS", 3)
    policy = FreshnessPolicy.time_window(HOUR)
    assets = tuple(AssetNode(key=f"a{n}", step=None, freshness=policy) for n in range(5))
    project.replace(Snapshot(location="many", assets=assets))
    client = await follow()
    await journal.append(
        *(
            changed(
                clock,
                "PASS",
                2 * HOUR,
                asset=f"a{n}",
            )
            for n in range(5)
        )
    )
    clock.jump(clock.now() + timedelta(days=31))
    await journal.append(changed(clock, "FAIL", HOUR, asset="a3"))
    assert await figures(client, "a3")
    assert not await figures(client, "a1")
    assert "upwell_freshness_untold_assets 4.0" in (await client.get("/metrics")).text


def expressions() -> list[str]:
    rules = yaml.safe_load((CONFIG / "prometheus-rules.yml").read_text())
    dashboard = json.loads((CONFIG / "grafana-dashboard.json").read_text())
    return [
        *(rule["expr"] for group in rules["groups"] for rule in group["rules"]),
        *(target["expr"] for panel in dashboard["panels"] for target in panel["targets"]),
    ]


async def test_alerts_and_dashboard_ask_only_for_what_there_is(follow: Callable[..., Any]) -> None:
    families = list(text_string_to_metric_families((await (await follow()).get("/metrics")).text))
    known = {f"{family.name}{suffix}" for family in families for suffix in SUFFIXES.get(family.type, [""])}
    asked = {name for expression in expressions() for name in re.findall(r"upwell_\w+", expression)}
    assert len(asked) > 8
    assert asked <= known
    windows = {window for expression in expressions() for window in re.findall(r'window="(\w+)"', expression)}
    assert windows <= {format_duration(window) for window in freshness_metrics.WINDOWS}


async def test_every_alert_says_what_is_wrong_and_how_bad_it_is() -> None:
    groups = yaml.safe_load((CONFIG / "prometheus-rules.yml").read_text())["groups"]
    for rule in (rule for group in groups for rule in group["rules"]):
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert set(rule["annotations"]) == {"summary", "description"}
