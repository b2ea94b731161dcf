"""uvicorn's HTTP protocol with the bounds it lacks: time for a request, size of its head, connections of a client.

Without them a silent or slow connection stays for ever and a head may have any size. The bounds sit in the
protocol because an application sees a request only when its head is complete.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

_HEADER_OVERHEAD = 32  # bytes of memory that a header costs beside its text, as HTTP/2 counts them
_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
_TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


@dataclass(frozen=True, kw_only=True)
class ConnectionLimits:
    """What one client may take. Durations are seconds.

    `request_for` bounds the reading of a whole request, `unread_for` the time a client may leave an answer unread.
    """

    request_for: float = 10.0
    unread_for: float = 30.0
    keep_alive_for: float = 5.0
    head_bytes: int = 32 * 1024
    connections_per_client: int = 256
    connections: int = 4096


class Clients:
    """The open connections, by client address."""

    def __init__(self, limits: ConnectionLimits) -> None:
        self.limits = limits
        self._open: Counter[str] = Counter()
        self._total = 0

    def admit(self, address: str) -> bool:
        """Count a new connection; false when there are too many of this client, or in all."""
        self._open[address] += 1
        self._total += 1
        return self._open[address] <= self.limits.connections_per_client and self._total <= self.limits.connections

    def leave(self, address: str) -> None:
        """Forget one that `admit` counted."""
        self._total -= 1
        self._open[address] -= 1
        if not self._open[address]:
            del self._open[address]


class HeadTooLarge(Exception):
    """Ends the parsing of a request; the parser passes it on as an error of its own."""


class GuardedProtocol(HttpToolsProtocol):
    """One connection.

    The deadline is for reading a request: it runs from the first byte (or the opening of the connection) to the
    last, and not while the application works. Between requests uvicorn's own keep-alive applies.
    """

    def __init__(self, config: Config, state: ServerState, clients: Clients) -> None:
        super().__init__(config, state, {})
        self._clients = clients
        self._limits = clients.limits
        self._address = ""
        self._deadline: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None
        self._in_request = False
        self._head_too_large = False
        self._unparsed = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        super().connection_made(transport)
        self._address = self.client[0] if self.client else ""
        if self._clients.admit(self._address):
            self._start_deadline()
        else:
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._clients.leave(self._address)
        self._stop_deadline()
        self._stop_waiting_for_reader()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._deadline is None and self._is_idle():
            # Also bytes that begin no request end uvicorn's keep-alive; without this nothing would bound them.
            self._start_deadline()
        self._unparsed += len(data)
        super().data_received(data)
        # A head that does not end (or a trailer) shows in the bytes that came to nothing yet.
        if self._unparsed > self._limits.head_bytes and not self.transport.is_closing():
            self._refuse(_TOO_LARGE)

    def on_message_begin(self) -> None:
        self._in_request = True
        self._unparsed = 0
        self._start_deadline()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._unparsed = 0
        size = sum([len(name) + len(value) + _HEADER_OVERHEAD for name, value in self.headers], len(self.url))
        if size > self._limits.head_bytes:
            self._head_too_large = True
            raise HeadTooLarge
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._unparsed = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._in_request = False
        self._unparsed = 0
        # Answered before it was read whole: uvicorn's keep-alive is over, so the deadline stays.
        if not self._is_idle():
            self._stop_deadline()
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        if self._head_too_large:
            self._refuse(_TOO_LARGE)
        else:
            self._stop_deadline()
            super().send_400_response(msg)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unread = self.loop.call_later(self._limits.unread_for, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stop_waiting_for_reader()

    def _is_idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _start_deadline(self) -> None:
        self._stop_deadline()
        self._deadline = self.loop.call_later(self._limits.request_for, self._end_slow_request)

    def _stop_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _stop_waiting_for_reader(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def _end_slow_request(self) -> None:
        self._deadline = None
        if self._in_request and (self._is_idle() or not self.cycle.response_started):
            self._refuse(_TOO_SLOW)
        else:
            self.transport.abort()

    def _refuse(self, answer: bytes) -> None:
        self._stop_deadline()
        self.transport.write(answer)
        self.transport.close()
