"""Prints the seconds that `dagster.materialize` takes for 1,000 assets that do nothing, in memory or by `--sqlite`."""

import json
import sys
import tempfile
import time

from dagster import DagsterInstance, asset, materialize

WIDTH, DEPTH = 100, 10


def layered():
    """Ten layers of a hundred assets; each depends on the one above it."""
    made = []
    for layer in range(DEPTH):
        for column in range(WIDTH):

            @asset(name=f"noop_{layer}_{column}", deps=[made[-WIDTH]] if layer else [])
            def noop() -> None:
                return None

            made.append(noop)
    return made


def main() -> None:
    """Materialise once, in memory or with a fresh SQLite instance."""
    assets = layered()
    with tempfile.TemporaryDirectory() as folder:
        make = DagsterInstance.local_temp if "--sqlite" in sys.argv else lambda _: DagsterInstance.ephemeral()
        with make(folder) as instance:
            started = time.perf_counter()
            result = materialize(assets, instance=instance)
            seconds = time.perf_counter() - started
    assert result.success
    print(json.dumps({"seconds": seconds, "assets": len(assets)}))


if __name__ == "__main__":
    main()
