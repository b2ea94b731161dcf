"""Partitions of several dimensions and dynamic ones, in a real service."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

pytestmark = pytest.mark.service

LANDING = """
    import upwell as up
    from upwell_sensors import files

    days = up.DailyPartitionsDefinition("2024-01-01")
    regions = up.StaticPartitionsDefinition(["eu", "us"])
    both = up.MultiPartitionsDefinition({"region": regions, "date": days})

    @up.asset(partitions_def=both, on=[files("landing/{region}/{date}.csv")])
    def sales(context):
        parts = context.partition_key.keys_by_dimension
        return parts["region"] + " " + context.partition_time_window.start.strftime("%d.%m.")

    @up.asset(partitions_def=days, ins={"sales": up.AssetIn(metadata={"allow_missing_partitions": True})})
    def daily(context, sales):
        context.add_output_metadata({"read": sales if isinstance(sales, dict) else [sales]})
        return 1

    @up.asset(partitions_def=both)
    def checked(context, sales):
        context.add_output_metadata({"read": sales})
        return 1
"""

SHOPS = """
    import upwell as up
    from upwell_sensors import webhook

    shops = up.DynamicPartitionsDefinition(name="shops")

    @up.asset(partitions_def=shops)
    def sales(context):
        return context.partition_key

    @up.asset(partitions_def=shops)
    def report(context, sales):
        context.add_output_metadata({"read": sales})
        return 1

    @up.asset
    def total(context, sales):
        context.add_output_metadata({"read": sorted(sales)})
        return 1

    @up.sensor(on=webhook("opened", insecure=True), target=[sales, report])
    def opened(context):
        keys = [event.data["shop"] for event in context.events]
        new = [key for key in keys if not context.instance.has_dynamic_partition("shops", key)]
        return up.SensorResult(
            run_requests=[up.RunRequest(partition_key=key) for key in new],
            dynamic_partitions_requests=[shops.build_add_request(new)],
        )
"""


def newest(service: Any, asset: str) -> dict[str, Any]:
    """What the asset's newest materialisation read, and of which partition it was."""
    made = service.get(f"/api/v1/assets/{asset}")["last_materialization"]
    return {"partition": made["partition"], "read": made["metadata"]["read"]["value"]}


def test_a_file_names_the_region_and_the_day_of_what_is_made(serve: Callable[..., Any]) -> None:
    service = serve(LANDING)
    for region in ("eu", "us"):
        path = service.folder / "landing" / region / "2024-01-05.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("1\n")
        assert service.wait_for("run.requested")["partition"] == f"2024-01-05|{region}"
        service.wait_for("run.succeeded")
        assert newest(service, "checked") == {"partition": f"2024-01-05|{region}", "read": f"{region} 05.01."}
    both = {"2024-01-05|eu": "eu 05.01.", "2024-01-05|us": "us 05.01."}
    assert newest(service, "daily") == {"partition": "2024-01-05", "read": both}


def test_a_sensor_opens_shops_and_each_is_made_once(serve: Callable[..., Any]) -> None:
    service = serve(SHOPS)
    for shop in ("s1", "s2"):
        service.post("opened", {"shop": shop})
        service.wait_for("run.succeeded")
        assert newest(service, "report") == {"partition": shop, "read": shop}
    service.kill()
    service.restart()
    service.post("opened", {"shop": "s1"})
    service.post("opened", {"shop": "s3"})
    assert service.wait_for("run.requested")["partition"] == "s3"
    service.wait_for("run.succeeded")
    answer = httpx.post(f"{service.url}/api/v1/partitions/shops", json={"add": ["s4"], "remove": ["s3"]})
    assert answer.json()["added"] == ["s4"]
    httpx.post(f"{service.url}/api/v1/runs", json={"select": "total"}).raise_for_status()
    failed = service.wait_for("asset.failed", asset="total")  # s4 was not made yet
    assert "partition 's4' of asset 'sales' has no stored value" in str(failed)
    httpx.post(f"{service.url}/api/v1/partitions/shops", json={"remove": ["s4"]}).raise_for_status()
    httpx.post(f"{service.url}/api/v1/runs", json={"select": "total"}).raise_for_status()
    service.wait_for("run.succeeded")
    assert newest(service, "total")["read"] == ["s1", "s2"]
