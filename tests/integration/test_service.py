"""Webhook to fresh, in real processes: the main job."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

pytestmark = pytest.mark.service

CHAIN = """
    import pandas as pd
    from upwell import asset
    from upwell_sensors import webhook

    @asset(on=[webhook("orders", insecure=True)])
    def raw_orders(context) -> pd.DataFrame:
        return pd.DataFrame([event.data for event in context.events])

    @asset
    def clean_orders(raw_orders: pd.DataFrame) -> pd.DataFrame:
        return raw_orders[raw_orders["status"] == "completed"]

    @asset
    async def order_total(context, clean_orders: pd.DataFrame) -> float:
        total = float(clean_orders["amount"].sum())
        context.add_output_metadata({"total": total})
        return total
"""


def test_a_webhook_makes_an_asset_and_everything_downstream_fresh(serve: Callable[..., Any]) -> None:
    service = serve(CHAIN)
    answer = service.post("orders", {"status": "completed", "amount": 12.5})
    assert answer.status_code == 202
    succeeded = service.wait_for("run.succeeded")
    assert succeeded["event_ids"] == [answer.json()["event_id"]]
    made = [line["asset"] for line in service.lines if line["event"] == "asset.materialized"]
    assert made == ["raw_orders", "clean_orders", "order_total"]
    assert service.get("/api/v1/assets/order_total")["last_materialization"]["metadata"]["total"]["value"] == 12.5


def test_the_same_service_keeps_its_journal_in_postgresql(serve: Callable[..., Any], postgres_url: str) -> None:
    service = serve(CHAIN, UPWELL_DATABASE_URL=postgres_url)
    service.post("orders", {"status": "completed", "amount": 4})
    service.wait_for("run.succeeded")
    service.kill()
    service.restart()
    assert service.get("/api/v1/assets/order_total")["last_materialization"]["metadata"]["total"]["value"] == 4
    assert service.post("orders", {"status": "completed", "amount": 5}).status_code == 202
    service.wait_for("run.succeeded")


def test_the_same_delivery_twice_is_one_event(serve: Callable[..., Any]) -> None:
    service = serve(CHAIN)
    first = service.post("orders", {"status": "completed", "amount": 1}, **{"Idempotency-Key": '"a"'})
    again = service.post("orders", {"status": "completed", "amount": 1}, **{"Idempotency-Key": '"a"'})
    assert (first.status_code, again.status_code) == (202, 200)
    assert again.json() == {"event_id": first.json()["event_id"], "duplicate": True}


def test_an_unknown_webhook_is_not_found(serve: Callable[..., Any]) -> None:
    assert serve(CHAIN).post("nobody", {}).status_code == 404


def test_a_run_can_be_asked_for_by_name(serve: Callable[..., Any]) -> None:
    service = serve(CHAIN)
    service.post("orders", {"status": "completed", "amount": 3})
    service.wait_for("run.succeeded")
    answer = httpx.post(f"{service.url}/api/v1/runs", json={"select": "clean_orders", "downstream": True})
    assert answer.status_code == 202
    ended = service.wait_for("run.succeeded", run_id=answer.json()["run_id"])
    assert "event_ids" not in ended
    run = service.get(f"/api/v1/runs/{answer.json()['run_id']}")
    assert {step["id"]: step["status"] for step in run["steps"]} == {
        "clean_orders": "SUCCESS",
        "order_total": "SUCCESS",
    }


def test_events_during_a_run_are_answered_together_by_the_one_that_follows(
    serve: Callable[..., Any], until: Callable[..., Any]
) -> None:
    service = serve(
        """
        import pathlib, time
        from upwell import asset
        from upwell_sensors import webhook

        @asset(on=[webhook("slow", insecure=True)])
        def slow(context) -> int:
            while not pathlib.Path("open").exists():
                time.sleep(0.01)
            return len(context.events)
        """
    )
    ids = [service.post("slow", 0).json()["event_id"]]
    service.wait_for("run.started")
    ids += [service.post("slow", n).json()["event_id"] for n in range(4)]
    until(lambda: service.get("/api/v1/runs")["runs"][0]["event_ids"] == ids[1:])
    (service.folder / "open").touch()
    first, second = service.wait_for("run.succeeded"), service.wait_for("run.succeeded")
    assert (first["event_ids"], second["event_ids"]) == (ids[:1], ids[1:])


def test_readiness_proves_that_events_are_decided(serve: Callable[..., Any]) -> None:
    service = serve(CHAIN)
    assert httpx.get(f"{service.url}/readyz").status_code == 200
    assert httpx.get(f"{service.url}/healthz").status_code == 200
