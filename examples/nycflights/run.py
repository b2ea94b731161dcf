"""Starts the service on this example, fills the registers, and plays the outside world until Ctrl-C.

With `--days` it ends by itself, with exit code 0, once these days are fresh.
"""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from datetime import date
from pathlib import Path
from typing import Any

import httpx
from feeder import LAST, arguments, next_day, play

HERE = Path(__file__).parent
REGISTERS = ("planes", "airports", "airlines")
PATIENCE = 90.0  # seconds


class NotFresh(Exception):
    """Something that should have become true did not."""


class Service:
    """`upwell dev` on the example's definitions, in a process of its own, and its API."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        upwell = Path(sys.executable).with_name("upwell")
        # A session of its own: Ctrl-C reaches only this script, which then stops the service once.
        self.process = subprocess.Popen(
            [upwell, "dev", "-f", "definitions.py", "--port", str(port)], cwd=HERE, start_new_session=True
        )
        self._client = httpx.Client(base_url=self.url, timeout=10)

    def is_ready(self) -> bool:
        """Whether it reacts to events."""
        try:
            return self._client.get("/readyz").is_success
        except httpx.TransportError:
            return False

    def get(self, path: str, **params: Any) -> Any:
        """The JSON at a path of the API."""
        return self._client.get(f"/api/v1{path}", params=params).raise_for_status().json()

    def materialize(self, asset: str) -> str:
        """Ask for a run, as an operator would; its id."""
        answer = self._client.post("/api/v1/runs", json={"select": asset, "downstream": False})
        return str(answer.raise_for_status().json()["run_id"])

    def has_ended_well(self, run_id: str) -> bool:
        """Whether the run succeeded.

        Raises:
            NotFresh: it failed.
        """
        run = self.get(f"/runs/{run_id}")
        if run["status"] in {"FAILURE", "CANCELED"}:
            raise NotFresh(f"{run['assets']} could not be made: {run['error']}")
        return bool(run["status"] == "SUCCESS")

    def days_of(self, asset: str) -> set[str]:
        """The days of an asset that were made lately."""
        events = self.get("/events", asset=asset, kind="asset.materialized", limit=100)["events"]
        return {event["partition"] for event in events}

    def is_at_rest(self) -> bool:
        """Whether no run waits or is under way."""
        return not self.get("/runs", status=["QUEUED", "STARTED"])["runs"]

    def wait_until(self, condition: Callable[[], bool], what: str) -> None:
        """Ask again until it holds.

        Raises:
            NotFresh: it did not within a minute and a half, or the service ended.
        """
        deadline = time.monotonic() + PATIENCE
        while not condition():
            if self.process.poll() is not None:
                raise NotFresh(f"the service ended with exit code {self.process.returncode}")
            if time.monotonic() > deadline:
                raise NotFresh(f"{what}: not within {PATIENCE:.0f} s")
            time.sleep(0.1)

    def stop(self) -> int:
        """Let it finish what it is doing; its exit code."""
        self.process.terminate()
        return self.process.wait()


def is_taken(port: int) -> bool:
    """Whether somebody listens there already; the days would be played to them."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def fill_registers(service: Service) -> None:
    """Make the tables that every day is joined with; their own timer comes only in the morning."""
    for run_id in [service.materialize(asset) for asset in REGISTERS]:
        service.wait_until(lambda run_id=run_id: service.has_ended_well(run_id), "the registers")


def wait_until_fresh(service: Service, days: Iterable[date]) -> None:
    """Return when everything that is made of these days is up to date."""
    flown = {str(day) for day in days}
    observed = flown - {str(LAST)}  # nobody observed the weather on New Year's Eve
    service.wait_until(lambda: flown <= service.days_of("delay_by_carrier"), "delay_by_carrier")
    service.wait_until(lambda: observed <= service.days_of("delay_by_weather"), "delay_by_weather")
    service.wait_until(service.is_at_rest, "the last runs")


def replay(service: Service, start: date, days: int | None, interval: float, landing: Path) -> None:
    """Play day after day; then wait until they are fresh, or for ever when no number of days was asked for."""
    service.wait_until(service.is_ready, "readiness")
    fill_registers(service)
    delivered = []
    for day in play(start, days, interval, service.url, landing):
        delivered.append(day)
        if service.process.poll() is not None:
            raise NotFresh(f"the service ended with exit code {service.process.returncode}")
    if days is None:
        service.process.wait()
    wait_until_fresh(service, delivered)


def main() -> int:
    """Run it all; the exit code."""
    parser = arguments()
    parser.add_argument("--port", type=int, default=8600, help="where the service listens (default: 8600)")
    options = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))
    options.landing.mkdir(parents=True, exist_ok=True)
    start = options.start or next_day(options.landing)
    if is_taken(options.port):
        print(
            f"nycflights: port {options.port} is taken; choose another: make run PORT={options.port + 1}",
            file=sys.stderr,
        )
        return 1
    service = Service(options.port)
    try:
        replay(service, start, options.days, options.interval, options.landing)
        print(f"{options.days} days are fresh: {service.url}", flush=True)
    except NotFresh as problem:
        print(f"nycflights: {problem}", file=sys.stderr)
        service.stop()
        return 1
    except KeyboardInterrupt:
        print("stopping", flush=True)
    finally:
        code = service.stop()
    return code


if __name__ == "__main__":
    sys.exit(main())
