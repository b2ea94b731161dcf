"""What is so now of sensors, gates, switches and dead letters."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeAlias, TypeVar

from sqlalchemy import RowMapping, Select, or_, select

from upwell.journal import rows, tables
from upwell.journal.store import Store
from upwell.journal.tables import to_micros
from upwell.journal.views import DeadLetter, FailingSource, FilterCall, SensorCall, SensorState, Switch, WaitingEvent

T = TypeVar("T")

# A SELECT of whatever columns: their types matter to nobody, as rows are read by name.
Query: TypeAlias = Select[Any]

RUN_KEYS_KNOWN_FOR = timedelta(days=30)
"""How long a run key is remembered after it was last asked for."""

RUN_KEY_REFRESHED_AFTER = timedelta(days=1)
"""How old the memory of a key is before asking again is written down."""

_CHUNK = 400  # keys in one statement; databases bound the number of parameters


class ListeningQueries:
    """Reads what listens; the base of `Queries`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def sensor_states(self) -> dict[str, SensorState]:
        """Every sensor and schedule that was ever called, by name."""
        return {row["sensor"]: rows.sensor_state(row) for row in await self._rows(select(tables.sensors))}

    async def sensor_calls(self) -> list[SensorCall]:
        """The calls that are still to be made, in order."""
        calls = tables.sensor_calls
        found = await self._rows(select(calls).where(calls.c.sensor.is_not(None)).order_by(calls.c.trigger_id))
        return [rows.sensor_call(row) for row in found]

    async def filter_calls(self) -> list[FilterCall]:
        """The events that wait for the answers of filters, in order."""
        calls = tables.filter_calls
        return [rows.filter_call(row) for row in await self._rows(select(calls).order_by(calls.c.event_id))]

    async def waiting_events(self) -> list[WaitingEvent]:
        """What gates hold back, in order."""
        waiting = tables.waiting
        return [rows.waiting_event(row) for row in await self._rows(select(waiting).order_by(waiting.c.event_id))]

    async def switches(self) -> list[Switch]:
        """What somebody switched off, or on again."""
        switches = tables.switches
        found = await self._rows(select(switches).order_by(switches.c.what, switches.c.name))
        return [rows.switch(row) for row in found]

    async def failing_sources(self) -> list[FailingSource]:
        """The sources that fail at present."""
        found = await self._rows(select(tables.failing_sources).order_by(tables.failing_sources.c.source))
        return [rows.failing_source(row) for row in found]

    async def run_keys(self, sensor: str, keys: Collection[str], now: datetime) -> dict[str, tuple[str, datetime]]:
        """Those of a sensor's run keys that are taken: the run that has each, and when it was last asked for."""
        known = tables.run_keys.c
        oldest = to_micros(now - RUN_KEYS_KNOWN_FOR)
        taken: dict[str, tuple[str, datetime]] = {}
        for piece in chunks(sorted(set(keys))):
            query = select(tables.run_keys).where(known.sensor == sensor, known.run_key.in_(piece), known.at > oldest)
            for row in await self._rows(query):
                taken[row["run_key"]] = (row["run_id"], tables.from_micros(row["at"]))
        return taken

    async def dead_letters(self, *, limit: int = 100, before: tuple[int, int] | None = None) -> list[DeadLetter]:
        """Dead letters, newest first; `before` is `dead_id` and `event_id` of the last one of the page before."""
        dead = tables.dead_letters
        query = select(dead).order_by(dead.c.dead_id.desc(), dead.c.event_id.desc()).limit(limit)
        if before is not None:
            # Many events may have one death; the plain bound beside it is what the index is looked up by.
            dead_id, event_id = before
            earlier = or_(dead.c.dead_id < dead_id, dead.c.event_id < event_id)
            query = query.where(dead.c.dead_id <= dead_id, earlier)
        return [rows.dead_letter(row) for row in await self._rows(query)]

    async def dynamic_partitions(self) -> Mapping[str, tuple[str, ...]]:
        """The keys of all dynamic partitions, by name, in the order in which they came."""
        keys = tables.dynamic_partitions
        found: dict[str, list[str]] = {}
        for row in await self._rows(select(keys).order_by(keys.c.event_id, keys.c.place)):
            found.setdefault(row["name"], []).append(row["key"])
        return {name: tuple(each) for name, each in found.items()}

    async def _rows(self, query: Query) -> Sequence[RowMapping]:
        async with self._store.reading() as connection:
            return (await connection.execute(query)).mappings().all()


def chunks(keys: Sequence[T]) -> Iterator[Sequence[T]]:
    """The keys in pieces that one statement can take."""
    return (keys[start : start + _CHUNK] for start in range(0, len(keys), _CHUNK))
