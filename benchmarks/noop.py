"""Prints, as JSON, the seconds for 1,000 assets that do nothing: by `upwell.materialize`, and by a bare loop."""

import json
import time
from collections.abc import Callable
from graphlib import TopologicalSorter

from benchmarks.definitions.noop import DEPTH, WIDTH, layered
from upwell import materialize


def bare_loop() -> None:
    """The same graph, and a call of a Python function for each node in its order."""
    above = {
        (layer, column): [(layer - 1, column)] if layer else [] for layer in range(DEPTH) for column in range(WIDTH)
    }
    made = {}
    for node in TopologicalSorter(above).static_order():
        made[node] = (lambda: None)()


def seconds_of(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def main() -> None:
    """Once each: what a process pays for the first time is part of the price, as it is for Dagster."""
    assets = layered()
    results = []
    upwell = seconds_of(lambda: results.append(materialize(assets)))
    assert results[0].success
    print(json.dumps({"upwell": upwell, "bare": seconds_of(bare_loop), "assets": len(assets)}))


if __name__ == "__main__":
    main()
