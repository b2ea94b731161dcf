"""What the sources of all brokers share: start, gather, tell, acknowledge, stop."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

import anyio
import structlog
from faststream.message import StreamMessage

from upwell.clock import Clock
from upwell.errors import SourceError
from upwell.events import MessageReceived
from upwell.sources.source import Cursor
from upwell_sensors.brokers.inflow import Inflow

M = TypeVar("M")

IN_FLIGHT = 256
"""How many messages may be here unacknowledged (NATS and RabbitMQ: that their server sends at most)."""

FAREWELL = 1.0
"""Seconds that FastStream gives its handlers to end."""

_BATCH = 100  # messages in one commit
_LOOK_AGAIN_AFTER = 30.0  # seconds after which a subscription that has gone without a word is noticed
_PATIENCE = 10.0  # seconds for taking leave of a broker, which may be gone

log = structlog.get_logger(__name__)


class BrokerSource(ABC, Generic[M]):
    """A subscription whose messages are acknowledged once the journal has them.

    Whatever goes wrong (the connection is lost, the broker restarts, a queue is deleted) ends the generator, and the
    host starts it again: what was not acknowledged then comes first, in order.
    """

    def __init__(self, name: str, url: str) -> None:
        self.name = name
        self.address = _without_credentials(url)

    async def events(self, cursor: Cursor, clock: Clock) -> AsyncIterator[Sequence[MessageReceived]]:
        inflow: Inflow[M] = Inflow(IN_FLIGHT)
        broker = self._broker(inflow)
        # As FastStream's own tasks: no cancel scope stays open over a `yield`.
        look_after_it = asyncio.create_task(self._look_after_it(inflow, clock))
        try:
            await self._begin(broker, inflow, cursor, clock)
            while True:
                await self._before_waiting(inflow)
                messages = await inflow.next(_BATCH)
                yield [self._event(message, clock) for message in messages]
                # Shielded: the journal has them, so they should not come again only because we are to stop now.
                with anyio.fail_after(_PATIENCE, shield=True):
                    await self._acknowledge(messages)
                inflow.settled()
        finally:
            look_after_it.cancel()
            unacknowledged = inflow.close()
            # Cancelled or not, the broker has to learn at once that nobody works on its messages any more.
            with anyio.move_on_after(_PATIENCE, shield=True):
                await asyncio.wait([look_after_it])
                await self._leave(broker, unacknowledged)

    async def _begin(self, broker: Any, inflow: Inflow[M], cursor: Cursor, clock: Clock) -> None:
        try:
            await self._start(broker, inflow, cursor, clock)
        except SourceError:
            raise
        except Exception as error:
            reason = str(error) or type(error).__name__
            raise SourceError(f"{self.name}: nothing can be heard from {self.address}: {reason}") from error

    async def _look_after_it(self, inflow: Inflow[M], clock: Clock) -> None:
        try:
            while True:
                await clock.sleep(_LOOK_AGAIN_AFTER)
                await self._check()
        except Exception as error:
            log.info("source.deaf", source=self.name, error=str(error), exc_info=error)
            inflow.fail(error)

    async def _leave(self, broker: Any, unacknowledged: Sequence[M]) -> None:
        try:
            await self._stop(broker, unacknowledged)
        except Exception as error:
            # The error that brought us here is the one to tell; this one, as a rule, says that the connection is gone.
            log.info("source.left", source=self.name, error=str(error), exc_info=error)

    @abstractmethod
    def _broker(self, inflow: Inflow[M]) -> Any:
        """FastStream's broker; it must not connect yet."""

    @abstractmethod
    async def _start(self, broker: Any, inflow: Inflow[M], cursor: Cursor, clock: Clock) -> None:
        """Connect and subscribe; what comes is handed to `inflow`, first of all what an earlier start left over."""

    @abstractmethod
    def _event(self, message: M, clock: Clock) -> MessageReceived:
        """The message as an event, whatever is in it."""

    @abstractmethod
    async def _acknowledge(self, messages: Sequence[M]) -> None:
        """Tell the broker that it may forget these."""

    async def _check(self) -> None:
        """For who would not be told that the subscription is gone: raise."""

    async def _before_waiting(self, inflow: Inflow[M]) -> None:
        """For who has to do something between two batches."""

    async def _stop(self, broker: Any, unacknowledged: Sequence[M]) -> None:
        """Leave; what is not acknowledged goes back."""
        await broker.stop()


class FailureLog:
    """Takes FastStream's log: what it would only write down, and carry on without, ends the source."""

    def __init__(self, source: str, inflow: Inflow[Any]) -> None:
        self._source = source
        self._inflow = inflow

    def log(self, level: int, msg: Any, /, *, exc_info: Any = None, extra: Mapping[str, Any] | None = None) -> None:
        if level >= logging.ERROR:
            self._inflow.fail(exc_info if isinstance(exc_info, Exception) else SourceError(str(msg)))
        elif level >= logging.WARNING:
            log.info("source.broker", source=self._source, message=str(msg))


async def as_it_is(message: StreamMessage[Any]) -> StreamMessage[Any]:
    """A decoder for FastStream that decodes nothing, so that no message can be undecodable."""
    return message


def durable_name(source: str) -> str:
    """What a source is called at its broker unless the user says otherwise; the same each time."""
    plain = re.sub(r"[^A-Za-z0-9_]+", "-", source).strip("-")
    return f"upwell-{plain}-{hashlib.sha256(source.encode()).hexdigest()[:8]}"


def _without_credentials(url: str) -> str:
    """Where the servers are (several between commas), without user, password and options."""
    return re.sub(r"//[^,]*@", "//", url).partition("?")[0]


def in_utc(at: datetime | None) -> datetime | None:
    """An instant of a client library, which may say UTC without saying so."""
    return at if at is None or at.tzinfo is not None else at.replace(tzinfo=UTC)


def connection_lost(what: str, error: object = None) -> SourceError:
    """The error with which a source ends when its broker is gone."""
    return SourceError(f"the connection to {what} was lost{f': {error}' if error else ''}")
