from __future__ import annotations

import asyncio
import json
import os
import queue
import signal
import subprocess
import sys
import textwrap
import threading
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import asyncpg
import httpx
import psutil
import pytest

from upwell.clock import FakeClock


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": True}


class ServiceProcess:
    """`upwell serve` as a user runs it: a process with a home, a definition file, JSON lines on stdout."""

    def __init__(self, folder: Path, definitions: str, **settings: str) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.file = folder / "definitions.py"
        self.file.write_text(textwrap.dedent(definitions))
        self.settings = settings
        self.lines: list[dict[str, Any]] = []
        self._incoming: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self.url = ""
        self.process: subprocess.Popen[str] | None = None

    def start(self, *, ready: bool = True) -> ServiceProcess:
        env = {
            **{key: value for key, value in os.environ.items() if not key.startswith("UPWELL_")},
            "UPWELL_HOME": str(self.home),
            "UPWELL_PORT": "0",
            "UPWELL_LOG__FORMAT": "json",
            **self.settings,
        }
        self.process = subprocess.Popen(
            [Path(sys.executable).with_name("upwell"), "serve", "-f", self.file.name],
            cwd=self.folder,
            env=env,
            stdout=subprocess.PIPE,
            stderr=(self.folder / "stderr.txt").open("a"),
            text=True,
            start_new_session=True,
        )
        threading.Thread(target=self._read, args=(self.process, self._incoming), daemon=True).start()
        if ready:
            self.url = self.wait_for("service.ready")["url"]
        return self

    @staticmethod
    def _read(process: subprocess.Popen[str], incoming: queue.Queue[dict[str, Any] | None]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            try:
                incoming.put(json.loads(line))
            except json.JSONDecodeError:
                incoming.put({"event": "not json", "line": line})
        incoming.put(None)

    def wait_for(self, event: str, timeout: float = 20.0, **fields: Any) -> dict[str, Any]:
        """The next log line of that name with those fields (lines are read once, in order)."""
        deadline = time.monotonic() + timeout
        while True:
            try:
                line = self._incoming.get(timeout=max(0.01, deadline - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"no {event} {fields} within {timeout} s; {self.tail()}") from None
            if line is None:
                raise AssertionError(f"the service ended before {event} {fields}; {self.tail()}")
            self.lines.append(line)
            if line["event"] == event and all(line.get(key) == value for key, value in fields.items()):
                return line

    def tail(self) -> str:
        stderr = (self.folder / "stderr.txt").read_text()[-2000:]
        return "last lines:\n" + "\n".join(map(str, self.lines[-25:])) + "\n" + stderr

    def drain_lines(self) -> list[dict[str, Any]]:
        """Every line there is so far (to the end of the output when the process has ended)."""
        assert self.process is not None
        while True:
            try:
                line = self._incoming.get(timeout=5 if self.process.poll() is not None else 0.01)
            except queue.Empty:
                return self.lines
            if line is None:
                return self.lines
            self.lines.append(line)

    def post(self, webhook: str, data: Any, **headers: str) -> httpx.Response:
        return httpx.post(f"{self.url}/webhooks/{webhook}", json=data, headers=headers, timeout=10)

    def get(self, path: str) -> Any:
        answer = httpx.get(f"{self.url}{path}", timeout=10)
        assert answer.status_code == 200, (path, answer.status_code, answer.text)
        return answer.json()

    def tree(self) -> list[psutil.Process]:
        """The service and every process it started."""
        assert self.process is not None
        parent = psutil.Process(self.process.pid)
        return [parent, *parent.children(recursive=True)]

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait(10)

    def terminate(self, timeout: float = 20.0) -> int:
        """SIGTERM, and the exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout)

    def restart(self) -> ServiceProcess:
        self._incoming = queue.Queue()
        return self.start()


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., ServiceProcess]]:
    """Start a service on a definition file (its text); every one is gone after the test."""
    started: list[ServiceProcess] = []

    def start(definitions: str, *, ready: bool = True, **settings: str) -> ServiceProcess:
        folder = tmp_path / f"service{len(started)}"
        folder.mkdir()
        service = ServiceProcess(folder, definitions, **settings)
        started.append(service)
        return service.start(ready=ready)

    yield start
    for service in started:
        if service.process is not None and service.process.poll() is None:
            service.kill()


def until(claim: Callable[[], Any], timeout: float = 20.0) -> Any:
    """The first true answer of `claim`, asked again and again; for state that nothing announces."""
    deadline = time.monotonic() + timeout
    while not (answer := claim()):
        assert time.monotonic() < deadline, f"still not so after {timeout} s"
        time.sleep(0.02)
    return answer


@pytest.fixture(name="until")
def until_fixture() -> Callable[..., Any]:
    return until


class Listening:
    """Consumes a source as the host does: remembers what it told, and the cursor as it is committed."""

    def __init__(self, cursor: dict[str, Any] | None, batches: int | None) -> None:
        self.cursor = dict(cursor or {})
        self.events: list[Any] = []
        self.killed = False
        self._batches = batches

    @property
    def data(self) -> list[Any]:
        return [event.data for event in self.events]

    async def run(self, source: Any, clock: Any) -> None:
        async with aclosing(source.events(dict(self.cursor), clock)) as batches:
            async for told in batches:
                batch = [event for event in told if event.kind not in ("source.failing", "source.working")]
                if not batch:
                    continue
                if self._batches == 0:
                    self.killed = True  # before the commit
                    return
                self._batches = None if self._batches is None else self._batches - 1
                self.events += [event for event in batch if event.kind != "source.advanced"]
                for event in batch:
                    self.cursor.update(event.cursor)
                self.cursor = {item: value for item, value in self.cursor.items() if value is not None}

    async def until(self, claim: Callable[[], Any], seconds: float = 20.0) -> None:
        with anyio.move_on_after(seconds):
            while not claim():
                await anyio.sleep(0.005)
        assert claim(), self.events


@asynccontextmanager
async def listening(
    source: Any, clock: Any, cursor: dict[str, Any] | None = None, *, batches: int | None = None
) -> AsyncIterator[Listening]:
    """A source at work, from a cursor; with `batches`, killed when it tells one more than so many."""
    heard = Listening(cursor, batches)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(heard.run, source, clock)
        yield heard
        tasks.cancel_scope.cancel()


class PollClock(FakeClock):
    """Time of one source that polls; it passes only while the source rests."""

    def __init__(self) -> None:
        super().__init__(datetime(2024, 3, 1, 12, tzinfo=UTC))
        self._rests = 0
        self._resting_for: float | None = None

    async def sleep(self, seconds: float) -> None:
        self._rests += 1
        self._resting_for = seconds
        try:
            await super().sleep(seconds)
        finally:
            self._resting_for = None

    async def turn(self) -> None:
        """Let time pass until the source has looked, has told all of it, and rests again."""
        with anyio.fail_after(20):
            while self._rests == 0:
                await anyio.sleep(0.002)
            before = self._rests
            while self._rests == before:
                if self._resting_for is not None:
                    await self.advance(self._resting_for)
                await anyio.sleep(0.002)


@pytest.fixture
def poll_clock() -> Callable[[], PollClock]:
    return PollClock


@pytest.fixture(name="listening")
def listening_fixture() -> Callable[..., Any]:
    return listening


POSTGRES_SERVER = "127.0.0.1:5432"


async def _execute(database: str, *statements: str) -> None:
    connection = await asyncpg.connect(f"postgresql://postgres@{POSTGRES_SERVER}/{database}", timeout=3)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


@pytest.fixture(scope="session")
def postgres_database() -> Iterator[str]:
    """A database of this test session's own."""
    name = f"upwell_test_{uuid.uuid4().hex[:12]}"
    try:
        asyncio.run(_execute("postgres", f"CREATE DATABASE {name}"))
    except (OSError, asyncpg.PostgresError) as error:
        if "postgres" in os.environ.get("UPWELL_TEST_REQUIRE", ""):
            raise
        pytest.skip(f"no PostgreSQL at {POSTGRES_SERVER}: {error}")
    yield name
    asyncio.run(_execute("postgres", f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture
def postgres_url(postgres_database: str) -> str:
    """The URL of an empty PostgreSQL database."""
    asyncio.run(_execute(postgres_database, "DROP SCHEMA public CASCADE", "CREATE SCHEMA public"))
    return f"postgresql+asyncpg://postgres@{POSTGRES_SERVER}/{postgres_database}"


@pytest.fixture(params=["sqlite", "postgresql"])
def journal_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database, of each kind in turn."""
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path / 'upwell.db'}"
    url: str = request.getfixturevalue("postgres_url")
    return url


class HttpReceiver:
    """An HTTP server on this machine that remembers what it was told and answers as it is set to.

    `status` and `headers` are of the answer, which comes after `delay` seconds; with `hang_up` there is none.
    """

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.status = 200
        self.headers: dict[str, str] = {}
        self.answer = b"ok"
        self.delay = 0.0
        self.hang_up = False
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def heard(self, header: str) -> list[str]:
        return [headers.get(header, "") for _, headers, _ in self.requests]

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:]) if name}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        self.requests.append((head[0], headers, body))
        await asyncio.sleep(self.delay)
        if not self.hang_up:
            lines = [f"HTTP/1.1 {self.status} X", f"content-length: {len(self.answer)}", "connection: close"]
            lines += [f"{name}: {value}" for name, value in self.headers.items()]
            writer.write("\r\n".join([*lines, "", ""]).encode() + self.answer)
        writer.close()


@pytest.fixture
async def http_receiver(anyio_backend: Any) -> AsyncIterator[HttpReceiver]:
    receiver = HttpReceiver()
    server = await asyncio.start_server(receiver.handle, "127.0.0.1", 0)
    receiver.port = server.sockets[0].getsockname()[1]
    yield receiver
    server.close()
