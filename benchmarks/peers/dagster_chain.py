"""Three assets in a row, for Dagster: the fastest way that it has to run them on demand.

Its executor keeps them in one process, instead of one for each as shipped.
"""

import pandas as pd
from dagster import Definitions, asset, in_process_executor


@asset
def first() -> pd.DataFrame:
    return pd.DataFrame({"order": [1], "amount": [9.5]})


@asset
def second(first: pd.DataFrame) -> pd.DataFrame:
    return first[first["amount"] > 0]


@asset
def third(second: pd.DataFrame) -> pd.DataFrame:
    return second.assign(total=second["amount"].sum())


defs = Definitions(assets=[first, second, third], executor=in_process_executor)
