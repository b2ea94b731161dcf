"""Runs `postgres_notify`: listens on a connection of its own, and asks for what it may have missed."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from functools import partial
from typing import Any

import anyio
import asyncpg
import structlog

from upwell.clock import Clock
from upwell.durations import parse_duration
from upwell.errors import SourceError
from upwell.events import Json, MessageReceived, SourceAdvanced
from upwell.sources.background import first_of
from upwell.sources.source import Cursor, Emitted
from upwell_sensors.high_water import HighWater, Row
from upwell_sensors.rhythm import Rhythm, Trouble
from upwell_sensors.sql_values import name_of, plain, restored

_CHUNK = 500  # rows in one commit
_MOST_WAITING = 10_000  # payloads that have not been told; of 8 KB at most
_LOOKED = "looked"
_WRONG_TYPE = "invalid input for query argument"  # the driver's words; it has no class for this
_FAREWELL = 1.0  # seconds for closing the connection

log = structlog.get_logger(__name__)


class NotificationSource:
    """Listens to a channel; the cursor is the mark of its catch-up query, and the rows a little below it."""

    def __init__(
        self,
        name: str,
        *,
        channel: str,
        dsn: str,
        catch_up: str | None = None,
        cursor_column: str = "id",
        start: Json = 0,
        overlap: str | float | None = None,
        interval: str = "30s",
        timeout: str = "10s",
    ) -> None:
        self.name = name
        self._channel = channel
        self._dsn = dsn
        self._catch_up = catch_up
        self._column = cursor_column
        self._start = restored(start)
        self._overlap = parse_duration(overlap, what="overlap") if isinstance(overlap, str) else overlap
        self._interval = parse_duration(interval, what="interval").total_seconds()
        self._timeout = parse_duration(timeout, what="timeout").total_seconds()

    async def events(self, cursor: Cursor, clock: Clock) -> AsyncIterator[Sequence[Emitted]]:
        memory = _Memory(cursor, HighWater(cursor, self._overlap))
        rhythm = Rhythm(self.name, self._interval, clock)
        while True:
            try:
                async with self._connected() as line:
                    while True:
                        async with aclosing(self._told(line, memory)) as batches:
                            async for batch in batches:
                                yield batch
                        if told := rhythm.succeeded():
                            yield told
                        await first_of(line.changed.wait, partial(clock.sleep, rhythm.pause))
                        line.changed = anyio.Event()
            except Trouble as trouble:
                if told := rhythm.failed(trouble):
                    yield told
            await rhythm.rest()

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[_Line]:
        """A connection that listens."""
        line = _Line(self.name)
        connection = await self._asked(partial(asyncpg.connect, self._dsn, timeout=self._timeout))
        try:
            connection.add_termination_listener(line.ended)
            await self._asked(partial(self._prepare, connection, line))
            line.connection = connection
            yield line
        finally:
            with (
                anyio.move_on_after(_FAREWELL, shield=True),
                suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError),
            ):
                await connection.close()
            connection.terminate()

    async def _prepare(self, connection: Any, line: _Line) -> None:
        for kind in ("json", "jsonb"):
            await connection.set_type_codec(kind, encoder=json.dumps, decoder=json.loads, schema="pg_catalog")
        await connection.add_listener(self._channel, line.heard)

    def _told(self, line: _Line, memory: _Memory) -> AsyncGenerator[list[Emitted], None]:
        return self._payloads(line) if self._catch_up is None else self._rows(line, memory)

    async def _rows(self, line: _Line, memory: _Memory) -> AsyncGenerator[list[Emitted], None]:
        """What the catch-up query finds, a page at a time."""
        water, column = memory.water, '"' + self._column.replace('"', '""') + '"'
        lowest = self._start if water.mark is None else max(self._start, water.lowest())
        page = f"SELECT * FROM ({self._catch_up}) AS caught_up ORDER BY {column} LIMIT {_CHUNK}"
        while True:
            found = await self._asked(partial(line.connection.fetch, page, lowest))
            rows = [self._row(record) for record in found]
            batch: list[Emitted] = [
                MessageReceived(source=self.name, data=plain(row.data), cursor=changes, caught_up=memory.catching_up)
                for row, changes in water.take(rows)
            ]
            if batch:
                yield batch
            if len(rows) < _CHUNK:
                break
            lowest = rows[-1].mark
        if not memory.looked:
            yield [SourceAdvanced(source=self.name, cursor={_LOOKED: True})]
        memory.looked, memory.catching_up = True, False

    def _row(self, record: Any) -> Row:
        try:
            mark = record[self._column]
            return Row(data=dict(record), mark=mark, key=name_of((mark,)))
        except (KeyError, ValueError) as error:
            raise SourceError(
                f"source {self.name!r}: cursor_column={self._column!r} is no column of catch_up that grows ({error})"
            ) from None

    async def _payloads(self, line: _Line) -> AsyncGenerator[list[Emitted], None]:
        """What was heard, where there is nothing to catch up with."""
        while line.payloads:
            taken = [line.payloads.popleft() for _ in range(min(_CHUNK, len(line.payloads)))]
            yield [MessageReceived(source=self.name, data=_data(payload)) for payload in taken]
        if line.is_lost:
            raise Trouble("connection", "the server ended the connection")
        await self._asked(partial(line.connection.execute, "SELECT 1"))  # does it live?

    async def _asked(self, ask: Any) -> Any:
        """What the server answers, within the time for it."""
        try:
            with anyio.fail_after(self._timeout):
                return await ask()
        except TimeoutError:
            raise Trouble("timeout", f"no answer of the server within {self._timeout:g} s") from None
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            if _WRONG_TYPE in str(error):
                raise SourceError(f"source {self.name!r}: {error}; start= has another type than the column") from None
            raise Trouble(type(error).__name__, f"{type(error).__name__}: {error}") from error


class _Memory:
    """What has been told, and whether this is still about what happened before the start."""

    def __init__(self, cursor: Cursor, water: HighWater) -> None:
        self.water = water
        self.looked = bool(cursor.get(_LOOKED))
        self.catching_up = bool(cursor)


class _Line:
    """A connection, and what it told meanwhile."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._is_full = False
        self.connection: Any = None
        self.changed = anyio.Event()
        self.is_lost = False
        self.payloads: deque[str] = deque()

    def heard(self, connection: object, pid: int, channel: str, payload: str) -> None:
        if len(self.payloads) < _MOST_WAITING:
            self.payloads.append(payload)
        elif not self._is_full:
            self._is_full = True
            log.error("source.notifications_lost", source=self._source, waiting=_MOST_WAITING)
        self.changed.set()

    def ended(self, connection: object) -> None:
        self.is_lost = True
        self.changed.set()


def _data(payload: str) -> Json:
    """A payload as JSON, or as the text that it is."""
    try:
        data = json.loads(payload, parse_constant=_refuse)
        json.dumps(data, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError):
        return payload
    return data


def _refuse(name: str) -> Json:
    raise ValueError(name)
