"""The statements of a write, compiled once for the dialect's own driver."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, TypeAlias

from sqlalchemy import BindParameter, Delete, Table, and_, bindparam, delete, func, or_, select, update
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.sql import ClauseElement

from upwell.journal import tables

LOOKUP_SIZES = (1, 8, 64)
"""How many keys a lookup asks for at once; a shorter list is filled up, so that few statements are ever prepared."""


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL with placeholders, and the order in which it wants its parameters."""

    sql: str
    order: tuple[str, ...]

    def row(self, values: Mapping[str, Any]) -> tuple[Any, ...]:
        """The parameters, in order."""
        return tuple([values[name] for name in self.order])


# Brings the values of a row into the order of a statement's parameters.
Arrange: TypeAlias = Callable[[tuple[Any, ...]], tuple[Any, ...]]

# A dialect's own INSERT, with ON CONFLICT: the two that have it share no type.
InsertFactory: TypeAlias = Callable[[Table], Any]


class Statements:
    """Every statement that writes, by name."""

    def __init__(self, dialect: Dialect, insert: InsertFactory) -> None:
        self._dialect = dialect
        self._insert = insert
        self._known: dict[Hashable, Statement] = {}
        self._upserts: dict[tuple[str, tuple[str, ...]], tuple[Statement, Arrange]] = {}
        self.head = self._compile(select(func.max(tables.events.c.id)))
        self.insert_events = self._compile(tables.events.insert())
        self.start_step_assets = self._compile(_start_step_assets())
        self.end_step_assets = self._compile(_end_step_assets())
        self.end_run_assets = self._compile(_end_run_assets())

    def upsert(self, table: Table, columns: tuple[str, ...]) -> tuple[Statement, Arrange]:
        """Write `columns` of a row; beside the statement, what arranges (*primary key, *columns) as it wants them."""
        known = (table.name, columns)
        if known not in self._upserts:
            given = (*(column.name for column in table.primary_key), *columns)
            statement = self._compile(_upsert(self._insert, table, given, columns))
            self._upserts[known] = statement, _arrangement(given, statement.order)
        return self._upserts[known]

    def remove(self, table: Table) -> Statement:
        """Remove the row of a primary key."""
        return self.named(("remove", table.name), lambda: _remove(table, [column.name for column in table.primary_key]))

    def remove_by(self, table: Table, column: str) -> Statement:
        """Remove the rows that have a value in a column."""
        return self.named(("remove", table.name, column), lambda: _remove(table, [column]))

    def find_deliveries(self, size: int) -> Statement:
        """The known ones of `size` deliveries."""
        return self.named(("deliveries", size), lambda: _find_deliveries(size))

    def run_statuses(self, size: int) -> Statement:
        """The statuses of `size` runs."""
        return self.named(("runs", size), lambda: _run_statuses(size))

    def named(self, name: Hashable, make: Callable[[], ClauseElement]) -> Statement:
        """The statement that `make` builds, compiled the first time."""
        if name not in self._known:
            self._known[name] = self._compile(make())
        return self._known[name]

    def _compile(self, statement: ClauseElement) -> Statement:
        compiled: Any = statement.compile(dialect=self._dialect)  # the precise type is the dialect's own compiler
        return Statement(str(compiled), tuple(compiled.positiontup or ()))


def lookup_size(wanted: int) -> int:
    """The smallest prepared size that holds `wanted` keys, or the largest there is."""
    return next((size for size in LOOKUP_SIZES if size >= wanted), LOOKUP_SIZES[-1])


def _arrangement(given: tuple[str, ...], wanted: tuple[str, ...]) -> Arrange:
    if given == wanted:
        return tuple
    return itemgetter(*map(given.index, wanted))


def _upsert(insert: InsertFactory, table: Table, given: Sequence[str], columns: Sequence[str]) -> ClauseElement:
    keys = [column.name for column in table.primary_key]
    statement = insert(table).values({name: bindparam(name) for name in given})
    if not columns:
        conflict: ClauseElement = statement.on_conflict_do_nothing(index_elements=keys)
    else:
        values = {name: statement.excluded[name] for name in columns}
        conflict = statement.on_conflict_do_update(index_elements=keys, set_=values)
    return conflict


def _find_deliveries(size: int) -> ClauseElement:
    known = tables.deliveries.c
    keys = [
        and_(known.source == bindparam(f"source_{n}"), known.delivery_id == bindparam(f"id_{n}")) for n in range(size)
    ]
    return select(known.source, known.delivery_id, known.event_id, known.at).where(or_(*keys))


def _run_statuses(size: int) -> ClauseElement:
    runs = tables.runs.c
    return select(runs.run_id, runs.status).where(or_(*(runs.run_id == bindparam(f"run_{n}") for n in range(size))))


def _step_assets() -> Any:  # SQLAlchemy's type of a subselect with two criteria does not fit on a line
    plan = tables.plan_assets.c
    planned = select(plan.asset).where(plan.run_id == bindparam("run"), plan.step_id == bindparam("step"))
    # A plan of the same batch is in the table already: it must not tell of events that came before it.
    return planned.where(plan.requested_id < bindparam("event"))


def _start_step_assets() -> ClauseElement:
    assets = tables.assets
    begun: dict[str, BindParameter[Any]] = {"started_id": bindparam("event"), "started_run": bindparam("started_run")}
    return update(assets).where(assets.c.asset.in_(_step_assets())).values(begun)


def _end_step_assets() -> ClauseElement:
    assets = tables.assets
    return update(assets).where(assets.c.asset.in_(_step_assets())).values(ended_id=bindparam("event"))


def _end_run_assets() -> ClauseElement:
    assets, plan = tables.assets, tables.plan_assets.c
    return (
        update(assets)
        .where(assets.c.asset.in_(select(plan.asset).where(plan.run_id == bindparam("run"))))
        .where(assets.c.started_run == bindparam("started_run"), assets.c.started_id > assets.c.ended_id)
        .values(ended_id=bindparam("event"))
    )


def _remove(table: Table, columns: Sequence[str]) -> Delete:
    return delete(table).where(*(table.c[name] == bindparam(f"key_{name}") for name in columns))
