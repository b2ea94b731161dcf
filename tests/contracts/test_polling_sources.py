"""The sources that ask (HTTP, SQL, object stores) and PostgreSQL's notifications keep the contract of a source."""

from __future__ import annotations

import asyncio
import tomllib
import uuid
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import anyio
import anyio.abc
import asyncpg
import fsspec
import pytest

import upwell_sensors
from upwell.testing import SourceContract
from upwell_sensors.http_source import HttpPollSource
from upwell_sensors.object_source import ObjectSource
from upwell_sensors.postgres_source import NotificationSource
from upwell_sensors.sql_source import SqlPollSource

pytestmark = pytest.mark.anyio

SOON = "100ms"  # the shortest interval


class TestHttpPoll(SourceContract):
    name = "http_poll:orders"

    @pytest.fixture(autouse=True)
    async def _server(self) -> Any:
        self.orders: list[dict[str, int]] = []
        listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
        self.url = f"http://127.0.0.1:{listener.extra(anyio.abc.SocketAttribute.local_port)}"
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(listener.serve, self._answer)
            yield
            tasks.cancel_scope.cancel()

    async def _answer(self, stream: anyio.abc.SocketStream) -> None:
        async with stream:
            try:
                await stream.receive()
            except anyio.EndOfStream:
                return  # the source was stopped before it asked
            body = repr(self.orders).replace("'", '"').encode()
            head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n"
            await stream.send(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)

    async def make_source(self) -> HttpPollSource:
        return HttpPollSource(self.name, url=self.url, interval=SOON, items="$[*]", item_id="$.id")

    async def emit(self, number: int) -> None:
        self.orders.append({"id": number})


class TestSqlPoll(SourceContract):
    name = "sql_poll:orders"

    @pytest.fixture(autouse=True)
    def _database(self, postgres_url: str) -> Iterator[None]:
        self.url = postgres_url
        self._execute("CREATE TABLE orders (id INT PRIMARY KEY, updated TIMESTAMPTZ DEFAULT now())")
        yield

    def _execute(self, statement: str) -> None:
        asyncio.run(execute(self.url, statement))

    async def make_source(self) -> SqlPollSource:
        return SqlPollSource(
            self.name, url=self.url, table="orders", cursor_column="updated", interval=SOON, initial="all"
        )

    async def emit(self, number: int) -> None:
        await execute(self.url, f"INSERT INTO orders VALUES ({number})")


class TestObjects(SourceContract):
    name = "objects:memory://bucket/*"

    @pytest.fixture(autouse=True)
    def _bucket(self) -> None:
        self.bucket = f"/{uuid.uuid4().hex}"
        self.files = fsspec.filesystem("memory")
        self.files.makedirs(self.bucket)

    async def make_source(self) -> ObjectSource:
        return ObjectSource(self.name, scheme="memory", root=self.bucket, pattern="*", interval=SOON)

    async def emit(self, number: int) -> None:
        self.files.pipe(f"{self.bucket}/{number}", b"x")


class TestPostgresNotify(SourceContract):
    name = "postgres_notify:orders"

    @pytest.fixture(autouse=True)
    def _outbox(self, postgres_url: str) -> None:
        self.url = postgres_url
        asyncio.run(execute(self.url, "CREATE TABLE outbox (id BIGINT PRIMARY KEY)"))

    async def make_source(self) -> NotificationSource:
        query = "SELECT id FROM outbox WHERE id > $1"
        return NotificationSource(
            self.name, channel="orders", dsn=self.url.replace("+asyncpg", ""), catch_up=query, overlap=10
        )

    async def emit(self, number: int) -> None:
        await execute(self.url, f"INSERT INTO outbox VALUES ({number})", "NOTIFY orders")


async def execute(url: str, *statements: str) -> None:
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


@pytest.mark.parametrize(
    "declare",
    [
        lambda: upwell_sensors.http_poll("https://host/orders", items="$[*]", cursor="$.at"),
        lambda: upwell_sensors.sql_poll("sqlite:///orders.db", table="orders", cursor_column="at", overlap="1m"),
        lambda: upwell_sensors.objects("s3://bucket/{date}.csv", storage_options={"anon": True}),
        lambda: upwell_sensors.postgres_notify("orders", dsn="postgresql://host/db", catch_up="SELECT :cursor AS id"),
    ],
)
def test_what_is_declared_is_what_its_entry_point_takes(declare: Any) -> None:
    spec = declare().source
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    module, _, factory = project["project"]["entry-points"]["upwell.sources"][spec.kind].partition(":")
    assert getattr(import_module(module), factory)(spec.name, **spec.params).name == spec.name
