"""RabbitMQ: a durable queue, acknowledged as the journal commits."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial
from typing import Any

from aio_pika.abc import AbstractConnection
from faststream import AckPolicy
from faststream.rabbit import Channel, ExchangeType, RabbitBroker, RabbitExchange, RabbitQueue
from faststream.rabbit.message import RabbitMessage

from upwell.clock import Clock
from upwell.errors import SourceError
from upwell.events import MessageReceived
from upwell.sources.source import Cursor
from upwell_sensors.brokers.inflow import Inflow
from upwell_sensors.brokers.payloads import data_of, identity_of, kept_headers
from upwell_sensors.brokers.source import (
    FAREWELL,
    IN_FLIGHT,
    BrokerSource,
    FailureLog,
    as_it_is,
    connection_lost,
    durable_name,
    in_utc,
)
from upwell_sensors.brokers.topics import AMQP_ROUTING_KEY, TopicPattern

# What they say of a lost connection (that they will make a new one) is not so: the host starts the source again.
for _library in ("aiormq", "aio_pika"):
    logging.getLogger(_library).setLevel(logging.CRITICAL)


class RabbitMQSource(BrokerSource[RabbitMessage]):
    """Hears a queue; the cursor only tells when something was heard, since the position is the queue itself."""

    def __init__(
        self,
        name: str,
        *,
        url: str,
        topic: str | None = None,
        exchange: str = "amq.topic",
        queue: str | None = None,
        identity: str | None = None,
    ) -> None:
        super().__init__(name, url)
        self._url = url
        self._pattern = None if topic is None else TopicPattern.parse(topic, AMQP_ROUTING_KEY)
        self._exchange = exchange
        self._queue = queue or durable_name(name)
        self._identity = identity
        self._connection: AbstractConnection | None = None
        self._backlog = 0  # messages that were in the queue when the source started, and are still to come

    def _broker(self, inflow: Inflow[RabbitMessage]) -> RabbitBroker:
        def lost(_: object, error: BaseException | None) -> None:
            inflow.fail(connection_lost("RabbitMQ", error))

        return RabbitBroker(
            self._url,
            timeout=10,
            default_channel=Channel(prefetch_count=IN_FLIGHT),
            on_close=[lost],
            apply_types=False,
            graceful_timeout=FAREWELL,
            logger=FailureLog(self.name, inflow),
        )

    async def _start(self, broker: RabbitBroker, inflow: Inflow[RabbitMessage], cursor: Cursor, clock: Clock) -> None:
        self._connection = await broker.connect()
        if self._pattern is None:
            queue, exchange = RabbitQueue(self._queue, declare=False), None
        else:
            queue = RabbitQueue(self._queue, durable=True, routing_key=self._pattern.filter)
            exchange = RabbitExchange(
                self._exchange,
                type=ExchangeType.TOPIC,
                durable=True,
                declare=not self._exchange.startswith("amq."),
            )
        declared = await broker.declare_queue(queue)
        self._backlog = declared.declaration_result.message_count or 0

        def closed(_: object, error: BaseException | None) -> None:
            inflow.fail(connection_lost(f"the queue {self._queue!r} of RabbitMQ", error))

        # The server closes a channel, and the client opens it again, without the connection being lost.
        declared.channel.close_callbacks.add(closed)
        subscriber = broker.subscriber(queue, exchange, ack_policy=AckPolicy.MANUAL, no_reply=True, decoder=as_it_is)
        subscriber(partial(_hand, inflow))
        await broker.start()

    async def _check(self) -> None:
        """A server closes nothing when a queue is deleted; it only sends no more."""
        assert self._connection is not None
        async with self._connection.channel() as channel:
            queue = await channel.get_queue(self._queue)
            if not queue.declaration_result.consumer_count:
                raise SourceError(f"{self.name}: the queue {self._queue!r} was made anew by somebody")

    def _event(self, message: RabbitMessage, clock: Clock) -> MessageReceived:
        raw = message.raw_message
        routing_key = raw.routing_key or ""
        data = data_of(raw.body, raw.content_type)
        caught_up = self._backlog > 0 or bool(raw.redelivered)
        self._backlog = max(0, self._backlog - 1)
        return MessageReceived(
            source=self.name,
            path=routing_key,
            data=data,
            headers=kept_headers(raw.headers),
            captures=self._pattern.captures(routing_key) if self._pattern else {},
            delivery_id=identity_of(data, self._identity) if self._identity else raw.message_id or None,
            occurred_at=in_utc(raw.timestamp),
            caught_up=caught_up,
            cursor={"heard_at": clock.now().isoformat()},
        )

    async def _acknowledge(self, messages: Sequence[RabbitMessage]) -> None:
        for message in messages:
            await message.ack()


async def _hand(inflow: Inflow[Any], message: RabbitMessage) -> None:
    await inflow.hand(message)
