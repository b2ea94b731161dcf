"""What sensors cost: many that are called at a time, few among many, and polled as often as can be, beside Dagster."""

import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from benchmarks import dagster_peer
from benchmarks.figures import Figure
from benchmarks.processes import processor_seconds_of_tree
from benchmarks.upwell_service import Service, running

MANY = 1000
POLLED = 200
WEBHOOKS = {"ten": 10, "hundred": 100, "all": MANY}


def sensors(*, full: bool) -> Iterator[Figure]:
    """What a call of a sensor costs, and whether sensors that have nothing to do cost anything."""
    rounds = 5 if full else 3
    with tempfile.TemporaryDirectory() as folder, running("sensors.py", Path(folder), BENCH_SENSORS=str(MANY)) as many:
        _evaluate(many, "all", MANY)  # the first time, code and threads are made
        taken = {name: [_evaluate(many, name, count) for _ in range(rounds)] for name, count in WEBHOOKS.items()}
        waited = statistics.median(_evaluate(many, "waiting", MANY)[0] for _ in range(rounds))
        idle = _share_of_a_core(many, 20.0 if full else 10.0)
    wall = statistics.median(wall for wall, _ in taken["all"])
    cost = {name: statistics.median(spent for _, spent in each) / WEBHOOKS[name] for name, each in taken.items()}
    yield Figure(name=f"{MANY:,} sensors called about one event, until all are answered", upwell=wall, unit="s")
    yield Figure(
        name=f"{MANY:,} sensors that each wait for 1 s, called at a time",
        upwell=waited,
        unit="s",
        other="one after the other",
        other_value=float(MANY),
        ratio=MANY / waited,
        target="under 8 s, at 256 at a time",
        met=waited < 8,
    )
    yield Figure(name="a call of a sensor, processor time", upwell=cost["all"], unit="s")
    yield Figure(
        name=f"a call of 100 among {MANY:,} sensors, processor time",
        upwell=cost["hundred"],
        unit="s",
        other=f"of all {MANY:,}",
        other_value=cost["all"],
        ratio=cost["all"] / cost["hundred"],
        target="under 2x",
        met=cost["hundred"] < 2 * cost["all"],
    )
    yield Figure(
        name=f"idle with {2 * MANY:,} sensors",
        upwell=idle * 100,
        unit="% of a core",
        target="not measurable",
        met=idle < 0.005,
    )
    yield from _polled(30.0 if full else 15.0)


def _evaluate(service: Service, webhook: str, count: int) -> tuple[float, float]:
    """Seconds, and seconds of processor time, from an event until so many sensors have been called about it."""
    before = processor_seconds_of_tree(service.process.pid)
    with service.following("sensor.evaluated") as evaluated:
        started = time.perf_counter()
        service.request("POST", f"/webhooks/{webhook}", {})
        assert sum(1 for _ in islice(evaluated, count)) == count
        wall = time.perf_counter() - started
    time.sleep(0.5)  # decisions about what was answered
    return wall, processor_seconds_of_tree(service.process.pid) - before


def _share_of_a_core(service: Service, watched: float) -> float:
    time.sleep(2)
    before = processor_seconds_of_tree(service.process.pid)
    time.sleep(watched)
    return (processor_seconds_of_tree(service.process.pid) - before) / watched


def _polled(watched: float) -> Iterator[Figure]:
    """Sensors that want to be called every second: how many calls there are, and what each costs."""
    dagster_peer.install()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        calls = home / "upwell-calls"
        environment = {"BENCH_SENSORS": str(POLLED), "BENCH_POLLING": "1", "BENCH_CALLS": str(calls)}
        with running("sensors.py", home, **environment) as service:
            ours = _calls(service.process, calls, watched)
        calls = home / "dagster-calls"
        environment = {"BENCH_SENSORS": str(POLLED), "BENCH_CALLS": str(calls)}
        definitions = dagster_peer.HERE / "peers" / "dagster_sensors.py"
        with dagster_peer.service("dagster dev", home, definitions=definitions, **environment) as (process, _):
            theirs = _calls(process, calls, watched)
    yield Figure(
        name=f"{POLLED} sensors polled every second, calls",
        upwell=ours[0],
        unit="/s",
        other="Dagster's daemon, at its own interval",
        other_value=theirs[0],
        ratio=ours[0] / theirs[0],
        target="every second",
        met=ours[0] > 0.9 * POLLED,
    )
    yield Figure(
        name="a polled call, processor time",
        upwell=ours[1],
        unit="s",
        other="Dagster",
        other_value=theirs[1],
        ratio=theirs[1] / ours[1],
        target="10x less",
        met=theirs[1] > 10 * ours[1],
    )


def _calls(process: subprocess.Popen[bytes], calls: Path, watched: float) -> tuple[float, float]:
    """Calls a second, and processor time for each, while everything is warm; `calls` grows by a byte with each."""
    deadline = time.monotonic() + 180
    while not calls.exists():
        assert time.monotonic() < deadline, "no sensor was called"
        time.sleep(0.2)
    time.sleep(5)
    before, spent, started = calls.stat().st_size, processor_seconds_of_tree(process.pid), time.perf_counter()
    time.sleep(watched)
    made, passed = calls.stat().st_size - before, time.perf_counter() - started
    assert made, "no sensor was called a second time"
    return made / passed, (processor_seconds_of_tree(process.pid) - spent) / made
