"""Polling sensors for Dagster; each call leaves a byte in the file `BENCH_CALLS`."""

import os
from pathlib import Path

from dagster import DefaultSensorStatus, Definitions, SkipReason, asset, sensor


@asset
def unused() -> None:
    return None


def polling(number):
    @sensor(
        name=f"polling_{number}",
        target=[unused],
        minimum_interval_seconds=1,
        default_status=DefaultSensorStatus.RUNNING,
    )
    def poll(context):
        with Path(os.environ["BENCH_CALLS"]).open("ab") as calls:
            calls.write(b".")
        return SkipReason("nothing to do")

    return poll


defs = Definitions(assets=[unused], sensors=[polling(number) for number in range(int(os.environ["BENCH_SENSORS"]))])
