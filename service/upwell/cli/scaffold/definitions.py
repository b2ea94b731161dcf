"""Orders that become fresh when they arrive.

    upwell dev

starts the service on this file; then drop a CSV into landing/, or post one order:

    curl -X POST localhost:8600/webhooks/orders -H 'content-type: application/json' \
        -d '{"order": 1005, "day": "2024-05-02", "status": "completed", "amount": 12.00}'
"""

from datetime import timedelta
from pathlib import Path

import pandas as pd

from upwell import AssetCheckResult, AssetExecutionContext, FreshnessPolicy, asset, asset_check
from upwell_sensors import files, webhook


# In earnest, a webhook proves who sends it: webhook("orders", scheme="standard", secret=EnvVar("ORDERS_SECRET")).
@asset(group_name="raw", on=[files("landing/orders-*.csv"), webhook("orders", insecure=True)])
def raw_orders(context: AssetExecutionContext) -> pd.DataFrame:
    """The orders that just arrived; those of all files when somebody asks by hand."""
    arrived = [pd.read_csv(event.path) if event.path else pd.DataFrame([event.data]) for event in context.events]
    frame = pd.concat(arrived or [pd.read_csv(path) for path in sorted(Path("landing").glob("orders-*.csv"))])
    context.add_output_metadata({"num_rows": len(frame)})
    return frame


@asset(group_name="marts")
def fct_orders(raw_orders: pd.DataFrame) -> pd.DataFrame:
    """The orders that were completed."""
    return raw_orders[raw_orders["status"] == "completed"]


@asset(group_name="marts", freshness_policy=FreshnessPolicy.time_window(fail_window=timedelta(hours=1)))
def daily_sales(fct_orders: pd.DataFrame) -> pd.DataFrame:
    """Sales a day; it should never be older than an hour."""
    return fct_orders.groupby("day")["amount"].sum().reset_index()


@asset_check(asset=fct_orders)
def amounts_are_positive(fct_orders: pd.DataFrame) -> AssetCheckResult:
    """Nobody is paid for buying."""
    return AssetCheckResult(passed=bool((fct_orders["amount"] > 0).all()))
