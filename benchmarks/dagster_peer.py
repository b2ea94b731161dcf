"""Dagster, in an environment of its own below `.bench/`: its services, and the fastest way to make it run something."""

import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from benchmarks.processes import end, free_port, pss_of_tree, wait_for_ok

HERE = Path(__file__).parent
VENV = HERE.parent / ".bench" / "dagster"
DEFINITIONS = HERE / "peers" / "dagster_chain.py"
PACKAGES = ("dagster==1.13.*", "dagster-webserver==1.13.*", "pandas", "pyarrow")

# Runs start at once, not when a daemon next looks at the queue.
INSTANCE = """
telemetry: {enabled: false}
run_coordinator: {module: dagster.core.run_coordinator, class: DefaultRunCoordinator}
"""
CHAIN = ("first", "second", "third")
LAUNCH = """
mutation Launch($params: ExecutionParams!) {
  launchPipelineExecution(executionParams: $params) { __typename ... on LaunchRunSuccess { run { runId } } }
}
"""
RUNS = """
query Runs($job: String!) {
  runsOrError(filter: {pipelineName: $job}) { ... on Runs { results { startTime endTime } } }
}
"""
LOCATIONS = "{ repositoriesOrError { __typename ... on RepositoryConnection { nodes { name location { name } } } } }"


def install() -> None:
    """Make the environment, once."""
    if (VENV / ".installed").exists():
        return
    print("benchmarks: installing Dagster into .bench/dagster", file=sys.stderr)
    subprocess.run([sys.executable, "-m", "venv", VENV], check=True)
    subprocess.run([VENV / "bin" / "pip", "install", "--quiet", *PACKAGES], check=True)
    (VENV / ".installed").touch()


@contextlib.contextmanager
def service(
    program: str, home: Path, *, definitions: Path = DEFINITIONS, instance: str | None = None, **env: str
) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A running `dagster-webserver` or `dagster dev`, and its URL; `instance` is what its dagster.yaml says."""
    port = free_port()
    usual = INSTANCE if program == "dagster-webserver" else "telemetry: {enabled: false}\n"
    (home / "dagster.yaml").write_text(instance or usual)
    command = [program] if program == "dagster-webserver" else ["dagster", "dev"]
    process = subprocess.Popen(
        [VENV / "bin" / command[0], *command[1:], "-f", definitions, "-h", "127.0.0.1", "-p", str(port)],
        env={**os.environ, "DAGSTER_HOME": str(home), "PATH": f"{VENV / 'bin'}:{os.environ['PATH']}", **env},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield process, f"http://127.0.0.1:{port}"
    finally:
        end(process)


def _ask(client: httpx.Client, query: str, **variables: Any) -> Any:
    answer = client.post("/graphql", json={"query": query, "variables": variables}).raise_for_status().json()
    assert "errors" not in answer, answer
    return answer["data"]


def _wait_for_code(client: httpx.Client) -> dict[str, str]:
    """The repository of the loaded code location, in the words of GraphQL."""
    for _ in range(1200):
        found = _ask(client, LOCATIONS)["repositoriesOrError"].get("nodes")
        if found:
            return {"repositoryName": found[0]["name"], "repositoryLocationName": found[0]["location"]["name"]}
        time.sleep(0.05)
    raise TimeoutError("Dagster did not load the definitions within a minute")


def _launch(client: httpx.Client, repository: dict[str, str]) -> None:
    selector = {**repository, "pipelineName": "__ASSET_JOB", "assetSelection": [{"path": [name]} for name in CHAIN]}
    answer = _ask(client, LAUNCH, params={"selector": selector, "mode": "default"})["launchPipelineExecution"]
    assert answer["__typename"] == "LaunchRunSuccess", answer


def _wait_for_file(path: Path) -> None:
    for _ in range(30_000):
        if path.exists():
            return
        time.sleep(0.002)
    raise TimeoutError(f"Dagster did not store {path} within a minute")


def chain_latency(samples: int) -> float:
    """Median seconds from the demand to the third asset of the chain being stored, with everything warm.

    The demand goes straight to the webserver, which starts the run: no sensor, daemon or queue adds its interval.
    """
    with tempfile.TemporaryDirectory() as folder:
        stored = Path(folder, "storage", "third")
        with service("dagster-webserver", Path(folder)) as (_, url), httpx.Client(base_url=url, timeout=60) as client:
            wait_for_ok(f"{url}/server_info")
            repository = _wait_for_code(client)
            taken = []
            for _ in range(samples + 1):
                stored.unlink(missing_ok=True)
                started = time.perf_counter()
                _launch(client, repository)
                _wait_for_file(stored)
                taken.append(time.perf_counter() - started)
                time.sleep(0.5)  # let the run's process end: it is not to compete with the next one
    return statistics.median(taken[1:])


def noop_overhead(*, sqlite: bool = False) -> float:
    """Seconds for each of 1,000 assets that do nothing, by `dagster.materialize`."""
    command = [VENV / "bin" / "python", HERE / "peers" / "dagster_noop.py", *(["--sqlite"] if sqlite else [])]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
    answer = json.loads(done.stdout)
    return float(answer["seconds"] / answer["assets"])


def start_and_memory() -> tuple[float, int]:
    """Seconds from the start of `dagster dev` until its code is loaded, and its bytes (PSS) at rest."""
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        with service("dagster dev", Path(folder)) as (process, url), httpx.Client(base_url=url, timeout=60) as client:
            wait_for_ok(f"{url}/server_info")
            _wait_for_code(client)
            seconds = time.perf_counter() - started
            time.sleep(5)
            return seconds, pss_of_tree(process.pid)


def sensor_latencies(samples: int) -> tuple[float, float]:
    """Median seconds, by Dagster's own account, until a run has started: from reporting a materialisation that an asset
    sensor watches for, and from the success of the run that this sensor asked for, which a run status sensor watches.

    Both sensors have the lowest interval there is, and no queue adds its own.
    """
    peer = HERE / "peers" / "dagster_latency.py"
    by_asset, by_run = [], []
    with (
        tempfile.TemporaryDirectory() as folder,
        service("dagster dev", Path(folder), definitions=peer, instance=INSTANCE) as (_, url),
        httpx.Client(base_url=url, timeout=60) as client,
    ):
        wait_for_ok(f"{url}/server_info")
        _wait_for_code(client)
        for number in range(1, samples + 2):
            told = time.time()
            client.post("/report_asset_materialization/told").raise_for_status()
            later = _newest_run(client, "later_job", number)
            earlier = _newest_run(client, "earlier_job", number)
            by_asset.append(earlier["startTime"] - told)
            by_run.append(later["startTime"] - earlier["endTime"])
    return statistics.median(by_asset[1:]), statistics.median(by_run[1:])


def _newest_run(client: httpx.Client, job: str, number: int) -> Any:
    """The newest run of a job, once there are so many and it has started."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        runs = _ask(client, RUNS, job=job)["runsOrError"]["results"]
        if len(runs) >= number and runs[0]["startTime"]:
            return runs[0]
        time.sleep(0.2)
    raise TimeoutError(f"Dagster started no run of {job} within two minutes")
