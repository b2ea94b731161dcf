"""Runs `sql_poll`: reads the rows from the mark on, and tells those that are new."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

import anyio
from sqlalchemy import (
    BigInteger,
    BindParameter,
    ColumnClause,
    ColumnElement,
    Date,
    DateTime,
    Float,
    FromClause,
    LargeBinary,
    Numeric,
    Select,
    String,
    Time,
    Uuid,
    and_,
    column,
    func,
    literal,
    literal_column,
    or_,
    select,
    table,
    text,
)
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, InvalidRequestError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool
from sqlalchemy.types import TypeEngine

from upwell.clock import Clock
from upwell.durations import parse_duration
from upwell.errors import SourceError
from upwell.events import MessageReceived, SourceAdvanced
from upwell.sources.source import Cursor, Emitted
from upwell_sensors.high_water import HighWater, Row
from upwell_sensors.rhythm import Rhythm, Trouble
from upwell_sensors.sql_values import name_of, plain

_ASYNC_DRIVERS = {"postgresql": "postgresql+asyncpg", "postgres": "postgresql+asyncpg", "sqlite": "sqlite+aiosqlite"}
_LOOKED = "looked"
_FAREWELL = 5.0  # seconds for closing connections


class SqlPollSource:
    """Reads a table or a query from its mark on; the cursor is the mark, and the rows at it or a little below."""

    def __init__(
        self,
        name: str,
        *,
        url: str,
        cursor_column: str,
        interval: str,
        table: str | None = None,
        query: str | None = None,
        key: Sequence[str] = ("id",),
        overlap: str | float | None = None,
        initial: str = "latest",
        batch_size: int = 500,
        timeout: str = "30s",
    ) -> None:
        self.name = name
        self._url = url
        self._rows = _Statements(_from(table, query, [cursor_column, *key]), cursor_column, key, batch_size)
        self._interval = parse_duration(interval, what="interval").total_seconds()
        self._overlap = parse_duration(overlap, what="overlap") if isinstance(overlap, str) else overlap
        self._initial = initial
        self._batch_size = batch_size
        self._timeout = parse_duration(timeout, what="timeout").total_seconds()

    async def events(self, cursor: Cursor, clock: Clock) -> AsyncIterator[Sequence[Emitted]]:
        water = HighWater(cursor, self._overlap)
        rhythm = Rhythm(self.name, self._interval, clock)
        first, catching_up = not cursor.get(_LOOKED), bool(cursor)
        engine = _engine(self.name, self._url)
        try:
            while True:
                await rhythm.rest()
                silent = first and self._initial == "latest"
                try:
                    async with aclosing(self._sweep(engine, water, silent)) as pages:
                        async for rows in pages:
                            if batch := self._batch(water, rows, silent, catching_up):
                                yield batch
                except Trouble as trouble:
                    if told := rhythm.failed(trouble):
                        yield told
                    continue
                if first:
                    yield [SourceAdvanced(source=self.name, cursor={_LOOKED: True})]
                first = catching_up = False
                if told := rhythm.succeeded():
                    yield told
        finally:
            with anyio.move_on_after(_FAREWELL, shield=True):
                await engine.dispose()

    async def _sweep(self, engine: AsyncEngine, water: HighWater, silent: bool) -> AsyncGenerator[list[Row], None]:
        """The rows from the lowest mark that counts, a page at a time."""
        if silent and water.mark is None:
            [found] = await self._fetch(engine, self._rows.highest())
            if (highest := found["mark"]) is None:
                return
            water.begin(highest)
        lowest, after = water.lowest(), None
        while True:
            found = await self._fetch(engine, self._rows.page(after, lowest))
            yield [self._row(values) for values in found]
            if len(found) < self._batch_size:
                return
            after = self._rows.place(found[-1])

    def _batch(self, water: HighWater, rows: Sequence[Row], silent: bool, catching_up: bool) -> list[Emitted]:
        if silent:
            return [SourceAdvanced(source=self.name, cursor=changes) for _, changes in water.take(rows)]
        return [
            MessageReceived(source=self.name, data=plain(row.data), cursor=changes, caught_up=catching_up)
            for row, changes in water.take(rows)
        ]

    def _row(self, values: Any) -> Row:
        try:
            return self._rows.row(values)
        except ValueError as error:
            raise SourceError(f"source {self.name!r}: {error}; choose another key or cursor column") from None

    async def _fetch(self, engine: AsyncEngine, statement: Select[Any]) -> list[Any]:
        try:
            with anyio.fail_after(self._timeout):
                async with engine.connect() as connection:
                    return [*(await connection.execute(statement)).mappings()]
        except TimeoutError:
            raise Trouble("timeout", f"no answer of the database within {self._timeout:g} s") from None
        except DBAPIError as error:
            raise Trouble(type(error.orig).__name__, f"{type(error.orig).__name__}: {error.orig}") from error
        except (SQLAlchemyError, OSError) as error:
            raise Trouble(type(error).__name__, f"{type(error).__name__}: {error}") from error


class _Statements:
    """What is asked of the database: rows in the order of the cursor column and the key."""

    def __init__(self, rows: FromClause, cursor_column: str, key: Sequence[str], batch_size: int) -> None:
        self._rows = rows
        self._mark_name = cursor_column
        self._key_names = [*key]
        self._order_names = [*dict.fromkeys([cursor_column, *key])]
        self._order = [rows.c[each] for each in self._order_names]
        self._batch_size = batch_size

    def highest(self) -> Select[Any]:
        return select(func.max(self._order[0]).label("mark")).select_from(self._rows)

    def page(self, after: tuple[Any, ...] | None, lowest: Any) -> Select[Any]:
        """The next rows: after a place, or from a mark on, or from the first on."""
        mark = self._order[0]
        if after is not None:
            # The first condition says nothing new; it lets the database use an index.
            which = and_(mark >= _bound(after[0]), self._behind(after))
        else:
            which = mark.is_not(None) if lowest is None else mark >= _bound(lowest)
        everything: Select[Any] = select(literal_column("*"))
        return everything.select_from(self._rows).where(which).order_by(*self._order).limit(self._batch_size)

    def _behind(self, place: tuple[Any, ...]) -> ColumnElement[bool]:
        return or_(
            *(
                and_(*(self._order[before] == _bound(place[before]) for before in range(at)), each > _bound(place[at]))
                for at, each in enumerate(self._order)
            )
        )

    def row(self, values: Any) -> Row:
        key = name_of(tuple(values[each] for each in self._key_names))
        return Row(data=dict(values), mark=values[self._mark_name], key=key)

    def place(self, values: Any) -> tuple[Any, ...]:
        return tuple(values[each] for each in self._order_names)


def _from(name: str | None, query: str | None, columns: Sequence[str]) -> FromClause:
    known: list[ColumnClause[Any]] = [column(each) for each in dict.fromkeys(columns)]
    if name is not None:
        schema, _, bare = name.rpartition(".")
        return table(bare, *known, schema=schema or None)
    return text(str(query).strip().rstrip(";")).columns(*known).subquery("polled")


def _bound(value: Any) -> BindParameter[Any]:
    """A parameter with the type that the column has, judging by a value that it held."""
    kind: TypeEngine[Any]
    match value:
        case int():
            kind = BigInteger()
        case float():
            kind = Float()
        case Decimal():
            kind = Numeric()
        case datetime():
            kind = DateTime(timezone=value.tzinfo is not None)
        case date():
            kind = Date()
        case time():
            kind = Time()
        case UUID():
            kind = Uuid()
        case bytes():
            kind = LargeBinary()
        case _:
            kind = String()
    return literal(value, kind)


def _engine(source: str, url: str) -> AsyncEngine:
    try:
        parsed = make_url(url)
        driver = _ASYNC_DRIVERS.get(parsed.drivername, parsed.drivername)
        return create_async_engine(
            parsed.set(drivername=driver),
            poolclass=AsyncAdaptedQueuePool,
            pool_size=1,
            max_overflow=0,
            pool_pre_ping=True,
        )
    except (ArgumentError, NoSuchModuleError, InvalidRequestError, ModuleNotFoundError) as error:
        raise SourceError(
            f"source {source!r}: the database cannot be reached by this URL: {error}. Write for example "
            "postgresql+asyncpg://user@host/database (pip install 'upwell[postgres]')"
        ) from None
