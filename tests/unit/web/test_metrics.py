from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import anyio
import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from upwell.clock import FakeClock
from upwell.events import (
    AssetMaterialized,
    ErrorInfo,
    FreshnessChanged,
    PlannedStep,
    RunFailed,
    RunId,
    RunRequested,
    RunSucceeded,
    StepFailed,
    StepSucceeded,
)
from upwell.journal.database import StoredJournal
from upwell.web.app import WebApp

pytestmark = pytest.mark.anyio


async def figures(client: httpx.AsyncClient) -> dict[tuple[str, ...], float]:
    """Every sample by its name and label values."""
    answer = await client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    families = text_string_to_metric_families(answer.text)
    return {
        (one.name, *map(one.labels.__getitem__, sorted(one.labels, reverse=True))): one.value
        for family in families
        for one in family.samples
    }


@pytest.fixture
async def followed(
    make_app: Callable[..., WebApp], browse: Callable[..., httpx.AsyncClient]
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an application that follows the journal."""
    app = make_app()
    async with anyio.create_task_group() as tasks, browse(app) as client:
        await tasks.start(app.run)
        yield client
        tasks.cancel_scope.cancel()


async def test_deliveries_are_counted_by_what_became_of_them(client: httpx.AsyncClient) -> None:
    for key in ("a", "a", "b"):
        await client.post("/webhooks/orders", json={}, headers={"idempotency-key": key})
    await client.post("/webhooks/orders", content=b"{")
    for name in ("guess1", "guess2"):
        await client.post(f"/webhooks/{name}", json={})
    found = await figures(client)
    assert found["upwell_webhooks_total", "webhook:orders", "accepted"] == 2
    assert found["upwell_webhooks_total", "webhook:orders", "duplicate"] == 1
    assert found["upwell_webhooks_total", "webhook:orders", "400"] == 1
    assert found["upwell_webhooks_total", "unknown", "404"] == 2


async def test_what_the_journal_says_is_counted(
    followed: httpx.AsyncClient, journal: StoredJournal, clock: FakeClock
) -> None:
    run, error = RunId("r1"), ErrorInfo(type="E", message="m")
    plan = (PlannedStep(id="s1", step="raw/orders", assets=("raw/orders",)),)
    await journal.append(
        RunRequested(run_id=RunId("r0"), lane="raw/orders", plan=plan, reason="asked"),
        StepSucceeded(run_id=run, step_id="s1", attempt=1, duration=1.0),
        StepFailed(run_id=run, step_id="s2", attempt=1, duration=1.0, error=error),
        AssetMaterialized(asset="raw/orders"),
        AssetMaterialized(asset="raw/orders"),
        RunSucceeded(run_id=run, duration=2.0),
        RunFailed(run_id=run, reason="r", duration=2.0),
        FreshnessChanged(asset="fct_orders", state="FAIL", previous_state="PASS", changed_at=clock.now()),
    )
    await anyio.wait_all_tasks_blocked()
    found = await figures(followed)
    assert found["upwell_events_total", "asset.materialized"] == 2
    assert found["upwell_materializations_total", "raw/orders"] == 2
    assert found["upwell_runs_ended_total", "SUCCESS"] == 1
    assert found["upwell_runs_ended_total", "FAILURE"] == 1
    assert found["upwell_run_seconds_count",] == 2
    assert found["upwell_step_attempts_total", "failed"] == 1
    assert found["upwell_assets_by_freshness", "FAIL"] == 1
    assert found["upwell_assets_by_freshness", "PASS"] == 0
    assert found["upwell_runs_open", "QUEUED"] == 1
    assert found["upwell_journal_head",] == 8
    assert not [name for name, *_ in found if name.endswith("_created")]
    assert found["upwell_event_loop_lag_seconds",] >= 0
