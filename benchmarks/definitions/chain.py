"""Three assets in a row below a webhook, and as many assets beside them as `BENCH_BESIDE` says."""

import os

import pandas as pd

from upwell import asset
from upwell_sensors import webhook

WIDTH = 100


@asset(on=[webhook("orders", insecure=True)])
def first(context) -> pd.DataFrame:
    return pd.DataFrame([event.data for event in context.events])


@asset
def second(first: pd.DataFrame) -> pd.DataFrame:
    return first[first["amount"] > 0]


@asset
def third(second: pd.DataFrame) -> pd.DataFrame:
    return second.assign(total=second["amount"].sum())


for number in range(int(os.environ.get("BENCH_BESIDE", "0"))):

    @asset(name=f"beside_{number}", deps=[f"beside_{number - WIDTH}"] if number >= WIDTH else [])
    def beside() -> None:
        return None

    globals()[f"beside_{number}"] = beside
