"""Redis streams: a consumer group whose pending entries are those that the journal does not have yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

from faststream import AckPolicy
from faststream.message import StreamMessage
from faststream.redis import RedisBroker, StreamSub
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ResponseError

from upwell.clock import Clock
from upwell.events import Json, MessageReceived
from upwell.sources.source import Cursor
from upwell_sensors.brokers.inflow import Inflow
from upwell_sensors.brokers.payloads import data_of, kept_headers
from upwell_sensors.brokers.source import FAREWELL, IN_FLIGHT, BrokerSource, FailureLog, as_it_is, durable_name

_CONSUMER = "upwell"
_BLOCK = 2000  # milliseconds that one XREADGROUP waits for an entry, at the server
_DEAF_AFTER = 10.0  # seconds without an answer, of which a blocking read takes two


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of a stream; it has no fields where it was deleted while it waited for its acknowledgement."""

    id: str
    fields: Mapping[bytes, bytes]


class RedisStreamSource(BrokerSource[Entry]):
    """Hears a stream through a consumer group; the cursor is the id of the last entry."""

    def __init__(
        self,
        name: str,
        *,
        stream: str,
        url: str,
        group: str | None = None,
        start: str = "new",
        field: str | None = None,
    ) -> None:
        super().__init__(name, url)
        self._stream = stream
        self._url = url
        self._group = group or durable_name(name)
        self._first = "0" if start == "all" else "$"
        self._field = field
        self._before_start = (0, 0)  # id of the last entry that was there when the source started
        self._client: Any = None  # redis-py's types say any shape that any version of its protocol may answer in

    def _broker(self, inflow: Inflow[Entry]) -> RedisBroker:
        # A client that repeats a read by itself never learns of the entries that were on their way when the
        # connection broke; so it must not, and the source starts again and asks for them.
        return RedisBroker(
            self._url,
            retry=Retry(NoBackoff(), 0),
            socket_timeout=_DEAF_AFTER,
            socket_connect_timeout=_DEAF_AFTER,
            apply_types=False,
            graceful_timeout=FAREWELL,
            logger=FailureLog(self.name, inflow),
        )

    async def _start(self, broker: RedisBroker, inflow: Inflow[Entry], cursor: Cursor, clock: Clock) -> None:
        self._client = client = await broker.connect()
        await self._ensure_group(client, str(cursor.get("id") or self._first))
        info = await client.xinfo_stream(self._stream)
        self._before_start = _order(info["last-generated-id"].decode())
        await self._hand_over_pending(client, inflow)
        subscriber = broker.subscriber(
            stream=StreamSub(
                self._stream, group=self._group, consumer=_CONSUMER, polling_interval=_BLOCK, max_records=IN_FLIGHT
            ),
            ack_policy=AckPolicy.MANUAL,
            no_reply=True,
            parser=_unparsed,
            decoder=as_it_is,
        )
        subscriber(partial(_hand, inflow))
        await broker.start()

    async def _ensure_group(self, client: Any, position: str) -> None:
        try:
            await client.xgroup_create(self._stream, self._group, id=position, mkstream=True)
        except ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise

    async def _hand_over_pending(self, client: Any, inflow: Inflow[Entry]) -> None:
        """First what was delivered to an earlier life and not acknowledged; never more than that could hold."""
        after = "0"
        while True:
            answer = await client.xreadgroup(self._group, _CONSUMER, {self._stream: after}, count=IN_FLIGHT)
            entries = answer[0][1] if answer else []
            for entry_id, fields in entries:
                after = entry_id.decode()
                inflow.put(Entry(after, fields or {}), after)
            if not entries:
                return

    def _event(self, message: Entry, clock: Clock) -> MessageReceived:
        milliseconds, _ = order = _order(message.id)
        data, headers = self._contents(message.fields)
        return MessageReceived(
            source=self.name,
            path=self._stream,
            data=data,
            headers=headers,
            delivery_id=f"{self._stream}:{message.id}",
            occurred_at=_instant(milliseconds),
            caught_up=order <= self._before_start,
            cursor={"id": message.id},
        )

    def _contents(self, fields: Mapping[bytes, bytes]) -> tuple[Json, Mapping[str, str]]:
        named = {name.decode(errors="backslashreplace"): value for name, value in fields.items()}
        if self._field is None:
            return {name: data_of(value) for name, value in named.items()}, {}
        return data_of(named.pop(self._field, None)), kept_headers(named)

    async def _acknowledge(self, messages: Sequence[Entry]) -> None:
        await self._client.xack(self._stream, self._group, *(message.id for message in messages))


async def _unparsed(raw: Any) -> StreamMessage[Any]:
    return StreamMessage(raw_message=raw, body=b"")


async def _hand(inflow: Inflow[Entry], message: StreamMessage[Any]) -> None:
    entry_id = message.raw_message["message_ids"][0].decode()
    await inflow.hand(Entry(entry_id, message.raw_message["data"]), entry_id)


def _order(entry_id: str) -> tuple[int, int]:
    """An entry's id as numbers, which are in order."""
    milliseconds, _, number = entry_id.partition("-")
    return int(milliseconds), int(number or 0)


def _instant(milliseconds: int) -> datetime | None:
    """When the entry was added, unless its id is the sender's own and no time."""
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC) if milliseconds > 10**11 else None
    except (OverflowError, ValueError, OSError):
        return None
