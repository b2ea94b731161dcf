"""As many sensors as `BENCH_SENSORS` says: called about webhooks, waiting for a second, or polling each second."""

import asyncio
import os
from pathlib import Path

from upwell import DefaultSensorStatus, SkipReason, asset, sensor
from upwell_sensors import webhook

COUNT = int(os.environ["BENCH_SENSORS"])
POLLING = "BENCH_POLLING" in os.environ


@asset
def unused() -> None:
    return None


def called(number):
    names = [name for name, most in (("all", COUNT), ("hundred", 100), ("ten", 10)) if number < most]
    on = [webhook(name, insecure=True) for name in names]

    @sensor(name=f"called_{number}", on=on)
    def call(context):
        return SkipReason("nothing to do")

    return call


def waiting(number):
    @sensor(name=f"waiting_{number}", on=webhook("waiting", insecure=True))
    async def wait(context):
        await asyncio.sleep(1)

    return wait


def polling(number):
    @sensor(name=f"polling_{number}", minimum_interval_seconds=1, default_status=DefaultSensorStatus.RUNNING)
    def poll(context):
        with Path(os.environ["BENCH_CALLS"]).open("ab") as calls:
            calls.write(b".")
        return SkipReason("nothing to do")

    return poll


for number in range(COUNT):
    for kind in (polling,) if POLLING else (called, waiting):
        globals()[f"{kind.__name__}_{number}"] = kind(number)
