"""What it costs to know, for very many assets, which are fresh, and how soon a breach is known; beside Dagster."""

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from benchmarks import dagster_peer
from benchmarks.figures import Figure, percentile

POLICIES = 100_000
DUE = 3_000  # of them, within half a minute
PEERS = 1_000  # as many as Dagster can be given in reasonable time
INTERVAL = 30.0  # seconds between two evaluations of Dagster's daemon, by default


def freshness(*, full: bool) -> Iterator[Figure]:
    """How late a breach is known, what a start takes, and what it costs that nothing happens."""
    ours = _ask([sys.executable, "-m", "benchmarks.freshness_watch", str(POLICIES), str(DUE)])
    dagster_peer.install()
    peer = [str(dagster_peer.VENV / "bin" / "python"), str(dagster_peer.HERE / "peers" / "dagster_freshness.py")]
    theirs = _ask(peer, BENCH_ASSETS=str(PEERS), BENCH_BREACHES="1" if full else "0")
    # Each policy is one coroutine with its own queries of the same tables: what all cost grows with their number.
    seconds = theirs["seconds"] * POLICIES / PEERS
    busy = theirs["processor"] * POLICIES / PEERS / max(INTERVAL, seconds)
    late = ours["late"]
    p99 = percentile(late, 0.99)
    yield Figure(
        name=f"breach known after its deadline, {POLICIES:,} policies, 99 of 100",
        upwell=p99,
        unit="s",
        target="under 50 ms",
        met=p99 < 0.05,
    )
    yield _median_breach(late, theirs["late"])
    yield Figure(
        name=f"evaluation of {POLICIES:,} policies at a restart",
        upwell=ours["again"],
        unit="s",
        other=f"Dagster, every {INTERVAL:.0f} s, {PEERS:,} measured x {POLICIES // PEERS}",
        other_value=seconds,
        ratio=seconds / ours["again"],
        target="under 2 s",
        met=ours["again"] < 2,
    )
    yield Figure(name=f"the first start of {POLICIES:,} policies, each state told", upwell=ours["first"], unit="s")
    yield Figure(
        name=f"{POLICIES:,} policies while nothing happens, processor time a second",
        upwell=ours["quiet"],
        unit="s",
        other=f"Dagster, {PEERS:,} measured x {POLICIES // PEERS}",
        other_value=busy,
        ratio=busy / max(ours["quiet"], 1e-6),
        target="under 1 % of a core",
        met=ours["quiet"] < 0.01,
    )
    yield Figure(name=f"memory of {POLICIES:,} policies", upwell=ours["memory"], unit="bytes")


def _median_breach(late: list[float], theirs: list[float]) -> Figure:
    """How late a breach is known in the middle: measured (`--full`), or half of the interval at which Dagster looks."""
    ours = statistics.median(late)
    other = f"Dagster, {PEERS:,} policies" if theirs else "Dagster, by its interval"
    other_value = statistics.median(theirs) if theirs else INTERVAL / 2
    return Figure(
        name="breach known after its deadline, median",
        upwell=ours,
        unit="s",
        other=other,
        other_value=other_value,
        ratio=other_value / ours,
    )


def _ask(command: list[str], **environment: str) -> Any:
    done = subprocess.run(command, env={**os.environ, **environment}, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    if done.returncode:
        raise RuntimeError(f"{command[1:3]} ended with {done.returncode}")
    # Dagster's code server writes there, too.
    return json.loads(next(line for line in done.stdout.splitlines() if line.startswith(b"{")))
