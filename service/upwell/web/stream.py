"""The journal as server-sent events: resumable, filtered, and gone when the service stops."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeAlias

import anyio
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from upwell.journal.journal import Record
from upwell.journal.projections import assets_of
from upwell.web.parts import WebParts
from upwell.web.presenting import present_event
from upwell.web.problems import RETRY_AFTER, ProblemError

HEARTBEAT = timedelta(seconds=15)

Write: TypeAlias = Callable[[bytes], Awaitable[None]]


@dataclass(frozen=True, kw_only=True)
class StreamFilter:
    """Which events a client wants; empty means all."""

    kinds: frozenset[str] = frozenset()
    assets: frozenset[str] = frozenset()

    def wants(self, record: Record) -> bool:
        if self.kinds and record.event.kind not in self.kinds:
            return False
        return not self.assets or not self.assets.isdisjoint(assets_of(record.event))


class Streams:
    """The streams that are open, of which there may be so many and no more."""

    def __init__(self, parts: WebParts) -> None:
        self._parts = parts
        self.open = 0

    def follow(self, after: int | None, wanted: StreamFilter) -> StreamResponse:
        """A response that tells what happens after `after`, or from now on.

        Raises:
            ProblemError: 503, the service is stopping or too many streams are open.
        """
        if self._parts.draining.is_set():
            raise ProblemError(503, "The service is stopping.", headers=RETRY_AFTER)
        if self.open >= self._parts.max_streams:
            raise ProblemError(503, f"{self.open} streams are open already.", headers=RETRY_AFTER)
        head = self._parts.journal.head
        return StreamResponse(self, self._parts, min(after, head) if after is not None else head, wanted)


class StreamResponse(Response):
    """Follows the journal until the client leaves or the service stops.

    Holds one batch at a time: a client that reads slowly is waited for, while the journal keeps its place on disk.
    """

    def __init__(self, streams: Streams, parts: WebParts, after: int, wanted: StreamFilter) -> None:
        super().__init__(media_type="text/event-stream", headers={"cache-control": "no-store"})
        del self.headers["content-length"]
        self._streams = streams
        self._parts = parts
        self._seen = after
        self._wanted = wanted
        self._sent_at = parts.clock.now()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        turn = anyio.Lock()

        async def write(body: bytes) -> None:
            async with turn:
                self._sent_at = self._parts.clock.now()
                await send({"type": "http.response.body", "body": body, "more_body": True})

        self._streams.open += 1
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_cancel_with_the_client, receive, tasks.cancel_scope)
                tasks.start_soon(_cancel_when, self._parts.draining, tasks.cancel_scope)
                tasks.start_soon(self._keep_alive, write)
                await self._follow(write)
                tasks.cancel_scope.cancel()
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            self._streams.open -= 1

    async def _follow(self, write: Write) -> None:
        # Tells the client, and every proxy between, that the stream is open although nothing has happened yet.
        await write(b": following\n\n")
        async for records in self._parts.journal.subscribe(self._seen):
            if lines := b"".join(_lines(record) for record in records if self._wanted.wants(record)):
                await write(lines)
            self._seen = records[-1].id

    async def _keep_alive(self, write: Write) -> None:
        clock = self._parts.clock
        while True:
            await clock.sleep_until(self._sent_at + HEARTBEAT)
            if clock.now() >= self._sent_at + HEARTBEAT:
                # An id without data is no event, but a client that comes back resumes behind what its filter left out.
                await write(b": alive\nid: %d\n\n" % self._seen)


async def _cancel_with_the_client(receive: Receive, scope: anyio.CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()


async def _cancel_when(event: anyio.Event, scope: anyio.CancelScope) -> None:
    await event.wait()
    scope.cancel()


def _lines(record: Record) -> bytes:
    body = present_event(record).model_dump_json().encode()
    return b"id: %d\nevent: %b\ndata: %b\n\n" % (record.id, record.event.kind.encode(), body)
