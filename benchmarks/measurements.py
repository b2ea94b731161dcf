"""The measurements: each runs Upwell and what it is compared with one after the other, and yields figures."""

import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks import dagster_peer
from benchmarks.figures import Figure, percentile
from benchmarks.files_scan import files
from benchmarks.freshness import freshness
from benchmarks.journal_filler import fill
from benchmarks.latency import latency
from benchmarks.limits import chain as chain_limit
from benchmarks.processes import end, free_port, processor_seconds_of_tree, pss_of_tree, wait_for_ok
from benchmarks.sensors import sensors
from benchmarks.upwell_service import Service, running

HERE = Path(__file__).parent
SECRET = {"BENCH_SECRET": "a secret of thirty-two characters"}
CONNECTIONS = 64
ROUNDS = 5  # taken in turns, so that a change in the machine's load meets both sides of a ratio


def chain(*, full: bool) -> Iterator[Figure]:
    """From a webhook to the third asset of a chain."""
    taken: list[float] = []
    limits: list[float] = []
    with tempfile.TemporaryDirectory() as folder, running("chain.py", Path(folder)) as service:
        for _ in range(ROUNDS):
            taken += service.chain_latencies(100 if full else 40)
            limits.append(chain_limit.latency(100 if full else 40))
    ours, limit = statistics.median(taken), statistics.median(limits)
    yield Figure(
        name="webhook to third asset, median",
        upwell=ours,
        unit="s",
        other="bare code: commit, 3 round trips, Parquet",
        other_value=limit,
        ratio=limit / ours,
        target="within 3x of the limit",
        met=ours <= 3 * limit,
    )
    yield Figure(name="webhook to third asset, 95 of 100", upwell=percentile(taken, 0.95), unit="s")
    dagster_peer.install()
    theirs = dagster_peer.chain_latency(15 if full else 7)
    yield Figure(
        name="webhook to third asset, median",
        upwell=ours,
        unit="s",
        other="Dagster, launched without daemon or queue",
        other_value=theirs,
        ratio=theirs / ours,
        target="100x faster",
        met=theirs >= 100 * ours,
    )


def ingestion(*, full: bool) -> Iterator[Figure]:
    """Signed webhooks accepted a second."""
    seconds = 10.0 if full else 5.0
    rounds: list[tuple[float, float]] = []
    for _ in range(ROUNDS if full else 2):
        with tempfile.TemporaryDirectory() as folder:
            rounds.append((_accepted_by_upwell(Path(folder, "home"), seconds), _accepted_by_limit(folder, seconds)))
    ours, limit = (statistics.median(values) for values in zip(*rounds, strict=True))
    yield Figure(
        name=f"webhooks accepted, {CONNECTIONS} connections",
        upwell=ours,
        unit="/s",
        other="bare Starlette: signature, group commit",
        other_value=limit,
        ratio=ours / limit,
        target="0.6 of the limit",
        met=ours >= 0.6 * limit,
    )


def _accepted_by_upwell(home: Path, seconds: float) -> float:
    with running("load.py", home, **SECRET) as service:
        return _load(service.port, seconds)


def _accepted_by_limit(folder: str, seconds: float) -> float:
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, HERE / "limits" / "ingest_app.py", str(port), Path(folder, "limit.db")],
        env={**os.environ, **SECRET},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for_ok(f"http://127.0.0.1:{port}/readyz")
        return _load(port, seconds)
    finally:
        end(process)


def _load(port: int, seconds: float) -> float:
    command = [sys.executable, "-m", "benchmarks.load", str(port), str(CONNECTIONS), str(seconds)]
    env = {**os.environ, **SECRET}
    done = subprocess.run(command, cwd=HERE.parent, env=env, stdout=subprocess.PIPE, check=True)
    measured = json.loads(done.stdout)
    assert set(measured["answers"]) == {"202"}, measured
    return float(measured["answers"]["202"] / measured["seconds"])


def overhead(*, full: bool) -> Iterator[Figure]:
    """What an asset costs that does nothing."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.noop"], cwd=HERE.parent, stdout=subprocess.PIPE, check=True
    )
    measured = json.loads(done.stdout)
    ours = measured["upwell"] / measured["assets"]
    bare = measured["bare"] / measured["assets"]
    dagster_peer.install()
    theirs = dagster_peer.noop_overhead()
    yield Figure(
        name="materialize(), per no-op asset",
        upwell=ours,
        unit="s",
        other="dagster.materialize, in memory",
        other_value=theirs,
        ratio=theirs / ours,
        target="20x faster",
        met=theirs >= 20 * ours,
    )
    if full:
        on_disk = dagster_peer.noop_overhead(sqlite=True)
        yield Figure(
            name="materialize(), per no-op asset",
            upwell=ours,
            unit="s",
            other="dagster.materialize, its SQLite",
            other_value=on_disk,
            ratio=on_disk / ours,
        )
    yield Figure(
        name="materialize(), per no-op asset",
        upwell=ours,
        unit="s",
        other="bare topological loop",
        other_value=bare,
        ratio=bare / ours,
    )
    with tempfile.TemporaryDirectory() as folder, running("noop.py", Path(folder)) as service:
        service.run_all()
        own = service.run_all() / measured["assets"]
    yield Figure(name="service, per no-op asset", upwell=own, unit="s", target="under 1 ms", met=own < 0.001)


def start(*, full: bool) -> Iterator[Figure]:
    """From nothing to ready, and memory at rest."""
    taken = []
    for _ in range(5 if full else 3):
        with tempfile.TemporaryDirectory() as folder, running("chain.py", Path(folder)) as service:
            taken.append(service.start_seconds)
            time.sleep(5)
            memory = pss_of_tree(service.process.pid)
    dagster_peer.install()
    their_start, their_memory = dagster_peer.start_and_memory()
    ours = statistics.median(taken)
    yield Figure(
        name="process start to /readyz",
        upwell=ours,
        unit="s",
        other="dagster dev",
        other_value=their_start,
        ratio=their_start / ours,
        target="under 1.5 s",
        met=ours < 1.5,
    )
    yield Figure(
        name="memory at rest, two workers",
        upwell=memory,
        unit="bytes",
        other="dagster dev",
        other_value=their_memory,
        ratio=their_memory / memory,
        target="under 150 MiB",
        met=memory < 150 * 2**20,
    )


def scale(*, full: bool) -> Iterator[Figure]:
    """What 10,000 quiet assets, and a long journal, cost."""
    with (
        tempfile.TemporaryDirectory() as folder,
        running("chain.py", Path(folder, "few"), BENCH_BESIDE="10") as few,
        running("chain.py", Path(folder, "many"), BENCH_BESIDE="10000") as many,
    ):
        idle = _share_of_a_core(many, 30.0 if full else 10.0)
        beside_few, beside_many = _in_turns(few, many, 60 if full else 20)
    yield Figure(
        name="idle with 10,000 assets",
        upwell=idle * 100,
        unit="% of a core",
        target="not measurable",
        met=idle < 0.005,
    )
    yield Figure(
        name="webhook to third asset beside 10,000 assets",
        upwell=beside_many,
        unit="s",
        other="beside 10 assets",
        other_value=beside_few,
        ratio=beside_few / beside_many,
        target="under 1.3x as long",
        met=beside_many < 1.3 * beside_few,
    )
    if full:
        yield _long_journal()


def _share_of_a_core(service: Service, watched: float) -> float:
    time.sleep(2)
    before = processor_seconds_of_tree(service.process.pid)
    time.sleep(watched)
    return (processor_seconds_of_tree(service.process.pid) - before) / watched


def _in_turns(one: Service, other: Service, samples: int) -> tuple[float, float]:
    """The median latency of the chain in each of two services."""
    taken = [(one.chain_latencies(samples), other.chain_latencies(samples)) for _ in range(ROUNDS)]
    first, second = ([seconds for each in turns for seconds in each] for turns in zip(*taken, strict=True))
    return statistics.median(first), statistics.median(second)


def _long_journal() -> Figure:
    with tempfile.TemporaryDirectory() as folder:
        long = Path(folder, "long")
        long.mkdir()
        asyncio.run(fill(long / "upwell.db", 1_000_000))
        with running("chain.py", Path(folder, "new")) as new, running("chain.py", long) as old:
            over_nothing, over_million = _in_turns(new, old, 60)
    return Figure(
        name="webhook to third asset over a million events",
        upwell=over_million,
        unit="s",
        other="over an empty journal",
        other_value=over_nothing,
        ratio=over_nothing / over_million,
        target="under 1.3x as long",
        met=over_million < 1.3 * over_nothing,
    )


ALL = {
    "chain": chain,
    "ingestion": ingestion,
    "overhead": overhead,
    "start": start,
    "scale": scale,
    "files": files,
    "sensors": sensors,
    "freshness": freshness,
    "latency": latency,
}
