"""From something that happens to `run.started`: each way in, over one service, beside Dagster's sensors.

`python -m benchmarks --only latency`; brokers count where `BENCH_REDIS_URL` and `BENCH_NATS_URL`, or the usual port of
this machine, have a server.
"""

import asyncio
import contextlib
import os
import socket
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import nats
import redis

from benchmarks import dagster_peer
from benchmarks.figures import Figure, percentile
from benchmarks.upwell_service import running

SERVERS = {"BENCH_REDIS_URL": "redis://127.0.0.1:6379", "BENCH_NATS_URL": "nats://127.0.0.1:4222"}
SETTLE = 0.1  # as in definitions/latency.py
WARM_UP = 3
ROWS = "a,b\n1,2\n"
PEER_SAMPLES = 4

Events = Iterator[dict[str, Any]]


def latency(*, full: bool) -> Iterator[Figure]:
    """How long each way takes until its run has started."""
    samples = 200 if full else 50
    with tempfile.TemporaryDirectory() as folder:
        taken = _ours(Path(folder), samples)
    dagster_peer.install()
    by_asset, by_run = dagster_peer.sensor_latencies(PEER_SAMPLES * (3 if full else 1))
    beside = {
        "webhook, its sensor": ("Dagster: an asset sensor, at its lowest interval", by_asset),
        "run succeeded, run status sensor": ("Dagster: a run status sensor, at its lowest interval", by_run),
    }
    for way, seconds in taken.items():
        ours, (other, theirs) = statistics.median(seconds), beside.get(way, ("", None))
        yield Figure(
            name=f"{way}, run started: median",
            upwell=ours,
            unit="s",
            other=other,
            other_value=theirs,
            ratio=theirs and theirs / ours,
            target="milliseconds: under 20 ms",
            met=ours < 0.020,
        )
        yield Figure(name=f"{way}, run started: 99 of 100", upwell=percentile(seconds, 0.99), unit="s")


def _ours(folder: Path, samples: int) -> dict[str, list[float]]:
    """Seconds until the run started, by the way in."""
    landing = folder / "landing"
    landing.mkdir()
    name = f"bench-{uuid.uuid4().hex[:8]}"
    servers = {variable: url for variable, url in _servers() if _answers(url)}
    with contextlib.ExitStack() as stack:
        brokers: dict[str, Callable[[], object]] = {}
        if url := servers.get("BENCH_REDIS_URL"):
            brokers["Redis message"] = stack.enter_context(_redis(url, name))
        if url := servers.get("BENCH_NATS_URL"):
            brokers["NATS message"] = stack.enter_context(_nats(url, name))
        home = folder / "home"
        service = stack.enter_context(
            running("latency.py", home, BENCH_LANDING=str(landing), BENCH_NAME=name, **servers)
        )
        events = stack.enter_context(service.following("run.started", "run.succeeded"))

        def deliver(webhook: str) -> Callable[[], object]:
            return lambda: service.request("POST", f"/webhooks/{webhook}", {})

        unfinished = landing / "unfinished.tmp"
        taken = {
            "webhook": _timed(deliver("told"), events, samples),
            "webhook, its sensor": _timed(deliver("asked"), events, samples),
            "run succeeded, run status sensor": [_one_after_other(deliver("begin"), events) for _ in range(samples)],
            "file renamed into place": _timed(
                lambda: unfinished.rename(landing / f"{uuid.uuid4().hex}.csv"),
                events,
                samples,
                before=lambda: unfinished.write_text(ROWS),
            ),
        }
        settled = _timed(lambda: _write(landing), events, samples)
        taken["file written, less the time to settle"] = [seconds - SETTLE for seconds in settled]
        taken |= {way: _timed(publish, events, samples) for way, publish in brokers.items()}
    return taken


def _servers() -> Iterator[tuple[str, str]]:
    return ((variable, os.environ.get(variable, usual)) for variable, usual in SERVERS.items())


def _answers(url: str) -> bool:
    parts = urlsplit(url)
    try:
        socket.create_connection((parts.hostname or "", parts.port or 0), timeout=1).close()
    except OSError:
        print(f"benchmarks: nothing at {parts.hostname}:{parts.port}, {parts.scheme} is left out", file=sys.stderr)
        return False
    return True


def _timed(
    do: Callable[[], object], events: Events, samples: int, *, before: Callable[[], object] = lambda: None
) -> list[float]:
    """Seconds from just before each time until a client is told that the run has started."""
    taken = []
    for _ in range(WARM_UP + samples):
        before()
        time.sleep(0.02)
        started = time.perf_counter()
        do()
        next(event for event in events if event["kind"] == "run.started")
        taken.append(time.perf_counter() - started)
        next(event for event in events if event["kind"] == "run.succeeded")
    return taken[WARM_UP:]


def _one_after_other(begin: Callable[[], object], events: Events) -> float:
    """Seconds from when a client is told that a run succeeded until it is told that the run asked for then started."""
    begin()
    next(event for event in events if event["kind"] == "run.succeeded")
    succeeded = time.perf_counter()
    next(event for event in events if event["kind"] == "run.started")
    seconds = time.perf_counter() - succeeded
    next(event for event in events if event["kind"] == "run.succeeded")
    return seconds


def _write(landing: Path) -> None:
    (landing / f"{uuid.uuid4().hex}.csv").write_text(ROWS)


@contextlib.contextmanager
def _redis(url: str, stream: str) -> Iterator[Callable[[], object]]:
    with redis.Redis.from_url(url) as client:
        try:
            yield lambda: client.xadd(stream, {"data": "{}"})
        finally:
            client.delete(stream)


@contextlib.contextmanager
def _nats(url: str, stream: str) -> Iterator[Callable[[], object]]:
    with asyncio.Runner() as runner:
        client = runner.run(nats.connect(url))
        jetstream = client.jetstream()
        runner.run(jetstream.add_stream(name=stream, subjects=[f"{stream}.*"]))
        try:
            yield lambda: runner.run(jetstream.publish(f"{stream}.told", b"{}"))
        finally:
            runner.run(jetstream.delete_stream(stream))
            runner.run(client.close())
