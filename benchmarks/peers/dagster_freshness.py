"""Dagster's freshness daemon over `BENCH_ASSETS` policies; prints what an evaluation of all takes, as JSON.

With `BENCH_BREACHES=1` it runs on, every 30 seconds as the daemon does, while one policy after the other is broken, and
also prints for each how long after its deadline that was on disk.
"""

import asyncio
import json
import logging
import os
import tempfile
import time
from datetime import timedelta

from dagster import AssetMaterialization, AssetSpec, DagsterInstance, Definitions, FreshnessPolicy
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import PythonFileTarget
from dagster._daemon.freshness import FreshnessDaemon

COUNT = int(os.environ["BENCH_ASSETS"])
BREACHES = os.environ.get("BENCH_BREACHES") == "1"
SHORTEST, SPREAD = 75, 60  # seconds; a minute is the least that Dagster takes
INTERVAL = 30


def window(number: int) -> timedelta:
    """How long after its materialisation the policy of an asset is broken."""
    return timedelta(seconds=SHORTEST + number % SPREAD) if BREACHES else timedelta(days=1)


defs = Definitions(
    assets=[
        AssetSpec(f"asset_{number}", freshness_policy=FreshnessPolicy.time_window(fail_window=window(number)))
        for number in range(COUNT)
    ]
)


def evaluate(context: WorkspaceProcessContext) -> None:
    """What the daemon does each time."""
    asyncio.run(FreshnessDaemon()._evaluate_assets(context))


def main() -> None:
    """Materialise everything once, then evaluate."""
    logging.disable(logging.CRITICAL)
    target = PythonFileTarget(python_file=__file__, attribute="defs", working_directory=None, location_name="bench")
    with (
        tempfile.TemporaryDirectory() as folder,
        DagsterInstance.local_temp(folder) as instance,
        WorkspaceProcessContext(instance, target) as context,
    ):
        made = {}
        for number in range(COUNT):
            key = AssetSpec(f"asset_{number}").key
            instance.report_runless_asset_event(AssetMaterialization(asset_key=key))
            made[key] = time.time()
        evaluate(context)  # the first one writes the state of each
        wall, spent = time.perf_counter(), time.process_time()
        evaluate(context)
        wall, spent = time.perf_counter() - wall, time.process_time() - spent
        late = watch(context, made) if BREACHES else []
    print(json.dumps({"assets": COUNT, "seconds": wall, "processor": spent, "late": late}))


def watch(context: WorkspaceProcessContext, made: dict) -> list[float]:
    """Evaluate as the daemon does until every policy is broken; how late each was noticed."""
    while time.time() < max(made.values()) + SHORTEST + SPREAD + INTERVAL:
        started = time.time()
        evaluate(context)
        time.sleep(max(0.0, INTERVAL - (time.time() - started)))
    records = context.instance.get_freshness_state_records(list(made))
    assert all(record.freshness_state.value == "FAIL" for record in records.values())
    return [
        records[key].updated_at.timestamp() - at - window(number).total_seconds()
        for number, (key, at) in enumerate(made.items())
    ]


if __name__ == "__main__":
    main()
