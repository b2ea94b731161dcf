"""Which rows are new: those above the highest mark told, and those near below it that were not there before. Pure."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from upwell.errors import SourceError
from upwell.events import Json
from upwell_sensors.sql_values import kept, restored

MARK, _ROW = "mark", "row:"


@dataclass(frozen=True, kw_only=True)
class Row:
    """A row: its values, the mark that grows, and the name of its key."""

    data: Mapping[str, Any]
    mark: Any
    key: str


class HighWater:
    """How far a table has been told: the mark, and each row at the mark or within `overlap` below it.

    Rows that share a mark may become visible one after the other, and with an overlap also rows with smaller ones
    (a transaction that began earlier ended later): they are asked for again, and told if they are not known.
    """

    def __init__(self, cursor: Mapping[str, Json], overlap: timedelta | float | None) -> None:
        self._overlap = overlap
        self._mark: Any = restored(cursor.get(MARK))
        self._known: dict[str, Any] = {}
        self._oldest: list[tuple[Any, str]] = []  # heap
        for item, mark in cursor.items():
            if item.startswith(_ROW) and mark is not None:
                self._know(item.removeprefix(_ROW), restored(mark))

    @property
    def mark(self) -> Any:
        """The highest mark told, or None."""
        return self._mark

    def begin(self, mark: Any) -> None:
        """Start from `mark` instead of from the first row."""
        self._mark = mark

    def lowest(self) -> Any:
        """The smallest mark that is still asked for, or None for all."""
        return None if self._mark is None else lower(self._mark, self._overlap)

    def take(self, rows: Sequence[Row]) -> Iterator[tuple[Row, dict[str, Json]]]:
        """Those of the rows (by growing mark) that are new, each with what the cursor is to remember of it."""
        for row in rows:
            if self._known.get(row.key) != row.mark:
                yield row, self._remember(row)

    def _remember(self, row: Row) -> dict[str, Json]:
        self._know(row.key, row.mark)
        changes: dict[str, Json] = {_ROW + row.key: kept(row.mark)}
        if self._mark is None or row.mark > self._mark:
            self._mark = row.mark
            changes[MARK] = kept(row.mark)
            changes |= {_ROW + key: None for key in self._forget(below=self.lowest())}
        return changes

    def _know(self, key: str, mark: Any) -> None:
        self._known[key] = mark
        heapq.heappush(self._oldest, (mark, key))

    def _forget(self, *, below: Any) -> Iterator[str]:
        while self._oldest and self._oldest[0][0] < below:
            mark, key = heapq.heappop(self._oldest)
            if self._known.get(key) == mark:  # it may have been told again since, with a larger one
                del self._known[key]
                yield key


def lower(mark: Any, overlap: timedelta | float | None) -> Any:
    """The mark that lies `overlap` below `mark`.

    Raises:
        SourceError: there is no such thing.
    """
    if not overlap:
        return mark
    match mark, overlap:
        case datetime(), timedelta():
            return mark - overlap
        case date(), timedelta():
            return mark - timedelta(days=-(-overlap // timedelta(days=1)))
        case Decimal(), int() | float():
            return mark - Decimal(overlap)
        case ((int() | float()), (int() | float())):
            return mark - overlap
        case _:
            needed = "a duration for times, or a number for numbers"
            raise SourceError(
                f"overlap={overlap!r} does not go with a cursor column that holds {type(mark).__name__}: write {needed}"
            )
