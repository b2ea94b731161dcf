"""The Kafka source, on FastStream's test broker: no server, the rest is real."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import pytest
from aiokafka import ConsumerRecord, TopicPartition
from faststream.kafka import TestKafkaBroker

from upwell.clock import SystemClock
from upwell.errors import SourceError
from upwell.testing import SourceContract
from upwell_sensors.brokers.kafka import KafkaSource

pytestmark = pytest.mark.anyio


class Topic:
    """One partition, as the broker keeps it for one group: the records, and how far the group has committed."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.records: list[ConsumerRecord[bytes, bytes]] = []
        self.committed = 0
        self.subscribers: list[Any] = []

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        self.committed = offsets[TopicPartition(self.name, 0)]

    async def publish(self, value: bytes | None, headers: Sequence[tuple[str, bytes]] = ()) -> None:
        at = int(time.time() * 1000)
        self.records.append(
            ConsumerRecord(self.name, 0, len(self.records), at, 0, None, value, None, 0, len(value or b""), headers)
        )
        for subscriber in self.subscribers:
            await subscriber.process_message(self.records[-1])


class TestedKafkaSource(KafkaSource):
    """The source, with the test broker where the client would connect."""

    __test__ = False

    def __init__(self, kafka: Topic, **options: Any) -> None:
        super().__init__("kafka:orders", url="localhost:9092", **{"topic": kafka.name, **options})
        self._topic = kafka

    async def _start(self, broker: Any, inflow: Any, cursor: Any, clock: Any) -> None:
        self._test_broker = TestKafkaBroker(broker, connect_only=True)
        await self._test_broker.__aenter__()
        await super()._start(broker, inflow, cursor, clock)
        self._subscriber.consumer = self._topic
        for record in self._topic.records[self._topic.committed :]:
            await self._subscriber.process_message(record)
        self._topic.subscribers.append(self._subscriber)

    async def _stop(self, broker: Any, unacknowledged: Any) -> None:
        self._topic.subscribers.clear()
        await self._test_broker.__aexit__()


class TestKafka(SourceContract):
    name = "kafka:orders"

    @pytest.fixture(autouse=True)
    def _topic(self) -> None:
        self.topic = Topic("orders")

    async def make_source(self) -> KafkaSource:
        return TestedKafkaSource(self.topic)

    async def emit(self, number: int) -> None:
        await self.topic.publish(b'{"number": %d}' % number)

    async def emit_again_if_the_first_start_forgets(self) -> None:
        """The position is the broker's: what was committed does not come again, whatever the cursor says."""
        await self.emit(2)


async def first(source: KafkaSource) -> Any:
    events = source.events({}, SystemClock())
    batch = await anext(events)
    await events.aclose()
    return batch


@pytest.fixture
async def topic() -> AsyncIterator[Topic]:
    yield Topic("orders.eu")


async def test_an_offset_is_committed_only_after_the_journal(topic: Topic) -> None:
    for number in range(3):
        await topic.publish(str(number).encode())
    events = TestedKafkaSource(topic).events({}, SystemClock())
    batch = await anext(events)
    assert [event.data for event in batch] == [0, 1, 2]
    assert topic.committed == 0
    await topic.publish(b"3")
    await anext(events)
    assert topic.committed == 3, "the fourth was fetched, but is not in the journal yet"
    await events.aclose()
    assert topic.committed == 3


async def test_what_the_journal_did_not_get_comes_again_under_its_old_delivery_id(topic: Topic) -> None:
    await topic.publish(b"1")
    lost, again = await first(TestedKafkaSource(topic)), await first(TestedKafkaSource(topic))
    assert lost[0].delivery_id == again[0].delivery_id
    assert lost[0].delivery_id.startswith("orders.eu-0-0@")


async def test_a_record_that_nobody_can_read_is_an_event_all_the_same(topic: Topic) -> None:
    await topic.publish(b"\xff\xfe", headers=[("trace", b"\xff"), ("content-type", b"application/json")])
    await topic.publish(None)
    unreadable, empty = await first(TestedKafkaSource(topic))
    assert unreadable.data == {"base64": "//4="}
    assert unreadable.headers == {"trace": "\\xff", "content-type": "application/json"}
    assert empty.data is None


async def test_a_pattern_captures_from_the_name_of_the_topic(topic: Topic) -> None:
    await topic.publish(b"1")
    (event,) = await first(TestedKafkaSource(topic, topic="orders.{region}"))
    assert (event.path, event.captures) == ("orders.eu", {"region": "eu"})
    assert event.cursor == {"orders.eu-0": 1}


@pytest.mark.parametrize(
    "options", [{}, {"topic": "orders.{region}"}, {"username": "alice", "password": "x", "tls": True}]
)
async def test_the_real_client_takes_the_configuration_and_says_that_nobody_is_there(options: dict[str, Any]) -> None:
    source = KafkaSource("kafka:orders", **{"topic": "orders", "url": "127.0.0.1:1", **options})
    with pytest.raises(SourceError, match=r"nothing can be heard from 127\.0\.0\.1:1"):
        await first(source)
