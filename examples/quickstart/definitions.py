"""The four definitions of "Dagster: Asset-Oriented Data Orchestration for Analytics Teams", as printed there.

Only the import lines differ. `upwell materialize -f examples/quickstart/definitions.py` runs them.
"""

import pandas as pd

from upwell import AssetCheckResult, DailyPartitionsDefinition, asset, asset_check


def extract_from_api() -> pd.DataFrame:
    """Stands in for the shop's API."""
    return pd.DataFrame(
        {
            "order": [1001, 1002, 1003, 1004],
            "status": ["completed", "open", "completed", "cancelled"],
            "amount": [19.90, 5.00, 42.50, 7.25],
        }
    )


@asset(compute_kind="python", group_name="raw")
def raw_orders(context) -> pd.DataFrame:
    # Extract from source API
    df = extract_from_api()
    context.add_output_metadata({"num_rows": len(df)})
    return df


@asset(compute_kind="sql", group_name="marts", deps=[raw_orders])
def fct_orders(raw_orders: pd.DataFrame) -> pd.DataFrame:
    # Transform raw orders into fact table
    return raw_orders[raw_orders["status"] == "completed"].copy()


@asset_check(asset=fct_orders)
def fct_orders_row_count(fct_orders: pd.DataFrame) -> AssetCheckResult:
    row_count = len(fct_orders)
    return AssetCheckResult(
        passed=row_count > 0,
        metadata={"row_count": row_count}
    )


@asset(partitions_def=DailyPartitionsDefinition(start_date="2024-01-01"))
def daily_sales_summary(context):
    partition_date = context.partition_key
    # Process data for partition_date
    pass
