"""kill -9 of a process that polls: each row and each item is in the journal exactly once."""

from __future__ import annotations

import asyncio
import json
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from upwell.clock import SystemClock
from upwell.journal.database import open_journal

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

HOST = """
import sys
import anyio
from upwell.clock import SystemClock
from upwell.definitions.project import Project
from upwell.definitions.snapshot import AssetNode, Snapshot
from upwell.journal.database import open_journal
from upwell.sources.host import SourceHost
from upwell_sensors import http_poll, postgres_notify, sql_poll
from upwell_sensors.http_source import HttpPollSource
from upwell_sensors.postgres_source import NotificationSource
from upwell_sensors.sql_source import SqlPollSource

FACTORIES = {"http_poll": HttpPollSource, "postgres_notify": NotificationSource, "sql_poll": SqlPollSource}

async def main(url, declaration):
    clock = SystemClock()
    async with open_journal(url, clock=clock) as journal:
        project = Project()
        node = AssetNode(key="a", step="a", on=(eval(declaration),))
        project.replace(Snapshot(location="here", assets=(node,)))
        print("up", flush=True)
        await SourceHost(journal, journal.queries, project, clock, FACTORIES).run()

anyio.run(main, *sys.argv[1:], backend_options={"use_uvloop": True})
"""


@pytest.fixture
def kill_again_and_again(tmp_path: Path) -> Callable[..., Any]:
    """Listen in a process that is killed three times, while `happen` makes things happen; answers the ids told."""
    url = f"sqlite+aiosqlite:///{tmp_path / 'upwell.db'}"

    def life(declaration: str, seconds: float) -> None:
        command = [sys.executable, "-c", HOST, url, declaration]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(seconds)
        process.send_signal(signal.SIGKILL)
        process.wait()

    async def run(declaration: str, happen: Callable[[threading.Event], None]) -> Counter[int]:
        over = threading.Event()
        happening = threading.Thread(target=happen, args=(over,))
        happening.start()
        chance = random.Random(7)
        for _ in range(3):
            life(declaration, chance.uniform(0.1, 1.0))
        over.set()
        happening.join()
        life(declaration, 3.0)
        async with open_journal(url, clock=SystemClock()) as journal:
            records = await journal.queries.events(kinds=["message.received"], limit=100_000)
            assert await journal.queries.events(kinds=["webhook.duplicate"]) == []
        return Counter(record.event.data["id"] for record in records)  # type: ignore[union-attr]

    return run


class Orders:
    """Rows that two writers insert, one of which takes its time to commit."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn
        self.put = 0
        asyncio.run(self._create())

    async def _create(self) -> None:
        connection = await asyncpg.connect(self.dsn)
        await connection.execute(
            "CREATE TABLE orders (id BIGSERIAL PRIMARY KEY, at TIMESTAMPTZ DEFAULT clock_timestamp())"
        )
        await connection.close()

    def insert(self, over: threading.Event) -> None:
        asyncio.run(self._insert(over))

    async def _insert(self, over: threading.Event) -> None:
        async def write(pause: float) -> None:
            connection = await asyncpg.connect(self.dsn)
            while not over.is_set():
                async with connection.transaction():
                    await connection.execute("INSERT INTO orders DEFAULT VALUES")
                    await asyncio.sleep(pause)
                    await connection.execute("NOTIFY orders")
                self.put += 1
            await connection.close()

        await asyncio.gather(write(0.002), write(0.1))


@pytest.fixture
def orders(postgres_url: str) -> Orders:
    return Orders(postgres_url.replace("+asyncpg", ""))


async def test_rows_that_are_polled_are_told_exactly_once(
    kill_again_and_again: Callable[..., Any], orders: Orders
) -> None:
    told = await kill_again_and_again(
        f"sql_poll({orders.dsn!r}, table='orders', cursor_column='at', interval='100ms', overlap='5s', initial='all')",
        orders.insert,
    )
    assert len(told) == orders.put > 100
    assert set(told.values()) == {1}


async def test_rows_that_are_notified_are_told_exactly_once(
    kill_again_and_again: Callable[..., Any], orders: Orders
) -> None:
    told = await kill_again_and_again(
        f"postgres_notify('orders', dsn={orders.dsn!r}, catch_up='SELECT * FROM orders WHERE id > :cursor')",
        orders.insert,
    )
    assert len(told) == orders.put > 100
    assert set(told.values()) == {1}


class Feed(ThreadingHTTPServer):
    """Items that grow in number; every third answer is an error or breaks off."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _FeedHandler)
        self.items: list[dict[str, int]] = []
        self.answers = 0

    def grow(self, over: threading.Event) -> None:
        while not over.wait(0.003):
            self.items.append({"id": len(self.items)})


class _FeedHandler(BaseHTTPRequestHandler):
    server: Feed

    def do_GET(self) -> None:
        self.server.answers += 1
        body = json.dumps(self.server.items).encode()
        if self.server.answers % 3 == 0:
            self.send_error(500)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if self.server.answers % 3 == 1 and self.server.answers % 2 else body)

    def log_message(self, *arguments: object) -> None: ...


@pytest.fixture
def feed() -> Iterator[Feed]:
    server = Feed()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


async def test_items_of_a_flaky_server_are_told_exactly_once(
    kill_again_and_again: Callable[..., Any], feed: Feed
) -> None:
    told = await kill_again_and_again(
        f"http_poll('http://127.0.0.1:{feed.server_port}', items='$[*]', item_id='$.id', interval='100ms')", feed.grow
    )
    assert told == Counter(range(len(feed.items)))
