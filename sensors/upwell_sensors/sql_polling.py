"""Tables and queries of a database as an event source: asked now and then, an event for each row that is new."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Literal, TypeAlias, Unpack, get_args

from upwell.definitions.environment import EnvVar
from upwell.definitions.reactions import On, SourceSpec
from upwell.errors import DefinitionError
from upwell.sources.reaction import Reaction, listener
from upwell_sensors.parameters import address, duration, one_of, poll_interval

Initial: TypeAlias = Literal["all", "latest"]


def sql_poll(
    url: str | EnvVar,
    *,
    table: str | None = None,
    query: str | None = None,
    cursor_column: str,
    key: str | Sequence[str] = "id",
    interval: str | timedelta = "30s",
    overlap: str | timedelta | float | None = None,
    initial: Initial = "latest",
    batch_size: int = 500,
    timeout: str | timedelta = "30s",
    name: str | None = None,
    **reaction: Unpack[Reaction],
) -> On:
    """An event for each row that is new or has a new value in the cursor column; `event.data` is the row.

    Rows come in the order of the cursor column. Several rows may share a value there, and may become visible one
    after the other: none is lost. A row that becomes visible with a value below the highest one told is found only
    within `overlap`. Rows whose cursor column is null are never told.

    Args:
        url: of the database as SQLAlchemy reads it: `postgresql+asyncpg://…`, `sqlite+aiosqlite:///…`.
        table: the table, or `schema.table`; or instead
        query: a SELECT, for example to join or to leave out columns. It must have the cursor column and the key.
        cursor_column: a column that grows: a time of change, a serial number. There should be an index on it.
        key: the columns that identify a row.
        interval: from one look to the next; each source has a phase of its own in it, and a little jitter.
        overlap: how far below the highest value told to look again: a duration for times, a number for numbers. As long
            as the longest transaction that writes such rows.
        initial: whether at the very first start the rows that are there are told (`all`), or only what comes from
            then on (`latest`).
        batch_size: rows read and told at once.
        timeout: for connecting and reading a batch.
        name: of the source; else it is called after the table. A query needs one.
        reaction: `partition`, `filter`, `debounce`, `batch` and `throttle`, as every source takes them.

    Raises:
        DefinitionError: an argument cannot be used.
    """
    where, _ = address("sql_poll", url, "postgresql+asyncpg://host/database")
    called = _called(table, query, name)
    what = f"sql_poll({called!r})"
    if batch_size < 1:
        raise DefinitionError(f"{what}: batch_size={batch_size!r} must be larger than 0")
    params: dict[str, Any] = {
        "url": where,
        "table": table,
        "query": query,
        "cursor_column": cursor_column,
        "key": _columns(what, key),
        "interval": poll_interval(what, interval),
        "overlap": stated_overlap(what, overlap),
        "initial": one_of(what, "initial", initial, get_args(Initial)),
        "batch_size": batch_size,
        "timeout": duration(what, "timeout", timeout),
    }
    given = {argument: value for argument, value in params.items() if value is not None}
    return listener(SourceSpec(kind="sql_poll", name=name or f"sql_poll:{called}", params=given), **reaction)


def stated_overlap(what: str, overlap: str | timedelta | float | None) -> str | float | None:
    """An overlap as it travels: a duration as text, or a number.

    Raises:
        DefinitionError: it is neither.
    """
    if overlap is None or isinstance(overlap, str | timedelta):
        return None if overlap is None else duration(what, "overlap", overlap)
    if isinstance(overlap, bool) or overlap < 0:
        raise DefinitionError(f'{what}: overlap={overlap!r} must be a duration such as "1m", or a number from 0')
    return overlap


def _called(table: str | None, query: str | None, name: str | None) -> str:
    if (table is None) == (query is None):
        raise DefinitionError("sql_poll: write either table='orders' or query='SELECT …'")
    if table is None and name is None:
        raise DefinitionError("sql_poll: a query has no name of its own; write name='late_orders' too")
    return str(name or table)


def _columns(what: str, key: str | Sequence[str]) -> list[str]:
    columns = [key] if isinstance(key, str) else list(key)
    if not columns or not all(isinstance(column, str) and column for column in columns):
        raise DefinitionError(f"{what}: key={key!r} must name the columns that identify a row")
    return columns
