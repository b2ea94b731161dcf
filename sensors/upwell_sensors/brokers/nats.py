"""NATS JetStream: a durable consumer whose position moves with the journal's commits."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import partial
from typing import Any

from faststream import AckPolicy
from faststream.nats import JStream, NatsBroker
from faststream.nats.message import NatsMessage
from nats.js import JetStreamContext
from nats.js.api import ConsumerConfig, DeliverPolicy, RetentionPolicy, StreamInfo
from nats.js.errors import NotFoundError

from upwell.clock import Clock
from upwell.errors import SourceError
from upwell.events import MessageReceived
from upwell.sources.source import Cursor
from upwell_sensors.brokers.inflow import Inflow
from upwell_sensors.brokers.payloads import data_of, kept_headers
from upwell_sensors.brokers.source import (
    FAREWELL,
    IN_FLIGHT,
    BrokerSource,
    FailureLog,
    as_it_is,
    connection_lost,
    durable_name,
)
from upwell_sensors.brokers.topics import NATS_SUBJECT, TopicPattern


class NatsSource(BrokerSource[NatsMessage]):
    """Hears a subject of a stream; the cursor is the stream's sequence number."""

    def __init__(
        self,
        name: str,
        *,
        subject: str,
        url: str,
        stream: str | None = None,
        durable: str | None = None,
        start: str = "new",
    ) -> None:
        super().__init__(name, url)
        self._pattern = TopicPattern.parse(subject, NATS_SUBJECT)
        self._servers = [server.strip() for server in url.split(",")]
        self._stream = stream
        self._durable = durable or durable_name(name)
        self._all = start == "all"
        self._jetstream: JetStreamContext | None = None
        self._before_start = 0  # sequence number of the last message that was there when the source started

    def _broker(self, inflow: Inflow[NatsMessage]) -> NatsBroker:
        async def lost() -> None:
            inflow.fail(connection_lost("NATS"))

        # A client that reconnects would get what was under way only after what is newer; starting again rewinds.
        return NatsBroker(
            self._servers,
            name=f"upwell {self.name}",
            allow_reconnect=False,
            max_reconnect_attempts=1,  # of the first connection, too, which else is tried for two minutes in silence
            reconnect_time_wait=0,
            connect_timeout=5,
            disconnected_cb=lost,
            apply_types=False,
            graceful_timeout=FAREWELL,
            logger=FailureLog(self.name, inflow),
        )

    async def _start(self, broker: NatsBroker, inflow: Inflow[NatsMessage], cursor: Cursor, clock: Clock) -> None:
        self._jetstream = jetstream = (await broker.connect()).jetstream()
        stream = await self._find_stream(jetstream)
        self._stream = stream.config.name
        self._before_start = stream.state.last_seq
        with warnings.catch_warnings():
            # FastStream warns that such a consumer serves one process only: in that order lies the point of it.
            warnings.simplefilter("ignore", RuntimeWarning)
            subscriber = broker.subscriber(
                self._pattern.filter,
                stream=JStream(stream.config.name or "", declare=False),
                durable=self._durable,
                config=await self._consumer(jetstream, stream, cursor),
                ack_policy=AckPolicy.MANUAL,
                no_reply=True,
                decoder=as_it_is,
            )
        subscriber(partial(_hand, inflow))
        await broker.start()

    async def _find_stream(self, jetstream: JetStreamContext) -> StreamInfo:
        try:
            name = self._stream or await jetstream.find_stream_name_by_subject(self._pattern.filter)
            return await jetstream.stream_info(name)
        except NotFoundError:
            missing = (
                f"stream {self._stream!r}" if self._stream else f"stream with the subject {self._pattern.filter!r}"
            )
            raise SourceError(f"{self.name}: NATS has no {missing}; create it, or correct the declaration") from None

    async def _consumer(self, jetstream: JetStreamContext, stream: StreamInfo, cursor: Cursor) -> ConsumerConfig:
        """How to make the durable consumer where there is none.

        One that an earlier life left with messages under way is made anew, from the first of them: redelivery would
        bring them after a pause (30 seconds), and after what is newer. (Not on a stream that forgets what no consumer
        waits for.)
        """
        name, limits = stream.config.name or "", stream.config.retention == RetentionPolicy.LIMITS
        resume = cursor.get("sequence")
        if resume is not None and resume > stream.state.last_seq:
            resume = 0  # the stream was made anew, and all that it has is new
        try:
            consumer = await jetstream.consumer_info(name, self._durable)
        except NotFoundError:
            pass
        else:
            if consumer.push_bound:
                raise SourceError(
                    f"{self.name}: the durable consumer {self._durable!r} is in use by another process; "
                    "stop that one, or give this source a name of its own with durable="
                )
            if consumer.config.filter_subject != self._pattern.filter:
                raise SourceError(
                    f"{self.name}: the durable consumer {self._durable!r} is for {consumer.config.filter_subject!r}; "
                    "delete it, or choose another durable="
                )
            if consumer.num_ack_pending and limits:
                resume = max(resume or 0, consumer.ack_floor.stream_seq)
                await jetstream.delete_consumer(name, self._durable)
        config = ConsumerConfig(max_ack_pending=IN_FLIGHT)
        if resume and limits:
            config.deliver_policy, config.opt_start_seq = DeliverPolicy.BY_START_SEQUENCE, resume + 1
        elif resume is None and not self._all and stream.config.retention != RetentionPolicy.WORK_QUEUE:
            config.deliver_policy = DeliverPolicy.NEW
        return config

    async def _check(self) -> None:
        """A server says nothing to who hears a stream or a consumer that is deleted."""
        assert self._jetstream is not None
        assert self._stream is not None
        consumer = await self._jetstream.consumer_info(self._stream, self._durable)
        if not consumer.push_bound:
            raise SourceError(f"{self.name}: the durable consumer {self._durable!r} was made anew by somebody")

    def _event(self, message: NatsMessage, clock: Clock) -> MessageReceived:
        raw, at = message.raw_message, message.raw_message.metadata
        sequence = at.sequence.stream
        return MessageReceived(
            source=self.name,
            path=raw.subject,
            data=data_of(raw.data, message.content_type),
            headers=kept_headers(raw.headers),
            captures=self._pattern.captures(raw.subject),
            # The time is that of the stream: a stream that is made anew numbers from 1 again.
            delivery_id=f"{at.stream}:{sequence}@{at.timestamp.timestamp():.6f}",
            occurred_at=at.timestamp,
            caught_up=sequence <= self._before_start,
            cursor={"sequence": sequence},
        )

    async def _acknowledge(self, messages: Sequence[NatsMessage]) -> None:
        for message in messages:
            await message.ack()

    async def _stop(self, broker: Any, unacknowledged: Sequence[NatsMessage]) -> None:
        # Unsubscribed first: else the server would give them to us once more, and wait again.
        for subscriber in broker.subscribers:
            await subscriber.stop()
        for message in unacknowledged:
            await message.nack()
        await broker.stop()


async def _hand(inflow: Inflow[Any], message: NatsMessage) -> None:
    await inflow.hand(message, message.raw_message.metadata.sequence.stream)
