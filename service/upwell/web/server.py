"""Serves an application inside the service's own event loop, and ends gracefully."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from email.utils import formatdate
from typing import Protocol

import anyio
import anyio.abc
import structlog
from starlette.types import Receive, Scope, Send
from uvicorn.config import Config
from uvicorn.server import ServerState

from upwell.web.protocol import Clients, ConnectionLimits, GuardedProtocol

log = structlog.get_logger("upwell.web")

_DATE_FOR = 1.0  # seconds that a Date header is used again


class Served(Protocol):
    """An ASGI application that can be told to come to an end."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""

    def drain(self) -> None:
        """Take nothing new, and let what would go on for ever end."""


async def serve(
    app: Served,
    host: str,
    port: int,
    *,
    limits: ConnectionLimits | None = None,
    grace: float = 5.0,
    task_status: anyio.abc.TaskStatus[int] = anyio.TASK_STATUS_IGNORED,
) -> None:
    """Serve until cancelled; then drain, let requests under way end within `grace` seconds, and cut the rest.

    `task_status` is given the port, which matters where `port` is 0. No signal handlers are installed.

    Raises:
        OSError: the address cannot be used.
    """
    server = _Server(app, limits or ConnectionLimits())
    bound = await server.listen(host, port)
    try:
        task_status.started(bound)
        await anyio.sleep_forever()
    finally:
        # Whoever is being answered gets the answer, though this task is cancelled.
        with anyio.CancelScope(shield=True):
            await server.stop(grace)


class _State(ServerState):
    """What uvicorn's connections share, with a Date header that is as old as a second at most."""

    def __init__(self) -> None:
        super().__init__()
        self._dated_at = float("-inf")

    def date(self, now: float) -> None:
        if now - self._dated_at >= _DATE_FOR:
            self._dated_at = now
            self.default_headers = [(b"date", formatdate(usegmt=True).encode())]


class _Connection(GuardedProtocol):
    """A connection that keeps the shared Date header young."""

    server_state: _State

    def on_headers_complete(self) -> None:
        self.server_state.date(self.loop.time())
        super().on_headers_complete()


class _Server:
    """The listening sockets and their connections.

    uvicorn's own server looks ten times a second whether it should end, installs signal handlers and exits the
    process when it cannot bind; only its protocol is used here.
    """

    def __init__(self, app: Served, limits: ConnectionLimits) -> None:
        self._app = app
        self._cutting = False
        self._state = _State()
        self._clients = Clients(limits)
        self._config = Config(
            self._answer,
            interface="asgi3",
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="none",
            proxy_headers=False,
            timeout_keep_alive=limits.keep_alive_for,  # type: ignore[arg-type]  # any number of seconds will do
        )
        self._config.load()

    async def listen(self, host: str, port: int) -> int:
        """Open the sockets; the port of the first."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._connect, host, port, backlog=2048)
        return int(self._server.sockets[0].getsockname()[1])

    def _connect(self) -> _Connection:
        return _Connection(self._config, self._state, self._clients)

    async def stop(self, grace: float) -> None:
        """Accept no more, let the requests under way end, then cut what is left."""
        self._server.close()
        self._app.drain()
        connections = [one for one in self._state.connections if isinstance(one, _Connection)]
        for connection in connections:
            connection.shutdown()
        if self._state.tasks:
            await asyncio.wait(self._state.tasks, timeout=grace)
        if self._state.tasks:
            log.warning("http.cut", requests=len(self._state.tasks), after=grace)
            await self._cut(connections)
        for connection in connections:
            connection.transport.close()

    async def _cut(self, connections: Iterable[_Connection]) -> None:
        self._cutting = True
        for connection in connections:
            connection.transport.abort()
        # The loop tells the connections of it first; a request without a connection wants no answer any more.
        await asyncio.sleep(0)
        late = list(self._state.tasks)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._app(scope, receive, send)
        except asyncio.CancelledError:
            if not self._cutting:
                raise
