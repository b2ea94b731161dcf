"""Notifications of PostgreSQL as an event source, with a query for what they cannot keep."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any, Unpack

from upwell.definitions.environment import EnvVar
from upwell.definitions.reactions import On, SourceSpec
from upwell.errors import DefinitionError
from upwell.events import Json
from upwell.sources.reaction import Reaction, listener
from upwell_sensors.parameters import address, duration, poll_interval
from upwell_sensors.sql_polling import stated_overlap
from upwell_sensors.sql_values import kept

_LONGEST_CHANNEL = 63  # bytes of a name of PostgreSQL
_PLACEHOLDER = re.compile(r"(?<!:):cursor\b")


def postgres_notify(
    channel: str,
    *,
    dsn: str | EnvVar,
    catch_up: str | None = None,
    cursor_column: str = "id",
    start: object = 0,
    overlap: str | timedelta | float | None = 1000,
    interval: str | timedelta = "30s",
    timeout: str | timedelta = "10s",
    name: str | None = None,
    **reaction: Unpack[Reaction],
) -> On:
    """An event for each notification on a channel of PostgreSQL or, with `catch_up`, for each row that it announces.

    PostgreSQL keeps no notification for a listener that is not there. So with `catch_up` a notification is only the
    hint to ask that query, which is also asked after each start, each reconnection and each `interval`: `event.data`
    is its row, and nothing is lost or told twice. Without it `event.data` is the payload (as JSON where it is), and
    what is notified while the service or the connection is down is lost.

    Args:
        channel: as in `NOTIFY channel`.
        dsn: `postgresql://…`, of the server itself: a pooler such as PgBouncer loses `LISTEN`.
        catch_up: a SELECT of what is new after `:cursor`, for example
            `"SELECT id, payload FROM outbox WHERE id > :cursor"`.
        cursor_column: the column of that query that grows and identifies a row; its highest value is `:cursor`.
        start: the first `:cursor` ever.
        overlap: how far below the highest value to ask again, since transactions do not end in the order of their
            serial numbers: a number for numbers, a duration for times.
        interval: how often the connection is tried and the query asked without a notification.
        timeout: for connecting and for each query.
        name: of the source; else it is called after the channel.
        reaction: `partition`, `filter`, `debounce`, `batch` and `throttle`, as every source takes them.

    Raises:
        DefinitionError: an argument cannot be used.
    """
    where, _ = address("postgres_notify", dsn, "postgresql://host/database")
    what = f"postgres_notify({channel!r})"
    if not channel or "\0" in channel or len(channel.encode()) > _LONGEST_CHANNEL:
        raise DefinitionError(f"{what}: a channel has a name of 1 to {_LONGEST_CHANNEL} bytes")
    if catch_up is not None and not _PLACEHOLDER.search(catch_up):
        raise DefinitionError(f"{what}: catch_up must ask for what comes after :cursor: 'SELECT … WHERE id > :cursor'")
    params: dict[str, Any] = {
        "channel": channel,
        "dsn": where,
        "catch_up": None if catch_up is None else numbered(catch_up),
        "cursor_column": cursor_column,
        "start": _start(what, start),
        "overlap": stated_overlap(what, overlap),
        "interval": poll_interval(what, interval),
        "timeout": duration(what, "timeout", timeout),
    }
    given = {argument: value for argument, value in params.items() if value is not None}
    called = name or f"postgres_notify:{channel}"
    return listener(SourceSpec(kind="postgres_notify", name=called, params=given), **reaction)


def numbered(query: str) -> str:
    """The query with `:cursor` as PostgreSQL wants it."""
    return _PLACEHOLDER.sub("$1", query).strip().rstrip(";")


def _start(what: str, start: object) -> Json:
    try:
        return kept(start)
    except ValueError as error:
        raise DefinitionError(f"{what}: start={start!r}: {error}") from None
