"""`upwell serve` under measurement: started on one of our definition files, and spoken to at little cost of our own."""

import contextlib
import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from benchmarks.processes import end, free_port, wait_for_ok

DEFINITIONS = Path(__file__).parent / "definitions"
UPWELL = Path(sys.executable).with_name("upwell")
JSON_HEADERS = {"content-type": "application/json"}


@dataclass(kw_only=True)
class Service:
    """A service that is ready."""

    process: subprocess.Popen[bytes]
    port: int
    start_seconds: float
    _connection: http.client.HTTPConnection = field(init=False)

    def __post_init__(self) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)

    def request(self, method: str, path: str, data: Any = None) -> Any:
        """The JSON of a good answer."""
        body = None if data is None else json.dumps(data).encode()
        self._connection.request(method, path, body, JSON_HEADERS)
        answer = self._connection.getresponse()
        content = answer.read()
        assert answer.status < 300, (method, path, answer.status, content)
        return json.loads(content)

    @contextlib.contextmanager
    def following(self, *kinds: str) -> Iterator[Iterator[dict[str, Any]]]:
        """The journal's events of these kinds from now on, as the service streams them."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        connection.request("GET", f"/api/v1/stream?{urlencode([('kind', kind) for kind in kinds])}")
        lines = connection.getresponse()
        assert lines.status == 200, lines.read()
        lines.readline()  # it says at once that it is following
        try:
            yield (json.loads(line.removeprefix(b"data:")) for line in lines if line.startswith(b"data:"))
        finally:
            connection.close()

    def run_all(self) -> float:
        """Seconds for a run of every asset, by the service's own account."""
        with self.following("run.succeeded") as ended:
            run_id = self.request("POST", "/api/v1/runs", {"select": "*"})["run_id"]
            next(event for event in ended if event["run_id"] == run_id)
        return float(self.request("GET", f"/api/v1/runs/{run_id}")["duration"])

    def chain_latencies(self, samples: int) -> list[float]:
        """Seconds from sending a webhook until a client is told that the third asset below it is stored."""
        taken = []
        with self.following("asset.materialized") as materialized:
            for number in range(samples + 10):
                time.sleep(0.01)
                started = time.perf_counter()
                self.request("POST", "/webhooks/orders", {"order": number, "amount": 9.5})
                next(event for event in materialized if event["asset"] == "third")
                taken.append(time.perf_counter() - started)
        return taken[10:]


@contextlib.contextmanager
def running(definitions: str, home: Path, **env: str) -> Iterator[Service]:
    """`upwell serve` with two workers on a file of `definitions/`."""
    port = free_port()
    home.mkdir(parents=True, exist_ok=True)
    settings = {"UPWELL_HOME": str(home), "UPWELL_PORT": str(port), "UPWELL_WORKERS": "2", **env}
    with (home / "stdout.log").open("wb") as log:
        started = time.perf_counter()
        process = subprocess.Popen(
            [UPWELL, "serve", "-f", DEFINITIONS / definitions],
            env={**os.environ, **settings},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            wait_for_ok(f"http://127.0.0.1:{port}/readyz")
            yield Service(process=process, port=port, start_seconds=time.perf_counter() - started)
        except BaseException:
            print((home / "stdout.log").read_text()[-4000:], file=sys.stderr)
            raise
        finally:
            end(process)
