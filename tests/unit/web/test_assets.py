from __future__ import annotations

from datetime import timedelta

import httpx
import pytest

from upwell.clock import FakeClock
from upwell.events import (
    AssetFailed,
    AssetMaterialized,
    AssetSkipped,
    CheckEvaluated,
    ErrorInfo,
    EventDecided,
    FreshnessChanged,
    PlannedStep,
    RunId,
    RunRequested,
)
from upwell.journal.database import StoredJournal

pytestmark = pytest.mark.anyio


async def test_the_catalogue_lists_every_asset_upstream_first(client: httpx.AsyncClient) -> None:
    assets = (await client.get("/api/v1/assets")).json()["assets"]
    keys = [asset["key"] for asset in assets]
    assert set(keys) == {"raw/orders", "customers", "fct_orders", "regions"}
    assert keys.index("raw/orders") < keys.index("fct_orders")
    by_key = {asset["key"]: asset for asset in assets}
    assert by_key["customers"]["external"]
    assert by_key["raw/orders"]["sources"] == ["webhook:orders"]
    assert by_key["raw/orders"]["freshness"] is None
    assert by_key["fct_orders"]["freshness"]["state"] == "UNKNOWN"
    assert {asset["status"] for asset in assets} == {"never"}


async def test_a_selection_narrows_the_catalogue(client: httpx.AsyncClient) -> None:
    assets = (await client.get("/api/v1/assets", params={"select": "raw/orders"})).json()["assets"]
    assert [asset["key"] for asset in assets] == ["raw/orders"]


async def test_an_asset_shows_all_that_is_known(
    client: httpx.AsyncClient, journal: StoredJournal, clock: FakeClock
) -> None:
    await journal.append(
        AssetMaterialized(asset="fct_orders", run_id=RunId("r1"), metadata={"rows": 3}, duration=1.5),
        CheckEvaluated(asset="fct_orders", check="has_rows", passed=False, blocking=True, metadata={"found": 0}),
        FreshnessChanged(
            asset="fct_orders",
            state="FAIL",
            previous_state="PASS",
            changed_at=clock.now(),
            deadline=clock.now() + timedelta(hours=1),
        ),
    )
    asset = (await client.get("/api/v1/assets/fct_orders")).json()
    assert asset["status"] == "up_to_date"
    assert asset["last_materialization"]["metadata"] == {"rows": 3}
    assert asset["last_materialization"]["run_id"] == "r1"
    assert (asset["freshness"]["state"], asset["freshness"]["deadline"]) == ("FAIL", "2024-05-01T13:00:00Z")
    assert (asset["checks_passed"], asset["checks_failed"]) == (0, 1)
    assert (asset["checks"][0]["status"], asset["checks"][0]["metadata"]) == ("failed", {"found": 0})
    assert (asset["upstream"], asset["downstream"]) == (["raw/orders", "customers"], [])
    assert (asset["file"], asset["line"], asset["location"]) == ("shop.py", 7, "shop")
    assert asset["freshness_policy"]["fail_window"] == "PT1H"


async def test_a_key_may_hold_slashes(client: httpx.AsyncClient) -> None:
    assert (await client.get("/api/v1/assets/raw/orders")).json()["downstream"] == ["fct_orders"]


async def test_partitions_are_counted_and_the_newest_shown(client: httpx.AsyncClient, journal: StoredJournal) -> None:
    error = ErrorInfo(type="E", message="m")
    await journal.append(
        AssetMaterialized(asset="regions", partition="north"),
        AssetFailed(asset="regions", partition="south", error=error),
    )
    partitions = (await client.get("/api/v1/assets/regions")).json()["partitions"]
    assert (partitions["materialized"], partitions["failed"], partitions["total"]) == (1, 1, 2)
    assert [(one["key"], one["status"]) for one in partitions["recent"]] == [
        ("south", "failed"),
        ("north", "materialized"),
    ]


async def test_a_failure_is_shown_until_the_next_success(client: httpx.AsyncClient, journal: StoredJournal) -> None:
    await journal.append(AssetFailed(asset="raw/orders", error=ErrorInfo(type="ValueError", message="bad")))
    assert (await client.get("/api/v1/assets/raw/orders")).json()["failure"]["error"]["message"] == "bad"
    await journal.append(AssetMaterialized(asset="raw/orders"))
    assert (await client.get("/api/v1/assets/raw/orders")).json()["failure"] is None


async def test_lineage_has_the_edges_between_what_is_selected(client: httpx.AsyncClient) -> None:
    whole = (await client.get("/api/v1/lineage")).json()
    assert {(edge["upstream"], edge["downstream"]) for edge in whole["edges"]} == {
        ("raw/orders", "fct_orders"),
        ("customers", "fct_orders"),
    }
    part = (await client.get("/api/v1/lineage", params={"select": "fct_orders"})).json()
    assert ([node["key"] for node in part["nodes"]], part["edges"]) == (["fct_orders"], [])


async def test_freshness_lists_assets_with_a_policy(client: httpx.AsyncClient) -> None:
    rows = (await client.get("/api/v1/freshness")).json()["freshness"]
    assert [(row["asset"], row["state"]) for row in rows] == [("fct_orders", "UNKNOWN")]


async def test_checks_are_listed_before_they_ever_ran(client: httpx.AsyncClient, journal: StoredJournal) -> None:
    (check,) = (await client.get("/api/v1/checks")).json()["checks"]
    assert (check["name"], check["status"], check["blocking"]) == ("has_rows", "never", True)
    await journal.append(CheckEvaluated(asset="fct_orders", check="has_rows", passed=True, severity="WARN"))
    (check,) = (await client.get("/api/v1/checks", params={"asset": "fct_orders"})).json()["checks"]
    assert (check["status"], check["severity"]) == ("passed", "WARN")


async def test_explain_says_why_an_asset_is_stale(client: httpx.AsyncClient, journal: StoredJournal) -> None:
    await journal.append(AssetMaterialized(asset="fct_orders"), AssetMaterialized(asset="raw/orders"))
    answer = (await client.get("/api/v1/explain", params={"asset": "fct_orders"})).json()
    assert answer["status"] == "stale"
    assert answer["stale_because"] == ["raw/orders"]
    assert answer["summary"] == "fct_orders is stale: raw/orders changed since it was made (event 1)."


async def test_explain_lists_the_decisions_newest_first(client: httpx.AsyncClient, journal: StoredJournal) -> None:
    await journal.append(
        EventDecided(
            event_ids=(1,), outcome="requested", reason="it listens to webhook:orders", assets=("raw/orders",)
        ),
        EventDecided(event_ids=(1,), outcome="ignored", reason="something else", assets=("regions",)),
        AssetSkipped(asset="raw/orders", reason="customers was never materialised"),
        AssetFailed(asset="raw/orders", error=ErrorInfo(type="ValueError", message="bad")),
    )
    answer = (await client.get("/api/v1/explain", params={"asset": "raw/orders"})).json()
    assert [(one["outcome"], one["reason"]) for one in answer["decisions"]] == [
        ("failed", "ValueError: bad"),
        ("skipped", "customers was never materialised"),
        ("requested", "it listens to webhook:orders"),
    ]
    assert answer["decisions"][2]["caused_by"] == [1]


async def test_explain_says_why_a_run_made_what_lies_downstream(
    client: httpx.AsyncClient, journal: StoredJournal
) -> None:
    plan = (
        PlannedStep(id="s1", step="raw/orders", assets=("raw/orders",)),
        PlannedStep(id="s2", step="fct_orders", assets=("fct_orders",), waits_for=("s1",), asked=False),
    )
    await journal.append(
        EventDecided(event_ids=(7,), outcome="requested", reason="r", assets=("raw/orders",), run_id=RunId("r1")),
        RunRequested(
            run_id=RunId("r1"), lane="l", plan=plan, reason="orders came", roots=("raw/orders",), event_ids=(7,)
        ),
        AssetMaterialized(asset="fct_orders", run_id=RunId("r1")),
    )
    first = (await client.get("/api/v1/explain", params={"asset": "fct_orders", "limit": 1})).json()
    assert [one["outcome"] for one in first["decisions"]] == ["materialized"]
    params = {"asset": "fct_orders", "before": first["next"]}
    (requested,) = (await client.get("/api/v1/explain", params=params)).json()["decisions"]
    assert requested["reason"] == "orders came; fct_orders is downstream of raw/orders"
    assert (requested["run_id"], requested["caused_by"]) == ("r1", [7])


@pytest.mark.parametrize(
    ("events", "summary"),
    [
        ((), "raw/orders was never materialised."),
        (
            (AssetMaterialized(asset="raw/orders"),),
            "raw/orders is up to date: nothing that it reads changed since event 1.",
        ),
        (
            (AssetFailed(asset="raw/orders", error=ErrorInfo(type="ValueError", message="bad")),),
            "raw/orders failed (event 1): ValueError: bad",
        ),
    ],
)
async def test_the_summary_is_a_sentence(
    client: httpx.AsyncClient, journal: StoredJournal, events: tuple[AssetMaterialized, ...], summary: str
) -> None:
    if events:
        await journal.append(*events)
    assert (await client.get("/api/v1/explain", params={"asset": "raw/orders"})).json()["summary"] == summary


async def test_an_asset_that_is_on_time_shows_that_its_input_is_late(
    client: httpx.AsyncClient, journal: StoredJournal, clock: FakeClock
) -> None:
    now = clock.now()
    await journal.append(
        FreshnessChanged(asset="raw/orders", state="FAIL", previous_state="PASS", changed_at=now),
        FreshnessChanged(asset="fct_orders", state="PASS", previous_state="UNKNOWN", changed_at=now),
    )
    (row,) = (await client.get("/api/v1/freshness")).json()["freshness"]
    assert (row["state"], row["cause"], row["inherited_from"]) == ("PASS", None, "raw/orders")
    assert row["inherited_since"] == "2024-05-01T12:00:00Z"
