"""Every broker's source keeps the contract of a source, and the promises of a broker, against a real one.

Kafka, for which there is no server, has a file of its own.
"""

from __future__ import annotations

import os
import socket
import statistics
import time
import traceback
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import aio_pika
import anyio
import nats
import pytest
import zmqtt
from aio_pika.exceptions import ChannelNotFoundEntity
from nats.js.errors import NotFoundError
from redis.asyncio import Redis

from upwell.clock import FakeClock, SystemClock
from upwell.errors import SourceError
from upwell.events import MessageReceived
from upwell.sources.source import EventSource
from upwell.testing import SourceContract
from upwell_sensors.brokers import source as source_module
from upwell_sensors.brokers.inflow import Inflow
from upwell_sensors.brokers.mqtt import MQTTSource
from upwell_sensors.brokers.nats import NatsSource
from upwell_sensors.brokers.rabbitmq import RabbitMQSource
from upwell_sensors.brokers.redis import RedisStreamSource

pytestmark = pytest.mark.anyio


def need(server: str, port: int) -> None:
    """Skip where the server does not run, unless it is one that has to."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=2).close()
    except OSError as error:
        if server in os.environ.get("UPWELL_TEST_REQUIRE", "").split(","):
            raise
        pytest.skip(f"no {server} at 127.0.0.1:{port}: {error}")


class BrokerContract(SourceContract):
    captured: Mapping[str, str] = {"place": "here"}
    headers: Mapping[str, str] = {"trace": "1"}

    async def publish(self, body: bytes) -> None:
        """Send a message with the headers `trace` and `X-Api-Key`, about the place `here`."""
        raise AssertionError("each broker says how")

    async def emit(self, number: int) -> None:
        await self.publish(b'{"id": "%d"}' % number)

    async def emit_again_if_the_first_start_forgets(self) -> None:
        """The position is the broker's: what was acknowledged does not come again, whatever the cursor says."""
        await self.emit(2)

    async def running(self) -> Any:
        """The events of a source that has subscribed, and has acknowledged a first message."""
        events = (await self.make_source()).events({}, SystemClock())
        first = _Once(events)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(first.get)
            await self.start()
            await self.emit(0)
        return events

    async def take(self, source: EventSource, count: int) -> list[list[MessageReceived]]:
        batches: list[list[MessageReceived]] = []
        with anyio.fail_after(self.patience):
            async with aclosing(source.events({}, SystemClock())) as events:  # type: ignore[type-var]
                async for batch in events:
                    if sum(map(len, batches)) >= count:
                        break
                    batches.append(list(batch))
                    if sum(map(len, batches)) >= count:
                        await self.emit(-1)  # for another batch, which is when the last one counts as committed
        return batches

    async def subscribe(self) -> None:
        """As after a first life of the source."""
        async with self._listening({}) as heard:
            await self.emit(0)
            await self._until(heard, 1)

    async def test_what_the_journal_did_not_get_comes_again_as_the_same_message(self) -> None:
        await self.subscribe()
        await self.emit(1)
        told = []
        for _ in range(2):
            events = (await self.make_source()).events({}, SystemClock())
            with anyio.fail_after(self.patience):
                told += await anext(events)
            await events.aclose()
        lost, again = told
        assert lost.data == again.data == {"id": "1"}
        assert lost.delivery_id == again.delivery_id is not None
        assert again.caught_up

    async def test_a_backlog_is_told_in_order_and_many_at_a_time(self) -> None:
        await self.subscribe()
        for number in range(300):
            await self.emit(number)
        batches = await self.take(await self.make_source(), 300)
        assert [event.data["id"] for batch in batches for event in batch][:300] == [str(each) for each in range(300)]
        assert len(batches) < 150

    async def test_a_message_that_nobody_can_read_is_told_and_blocks_nothing(self) -> None:
        await self.subscribe()
        for body in (b"\xff\xfe", b"{broken", b"", b'{"id": "9"}'):
            await self.publish(body)
        batches = await self.take(await self.make_source(), 4)
        told = [event.data for batch in batches for event in batch]
        assert told[:4] == [{"base64": "//4="}, "{broken", None, {"id": "9"}]

    async def test_names_are_captured_and_headers_kept_except_secrets(self) -> None:
        await self.subscribe()
        await self.publish(b"1")
        ((event, *_), *_) = await self.take(await self.make_source(), 1)
        assert event.captures == self.captured
        assert {name: value for name, value in event.headers.items() if name in ("trace", "X-Api-Key")} == self.headers

    async def test_while_the_journal_refuses_nothing_piles_up(self, monkeypatch: pytest.MonkeyPatch) -> None:
        inflows: list[Inflow[Any]] = []

        def watched(limit: int) -> Inflow[Any]:
            inflows.append(Inflow(limit))
            return inflows[-1]

        await self.subscribe()
        for number in range(900):
            await self.emit(number)
        monkeypatch.setattr(source_module, "Inflow", watched)
        async with aclosing((await self.make_source()).events({}, SystemClock())) as events:  # type: ignore[type-var]
            told = list(await anext(events))
            await anyio.sleep(1)  # the journal does not store; everything that can come has come
            assert inflows[0].handed <= source_module.IN_FLIGHT + 100
            with anyio.fail_after(30):
                while len(told) < 900:
                    told += await anext(events)
        assert [event.data["id"] for event in told] == [str(number) for number in range(900)]

    async def test_a_message_is_told_within_milliseconds(self) -> None:
        events = await self.running()
        took = []
        async with aclosing(events):
            for number in range(30):
                async with anyio.create_task_group() as tasks:
                    once = _Once(events)
                    tasks.start_soon(once.get)
                    await anyio.sleep(0.005)
                    sent = time.perf_counter()
                    await self.emit(number)
                took.append(once.at - sent)
        print(f"{self.name}: {statistics.median(took) * 1000:.2f} ms")
        assert statistics.median(took) < 0.05


async def deaf(source: Any, delete: Callable[[], Awaitable[None]], error: type[Exception]) -> None:
    """A source whose subscription is gone, which nobody tells it, notices within half a minute."""
    clock = FakeClock(datetime(2024, 3, 1, tzinfo=UTC))
    events = source.events({}, clock)
    with pytest.raises(ExceptionGroup) as ended:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_Once(events).get)
            await anyio.sleep(0.5)
            await delete()
            with anyio.fail_after(20):
                while True:
                    await clock.advance(5)
    assert ended.group_contains(error)
    await events.aclose()


class _Once:
    def __init__(self, events: Any) -> None:
        self._events = events
        self.at = 0.0
        self.batch: Any = None

    async def get(self) -> None:
        self.batch = await anext(self._events)
        self.at = time.perf_counter()


class TestNats(BrokerContract):
    name = "nats:contract"

    @pytest.fixture(autouse=True)
    async def _stream(self) -> AsyncIterator[None]:
        need("nats", 4222)
        self.stream = f"CONTRACT{uuid.uuid4().hex}"
        self.client = await nats.connect("nats://127.0.0.1:4222")
        await self.client.jetstream().add_stream(name=self.stream, subjects=[f"{self.stream}.>"])
        yield
        await self.client.jetstream().delete_stream(self.stream)
        await self.client.close()

    async def make_source(self) -> NatsSource:
        return NatsSource(self.name, subject=f"{self.stream}.{{place}}", url="nats://127.0.0.1:4222")

    async def publish(self, body: bytes) -> None:
        headers = {"trace": "1", "X-Api-Key": "hidden"}
        await self.client.jetstream().publish(f"{self.stream}.here", body, headers=headers)

    def source(self, **options: Any) -> NatsSource:
        return NatsSource(self.name, **{"subject": f"{self.stream}.*", "url": "nats://127.0.0.1:4222", **options})

    async def test_all_begins_with_what_the_stream_has(self) -> None:
        await self.emit(1)
        ((event,), *_) = await self.take(self.source(start="all"), 1)
        assert (event.data, event.caught_up) == ({"id": "1"}, True)

    async def test_a_consumer_that_is_gone_is_made_again_after_the_last_event_of_the_journal(self) -> None:
        for number in (1, 2, 3):
            await self.emit(number)
        events = self.source().events({"sequence": 2}, SystemClock())
        assert [event.data["id"] for event in await anext(events)] == ["3"]
        await events.aclose()

    async def test_a_stream_that_was_made_anew_is_new_altogether(self) -> None:
        await self.emit(1)
        events = self.source().events({"sequence": 2000}, SystemClock())
        assert [event.data["id"] for event in await anext(events)] == ["1"]
        await events.aclose()

    async def test_a_work_queue_keeps_what_was_under_way_and_gives_it_again(self) -> None:
        jetstream = self.client.jetstream()
        await jetstream.delete_stream(self.stream)
        await jetstream.add_stream(name=self.stream, subjects=[f"{self.stream}.>"], retention="workqueue")
        await self.emit(1)
        for _ in range(2):
            events = self.source().events({}, SystemClock())
            with anyio.fail_after(self.patience):
                assert [event.data["id"] for event in await anext(events)] == ["1"]
            await events.aclose()

    async def test_a_stream_that_is_deleted_ends_the_source(self) -> None:
        async def delete() -> None:
            await self.client.jetstream().delete_stream(self.stream)

        await deaf(self.source(), delete, NotFoundError)
        await self.client.jetstream().add_stream(name=self.stream, subjects=[f"{self.stream}.>"])

    async def test_what_cannot_be_heard_is_said(self) -> None:
        with pytest.raises(SourceError, match="no stream with the subject 'nowhere'"):
            await self.take(self.source(subject="nowhere"), 1)
        async with self._listening({}):
            with pytest.raises(SourceError, match="in use by another process"):
                await self.take(self.source(), 1)
        await self.emit(1)
        await self.take(self.source(durable="shared", start="all"), 1)
        with pytest.raises(SourceError, match="choose another durable="):
            await self.take(self.source(durable="shared", subject=f"{self.stream}.other"), 1)


class TestRedisStream(BrokerContract):
    name = "redis_stream:contract"
    captured: Mapping[str, str] = {}

    @pytest.fixture(autouse=True)
    async def _stream(self) -> AsyncIterator[None]:
        need("redis", 6379)
        self.stream = f"contract-{uuid.uuid4().hex}"
        self.client = Redis.from_url("redis://127.0.0.1:6379")
        yield
        await self.client.delete(self.stream)
        await self.client.aclose()

    async def make_source(self) -> RedisStreamSource:
        return RedisStreamSource(self.name, stream=self.stream, url="redis://127.0.0.1:6379", field="body")

    async def publish(self, body: bytes) -> None:
        await self.client.xadd(self.stream, {"body": body, "trace": "1", "X-Api-Key": "hidden"})

    def source(self, **options: Any) -> RedisStreamSource:
        return RedisStreamSource(self.name, stream=self.stream, url="redis://127.0.0.1:6379", **options)

    async def test_without_a_field_an_entry_is_all_of_its_fields(self) -> None:
        await self.client.xadd(self.stream, {"id": "7", "state": "paid", "lines": "[1]", b"\xff": b"\xff"})
        ((event,), *_) = await self.take(self.source(start="all"), 1)
        assert event.data == {"id": 7, "state": "paid", "lines": [1], "\\xff": {"base64": "/w=="}}
        assert event.delivery_id == f"{self.stream}:{event.cursor['id']}"
        assert abs(event.occurred_at.timestamp() - time.time()) < 60

    async def test_a_group_that_is_gone_is_made_again_after_the_last_event_of_the_journal(self) -> None:
        ids = [(await self.client.xadd(self.stream, {"number": number})).decode() for number in (1, 2, 3)]
        events = self.source().events({"id": ids[1]}, SystemClock())
        assert [event.data for event in await anext(events)] == [{"number": 3}]
        await events.aclose()

    async def test_an_entry_that_is_deleted_while_it_is_under_way_blocks_nothing(self) -> None:
        await self.subscribe()
        await self.emit(1)
        events = (await self.make_source()).events({}, SystemClock())
        (event,) = await anext(events)
        await events.aclose()
        await self.client.xdel(self.stream, event.cursor["id"])
        await self.emit(2)
        batches = await self.take(await self.make_source(), 2)
        assert [event.data for batch in batches for event in batch][:2] == [None, {"id": "2"}]


class TestRabbitMQ(BrokerContract):
    name = "rabbitmq:contract"

    @pytest.fixture(autouse=True)
    async def _queue(self) -> AsyncIterator[None]:
        need("rabbitmq", 5672)
        self.topic = f"contract-{uuid.uuid4().hex}"
        self.connection = await aio_pika.connect("amqp://127.0.0.1:5672/")
        channel = await self.connection.channel()
        self.exchange = await channel.get_exchange("amq.topic")
        yield
        await channel.queue_delete(self.topic)
        await self.connection.close()

    async def make_source(self) -> RabbitMQSource:
        return RabbitMQSource(
            self.name, topic=f"{self.topic}.{{place}}", queue=self.topic, url="amqp://127.0.0.1:5672/"
        )

    async def publish(self, body: bytes) -> None:
        headers = {"trace": "1", "X-Api-Key": "hidden"}
        message = aio_pika.Message(body, message_id=uuid.uuid4().hex, headers=headers)
        await self.exchange.publish(message, routing_key=f"{self.topic}.here")

    async def test_a_queue_that_is_there_is_heard_without_a_topic(self) -> None:
        await self.subscribe()
        await self.emit(1)
        source = RabbitMQSource(self.name, queue=self.topic, url="amqp://127.0.0.1:5672/")
        ((event, *_), *_) = await self.take(source, 1)
        assert (event.data, event.path, event.captures) == ({"id": "1"}, f"{self.topic}.here", {})

    async def test_a_message_without_an_id_has_none_unless_its_data_has(self, monkeypatch: pytest.MonkeyPatch) -> None:
        await self.subscribe()
        told = []
        for identity in (None, "$.id"):
            with monkeypatch.context() as patch:
                patch.setattr("aiormq.channel.UUID", lambda **_: SimpleNamespace(hex=None))  # it makes up an id
                await self.exchange.publish(aio_pika.Message(b'{"id": "a"}'), routing_key=f"{self.topic}.here")
            url = "amqp://127.0.0.1:5672/"
            source = RabbitMQSource(self.name, queue=self.topic, url=url, identity=identity)
            told += [event for batch in await self.take(source, 1) for event in batch]
            await self.take(source, 1)  # the one for another batch
        assert [event.delivery_id for event in told if event.data["id"] == "a"] == [None, "a"]

    async def test_a_queue_that_is_deleted_ends_the_source(self) -> None:
        async def delete() -> None:
            await (await self.connection.channel()).queue_delete(self.topic)

        await deaf(await self.make_source(), delete, ChannelNotFoundEntity)

    async def test_a_queue_that_is_not_there_is_said(self) -> None:
        source = RabbitMQSource(self.name, queue=f"{self.topic}-missing", url="amqp://127.0.0.1:5672/")
        with pytest.raises(SourceError, match="no queue"):
            await self.take(source, 1)


class TestMQTT(BrokerContract):
    name = "mqtt:contract"

    @pytest.fixture(autouse=True)
    async def _topic(self) -> AsyncIterator[None]:
        need("mqtt", 1883)
        self.topic = f"contract-{uuid.uuid4().hex}"
        async with zmqtt.MQTTClient("127.0.0.1", version="5.0") as self.client:
            yield
        # A clean session ends the one that the broker keeps.
        async with zmqtt.MQTTClient("127.0.0.1", version="5.0", client_id=self.topic):
            pass

    async def make_source(self) -> MQTTSource:
        return MQTTSource(
            self.name, topic=f"{self.topic}/{{place}}", url="mqtt://127.0.0.1:1883", client_id=self.topic, identity="$"
        )

    async def publish(self, body: bytes) -> None:
        properties = zmqtt.PublishProperties(user_properties=(("trace", "1"), ("X-Api-Key", "hidden")))
        await self.client.publish(f"{self.topic}/here", body, qos=zmqtt.QoS.AT_LEAST_ONCE, properties=properties)

    def source(self, **options: Any) -> MQTTSource:
        return MQTTSource(
            self.name, topic=f"{self.topic}/+", url="mqtt://127.0.0.1:1883", client_id=self.topic, **options
        )

    async def retained(self, body: bytes) -> None:
        await self.client.publish(f"{self.topic}/here", body, qos=zmqtt.QoS.AT_LEAST_ONCE, retain=True)

    async def test_what_the_broker_retains_is_told_once_if_it_is_asked_for(self) -> None:
        await self.retained(b"1")
        ((event,), *_) = await self.take(self.source(start="all"), 1)
        assert (event.data, event.caught_up, event.delivery_id) == (1, True, None)
        await self.emit(2)
        batches = await self.take(self.source(start="all"), 1)
        assert {"id": "2"} in [event.data for event in batches[-1]]
        assert 1 not in [event.data for batch in batches for event in batch]
        await self.retained(b"")

    async def test_what_the_broker_retains_is_no_news(self) -> None:
        await self.retained(b"1")
        async with self._listening({}) as heard:
            await self.emit(2)
            await self._until(heard, 1)
        assert [event.data for event in heard.events] == [{"id": "2"}]
        await self.retained(b"")

    @pytest.mark.parametrize("version", ["3.1.1", "5.0"])
    @pytest.mark.parametrize("qos", [1, 2])
    async def test_each_version_and_quality_keeps_what_comes_while_nobody_is_there(
        self, version: Any, qos: int
    ) -> None:
        for number in (1, 2):
            events = self.source(version=version, qos=qos).events({}, SystemClock())
            once = _Once(events)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(once.get)
                await self.start()
                if number == 1:
                    await self.client.publish(f"{self.topic}/here", b"1", qos=zmqtt.QoS(qos))
            await events.aclose()
        assert once.batch[0].data == 1
        assert once.batch[0].caught_up


@pytest.mark.parametrize(
    "source",
    [
        NatsSource("source", subject="orders", url="nats://alice:tr0ub4dor@127.0.0.1:1"),
        RedisStreamSource("source", stream="orders", url="redis://alice:tr0ub4dor@127.0.0.1:1"),
        RabbitMQSource("source", topic="orders", url="amqp://alice:tr0ub4dor@127.0.0.1:1/"),
        MQTTSource("source", topic="orders", url="mqtt://alice:tr0ub4dor@127.0.0.1:1"),
    ],
    ids=lambda source: type(source).__name__,
)
async def test_a_broker_that_is_not_there_is_said_at_once_and_without_the_password(source: Any) -> None:
    with anyio.fail_after(5), pytest.raises(SourceError) as refused:
        await anext(source.events({}, SystemClock()))
    assert "127.0.0.1:1" in str(refused.value)
    assert "tr0ub4dor" not in "".join(traceback.format_exception(refused.value))
