"""Kafka: a consumer group whose offsets move with the journal's commits."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, Literal

from aiokafka import ConsumerRecord, TopicPartition
from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from faststream.message import StreamMessage
from faststream.security import BaseSecurity, SASLPlaintext, SASLScram256, SASLScram512

from upwell.clock import Clock
from upwell.events import MessageReceived
from upwell.sources.source import Cursor
from upwell_sensors.brokers.inflow import Inflow
from upwell_sensors.brokers.payloads import data_of, kept_headers
from upwell_sensors.brokers.source import FAREWELL, BrokerSource, FailureLog, as_it_is, durable_name
from upwell_sensors.brokers.topics import FlatPattern

_SASL = {"PLAIN": SASLPlaintext, "SCRAM-SHA-256": SASLScram256, "SCRAM-SHA-512": SASLScram512}


class KafkaSource(BrokerSource["ConsumerRecord[bytes, bytes]"]):
    """Hears topics; the cursor has the next offset of each partition."""

    def __init__(
        self,
        name: str,
        *,
        topic: str,
        url: str,
        group: str | None = None,
        start: str = "new",
        username: str | None = None,
        password: str | None = None,
        mechanism: str = "SCRAM-SHA-512",
        tls: bool = False,
    ) -> None:
        super().__init__(name, url)
        self._pattern = FlatPattern.parse(topic)
        self._servers = [server.strip() for server in url.split(",")]
        self._group = group or durable_name(name)
        self._reset: Literal["earliest", "latest"] = "earliest" if start == "all" else "latest"
        context = ssl.create_default_context() if tls else None
        self._security = (
            BaseSecurity(ssl_context=context, use_ssl=tls)
            if username is None
            else _SASL[mechanism](username, password or "", ssl_context=context, use_ssl=tls)
        )
        self._started_at = datetime.min.replace(tzinfo=UTC)
        self._subscriber: Any = None

    def _broker(self, inflow: Inflow[ConsumerRecord[bytes, bytes]]) -> KafkaBroker:
        return KafkaBroker(
            self._servers,
            client_id="upwell",
            security=self._security,
            allow_auto_create_topics=False,
            apply_types=False,
            graceful_timeout=FAREWELL,
            logger=FailureLog(self.name, inflow),
        )

    async def _start(
        self, broker: KafkaBroker, inflow: Inflow[ConsumerRecord[bytes, bytes]], cursor: Cursor, clock: Clock
    ) -> None:
        self._started_at = clock.now()
        self._subscriber = broker.subscriber(
            *([self._pattern.text] if self._pattern.is_plain else []),
            pattern=None if self._pattern.is_plain else self._pattern.regex,
            group_id=self._group,
            auto_offset_reset=self._reset,
            ack_policy=AckPolicy.MANUAL,
            no_reply=True,
            parser=_unparsed,
            decoder=as_it_is,
        )
        self._subscriber(partial(_hand, inflow))
        await broker.start()

    def _event(self, message: ConsumerRecord[bytes, bytes], clock: Clock) -> MessageReceived:
        at = datetime.fromtimestamp(message.timestamp / 1000, UTC) if message.timestamp > 0 else None
        headers = kept_headers(dict(message.headers))
        place = f"{message.topic}-{message.partition}"
        return MessageReceived(
            source=self.name,
            path=message.topic,
            data=data_of(message.value, headers.get("content-type")),
            headers=headers,
            captures=self._pattern.captures(message.topic),
            # With the time, because a topic that is made anew counts from 0 again.
            delivery_id=f"{place}-{message.offset}@{message.timestamp}",
            occurred_at=at,
            caught_up=at is not None and at < self._started_at,
            cursor={place: message.offset + 1},
        )

    async def _acknowledge(self, messages: Sequence[ConsumerRecord[bytes, bytes]]) -> None:
        """Commit these offsets, and not, as a message's own `ack` does, all that the client has fetched so far."""
        offsets = {TopicPartition(each.topic, each.partition): each.offset + 1 for each in messages}
        await self._subscriber.consumer.commit(offsets)


async def _unparsed(record: ConsumerRecord[bytes, bytes]) -> StreamMessage[Any]:
    """The record as it is: FastStream's own parser stumbles over headers that are no UTF-8."""
    return StreamMessage(raw_message=record, body=b"")


async def _hand(inflow: Inflow[ConsumerRecord[bytes, bytes]], message: StreamMessage[Any]) -> None:
    record = message.raw_message
    await inflow.hand(record, (record.topic, record.partition, record.offset))
