"""The same orders, made fresh by a webhook: the only difference is `on=`.

    upwell dev -f examples/quickstart/on_webhook.py
    curl -X POST localhost:8600/webhooks/orders -H 'content-type: application/json' \\
        -d '[{"order": 1005, "status": "completed", "amount": 12.00}]'
"""

import pandas as pd

from upwell import AssetCheckResult, asset, asset_check
from upwell_sensors import webhook


@asset(compute_kind="python", group_name="raw", on=[webhook("orders", insecure=True)])
def raw_orders(context) -> pd.DataFrame:
    """The orders of the deliveries that this run answers."""
    df = pd.DataFrame([order for event in context.events for order in event.data])
    context.add_output_metadata({"num_rows": len(df)})
    return df


@asset(compute_kind="sql", group_name="marts", deps=[raw_orders])
def fct_orders(raw_orders: pd.DataFrame) -> pd.DataFrame:
    """The orders that were completed."""
    return raw_orders[raw_orders["status"] == "completed"].copy()


@asset_check(asset=fct_orders)
def fct_orders_row_count(fct_orders: pd.DataFrame) -> AssetCheckResult:
    """At least one order was completed."""
    row_count = len(fct_orders)
    return AssetCheckResult(passed=row_count > 0, metadata={"row_count": row_count})
