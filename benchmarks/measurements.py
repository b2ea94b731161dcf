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
from benchmarks.journal_filler import fill
from benchmarks.limits import chain as chain_limit
from benchmarks.processes import end, free_port, processor_seconds_of_tree, pss_of_tree, wait_for_ok
from benchmarks.upwell_service import running

HERE = Path(__file__).parent
SECRET = {"BENCH_SECRET": "a secret of thirty-two characters"}
CONNECTIONS = 64


def chain(*, full: bool) -> Iterator[Figure]:
    """From a webhook to the third asset of a chain."""
    with tempfile.TemporaryDirectory() as folder, running("chain.py", Path(folder)) as service:
        taken = service.chain_latencies(200)
    ours = statistics.median(taken)
    limit = chain_limit.latency(200)
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
    for _ in range(3 if full else 2):  # in turns, so that a change of the machine's mood meets both
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
    samples = 300 if full else 100
    with tempfile.TemporaryDirectory() as folder, running("chain.py", Path(folder), BENCH_BESIDE="10") as service:
        beside_few = statistics.median(service.chain_latencies(samples))
    with tempfile.TemporaryDirectory() as folder, running("chain.py", Path(folder), BENCH_BESIDE="10000") as service:
        time.sleep(2)
        before, watched = processor_seconds_of_tree(service.process.pid), 30.0 if full else 10.0
        time.sleep(watched)
        idle = (processor_seconds_of_tree(service.process.pid) - before) / watched
        beside_many = statistics.median(service.chain_latencies(samples))
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
        yield _long_journal(beside_few, samples)


def _long_journal(beside_few: float, samples: int) -> Figure:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(fill(Path(folder, "upwell.db"), 1_000_000))
        with running("chain.py", Path(folder), BENCH_BESIDE="10") as service:
            latency = statistics.median(service.chain_latencies(samples))
    return Figure(
        name="webhook to third asset over a million events",
        upwell=latency,
        unit="s",
        other="over an empty journal",
        other_value=beside_few,
        ratio=beside_few / latency,
        target="under 1.3x as long",
        met=latency < 1.3 * beside_few,
    )


ALL = {"chain": chain, "ingestion": ingestion, "overhead": overhead, "start": start, "scale": scale}
