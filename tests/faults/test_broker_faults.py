"""Brokers that die, restart and are cut off at any moment: nothing is lost, nothing is told twice, and in order.

The servers are this test's own, on ports of their own; RabbitMQ's connections go through a proxy that cuts them. The
host and the journal are the real ones.
"""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aio_pika
import anyio
import nats
import pytest
import structlog
import zmqtt
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from upwell.clock import SystemClock
from upwell.definitions.project import Project
from upwell.definitions.reactions import On, SourceSpec
from upwell.definitions.snapshot import AssetNode, Snapshot
from upwell.sources.host import SourceHost
from upwell.sources.source import EventSource
from upwell.testing import temporary_journal
from upwell_sensors.brokers.mqtt import MQTTSource
from upwell_sensors.brokers.nats import NatsSource
from upwell_sensors.brokers.rabbitmq import RabbitMQSource
from upwell_sensors.brokers.redis import RedisStreamSource

pytestmark = pytest.mark.anyio

MESSAGES = 300


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class Line:
    """A proxy on the way to a server, which can be cut at any moment."""

    def __init__(self) -> None:
        self.port = free_port()
        self._ends: set[asyncio.StreamWriter] = set()
        self._proxy: asyncio.Server | None = None

    async def open(self, server_port: int) -> None:
        async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                upstream_reader, upstream_writer = await asyncio.open_connection("127.0.0.1", server_port)
            except OSError:
                writer.close()
                return
            self._ends |= {writer, upstream_writer}
            await asyncio.gather(_pump(reader, upstream_writer), _pump(upstream_reader, writer))

        self._proxy = self._proxy or await asyncio.start_server(relay, "127.0.0.1", self.port)

    def cut(self) -> None:
        for end in self._ends:
            end.transport.abort()
        self._ends.clear()

    async def close(self) -> None:
        if self._proxy is not None:
            self._proxy.close()
            self._proxy = None
        self.cut()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


class Broker:
    """A broker that can be taken away and brought back, and a sender that insists."""

    binary: str

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.line = Line()
        self.process: subprocess.Popen[bytes] | None = None
        self.executable = shutil.which(self.binary, path=f"{os.environ.get('PATH', '')}:/usr/sbin") or ""
        if not self.executable:
            pytest.skip(f"{self.binary} is not installed")

    def command(self) -> list[str]:
        raise AssertionError("each broker says how")

    async def start(self) -> None:
        self.process = subprocess.Popen(self.command(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        await self.line.open(self.port)
        with anyio.fail_after(20):
            while True:
                with suppress(OSError):
                    socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                    return
                await anyio.sleep(0.02)

    async def take_away(self) -> None:
        assert self.process is not None
        self.process.kill()
        await asyncio.to_thread(self.process.wait)

    async def close(self) -> None:
        await self.line.close()
        if self.process is not None and self.process.poll() is None:
            await self.take_away()

    def source(self) -> EventSource:
        raise AssertionError("each broker says how")

    async def send(self, number: int) -> None:
        """Send a message once; raise where that is not certain."""
        raise AssertionError("each broker says how")

    async def insist(self, number: int) -> None:
        with anyio.fail_after(30):
            while True:
                try:
                    with anyio.fail_after(2):
                        return await self.send(number)
                except Exception:  # noqa: BLE001 (every client has errors of its own for a broker that is gone)
                    await anyio.sleep(0.05)


class NatsServer(Broker):
    binary = "nats-server"

    def command(self) -> list[str]:
        return [self.executable, "-a", "127.0.0.1", "-p", str(self.port), "-js", "-sd", str(self.folder)]

    def source(self) -> EventSource:
        return NatsSource("source", subject="orders.*", url=f"nats://127.0.0.1:{self.line.port}", start="all")

    async def send(self, number: int) -> None:
        client = await nats.connect(f"nats://127.0.0.1:{self.port}", allow_reconnect=False, connect_timeout=1)
        try:
            jetstream = client.jetstream(timeout=1)
            await jetstream.add_stream(name="ORDERS", subjects=["orders.*"])
            await jetstream.publish("orders.new", str(number).encode(), headers={"Nats-Msg-Id": str(number)})
        finally:
            await client.close()


class RedisServer(Broker):
    binary = "redis-server"

    def command(self) -> list[str]:
        durable = ["--appendonly", "yes", "--appendfsync", "always"]
        return [self.executable, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder), *durable]

    def source(self) -> EventSource:
        return RedisStreamSource(
            "source", stream="orders", url=f"redis://127.0.0.1:{self.port}", field="it", start="all"
        )

    async def send(self, number: int) -> None:
        async with Redis.from_url(f"redis://127.0.0.1:{self.port}") as client:
            try:
                await client.xadd("orders", {"it": number}, id=f"{number + 1}-0")
            except ResponseError as error:
                if "equal or smaller" not in str(error):  # it is there from the first time
                    raise


class Mosquitto(Broker):
    binary = "mosquitto"

    def command(self) -> list[str]:
        config = self.folder / "mosquitto.conf"
        config.write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous true\npersistence true\n"
            f"persistence_location {self.folder}/\nuser {os.environ.get('USER', 'root')}\nmax_queued_messages 0\n"
        )
        return [self.executable, "-c", str(config)]

    async def take_away(self) -> None:
        # Stopped, not killed: it writes down what it has when it ends.
        assert self.process is not None
        self.process.terminate()
        await asyncio.to_thread(self.process.wait)

    def source(self) -> EventSource:
        return MQTTSource("source", topic="orders/+", url=f"mqtt://127.0.0.1:{self.line.port}", identity="$.id")

    async def send(self, number: int) -> None:
        async with zmqtt.MQTTClient(
            "127.0.0.1", self.port, version="5.0", reconnect=zmqtt.ReconnectConfig(enabled=False)
        ) as client:
            await client.publish("orders/new", f'{{"id": "{number}"}}', qos=zmqtt.QoS.AT_LEAST_ONCE)


class RabbitMQ(Broker):
    """The machine's own server, which others use, too: only the line to it can be taken away."""

    binary = "true"

    async def start(self) -> None:
        try:
            socket.create_connection(("127.0.0.1", 5672), timeout=2).close()
        except OSError as error:
            if "rabbitmq" in os.environ.get("UPWELL_TEST_REQUIRE", "").split(","):
                raise
            pytest.skip(f"no RabbitMQ at 127.0.0.1:5672: {error}")
        await self.line.open(5672)

    async def take_away(self) -> None:
        await self.line.close()

    async def close(self) -> None:
        await self.line.close()
        async with await aio_pika.connect("amqp://127.0.0.1:5672/") as connection:
            await (await connection.channel()).queue_delete(f"faults-{self.line.port}")

    def source(self) -> EventSource:
        queue = f"faults-{self.line.port}"
        return RabbitMQSource("source", topic=f"{queue}.*", queue=queue, url=f"amqp://127.0.0.1:{self.line.port}/")

    async def send(self, number: int) -> None:
        async with await aio_pika.connect(f"amqp://127.0.0.1:{self.line.port}/") as connection:
            exchange = await (await connection.channel()).get_exchange("amq.topic")
            message = aio_pika.Message(str(number).encode(), message_id=str(number), delivery_mode=2)
            await exchange.publish(message, routing_key=f"faults-{self.line.port}.new")


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    # What structlog writes unless it is told otherwise shows the locals of every frame, which takes minutes.
    with structlog.testing.capture_logs():
        yield


@pytest.fixture(params=[NatsServer, RedisServer, Mosquitto, RabbitMQ])
async def broker(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Broker]:
    broker: Broker = request.param(tmp_path)
    await broker.start()
    yield broker
    await broker.close()


@asynccontextmanager
async def at_work(journal: Any, make: Callable[[], EventSource]) -> AsyncIterator[None]:
    """The service's host with one source, over the service's journal."""
    project = Project()
    spec = SourceSpec(kind="broker", name="source")
    project.replace(Snapshot(location="here", assets=(AssetNode(key="a", step="a", on=(On(source=spec),)),)))
    host = SourceHost(journal, journal.queries, project, SystemClock(), {"broker": lambda name: make()})
    async with anyio.create_task_group() as tasks:
        await tasks.start(host.run)
        yield
        tasks.cancel_scope.cancel()


async def told(journal: Any) -> list[int]:
    records = await journal.queries.events(kinds=["message.received"], limit=10 * MESSAGES, newest_first=False)
    return [int(data["id"] if isinstance(data := record.event.data, dict) else data) for record in records]


async def subscribed(broker: Broker, journal: Any) -> None:
    """As a first life leaves it: message 0 is told, the rest is to come."""
    await broker.insist(0)
    with anyio.fail_after(20):
        while await told(journal) != [0]:
            await anyio.sleep(0.1)
            if not await told(journal):
                await broker.insist(0)  # a subscription that did not exist yet hears nothing of before


async def complete(journal: Any) -> list[int]:
    with anyio.move_on_after(60):
        while len(await told(journal)) < MESSAGES:
            await anyio.sleep(0.1)
    await anyio.sleep(0.3)  # for what might come twice
    return await told(journal)


@pytest.mark.slow
async def test_a_broker_that_goes_away_again_and_again_is_heard_completely_once_and_in_order(broker: Broker) -> None:
    async def send() -> None:
        for number in range(1, MESSAGES):
            await broker.insist(number)

    async with temporary_journal() as journal, at_work(journal, broker.source):
        await subscribed(broker, journal)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(send)
            for _ in range(3):
                await anyio.sleep(random.uniform(0.05, 0.5))
                broker.line.cut()
                await anyio.sleep(random.uniform(0.05, 0.5))
                await broker.take_away()
                await anyio.sleep(random.uniform(0.0, 0.3))
                await broker.start()
        assert await complete(journal) == list(range(MESSAGES))


@pytest.mark.slow
async def test_a_line_that_is_cut_while_messages_are_on_it_loses_none_of_them(broker: Broker) -> None:
    async with temporary_journal() as journal:
        async with at_work(journal, broker.source):
            await subscribed(broker, journal)
        for number in range(1, MESSAGES):
            await broker.insist(number)
        for wait in (0.005, 0.01, 0.015, 0.02, 0.03, 0.04):
            async with at_work(journal, broker.source):
                await anyio.sleep(wait)
                broker.line.cut()
        async with at_work(journal, broker.source):
            assert await complete(journal) == list(range(MESSAGES))


@pytest.mark.slow
async def test_a_service_that_stops_at_any_moment_hears_everything_once_and_in_order(broker: Broker) -> None:
    async def send() -> None:
        for number in range(1, MESSAGES):
            await broker.insist(number)

    async with temporary_journal() as journal:
        async with at_work(journal, broker.source):
            await subscribed(broker, journal)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(send)
            for _ in range(6):
                async with at_work(journal, broker.source):
                    await anyio.sleep(random.uniform(0.0, 0.4))
        async with at_work(journal, broker.source):
            assert await complete(journal) == list(range(MESSAGES))


async def test_a_broker_that_dies_between_commit_and_acknowledgement_repeats_what_is_then_known(broker: Broker) -> None:
    async with temporary_journal() as journal:
        async with at_work(journal, broker.source):
            await subscribed(broker, journal)
        await broker.insist(1)
        events = broker.source().events({}, SystemClock())
        batch = await anext(events)
        await journal.append(*batch)
        await broker.take_away()
        with suppress(Exception), anyio.move_on_after(15):
            await anext(events)
        await events.aclose()  # type: ignore[attr-defined]
        await broker.start()
        await broker.insist(2)
        again = broker.source().events({}, SystemClock())
        seen: list[str | None] = []
        with anyio.fail_after(20):
            while len(set(seen)) < (1 if batch[0].delivery_id not in seen and seen else 2):
                batch_again = await anext(again)
                await journal.append(*batch_again)
                seen += [event.delivery_id for event in batch_again]
        await again.aclose()  # type: ignore[attr-defined]
        assert await told(journal) == [0, 1, 2]
