"""Rows are told once each, however late they become visible and wherever the service is killed."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upwell.errors import SourceError
from upwell_sensors.high_water import HighWater, Row, lower
from upwell_sensors.sql_values import kept, name_of, plain, restored

OVERLAP = 5


class Table:
    """Rows by mark, read from the lowest mark that counts, and told; the cursor is what was committed."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.cursor: dict[str, Any] = {}
        self.told: list[str] = []

    def add(self, mark: int) -> None:
        self.rows.append(Row(data={}, mark=mark, key=str(len(self.rows))))

    def look(self, committed: int | None = None) -> None:
        water = HighWater(self.cursor, OVERLAP)
        lowest = water.lowest()
        there = sorted((row for row in self.rows if lowest is None or row.mark >= lowest), key=lambda row: row.mark)
        for number, (row, changes) in enumerate(water.take(there)):
            if number == committed:
                return  # killed
            self.told.append(row.key)
            self.cursor = {key: value for key, value in (self.cursor | changes).items() if value is not None}


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.lists(st.integers(0, OVERLAP), max_size=4), st.integers(0, 5)), max_size=30
    )
)
def test_a_row_that_is_no_later_than_the_overlap_is_told_exactly_once(steps: list[tuple[int, list[int], int]]) -> None:
    table = Table()
    highest = 0
    for later, delays, committed in steps:
        highest += later
        for delay in delays:
            table.add(highest - delay)
        table.look(committed)
    table.look()
    assert sorted(table.told, key=int) == [row.key for row in table.rows]


@given(st.lists(st.integers(0, 50), max_size=60))
def test_only_rows_within_the_overlap_are_remembered(marks: list[int]) -> None:
    table = Table()
    for mark in marks:
        table.add(mark)
        table.look()
    remembered = {key for key in table.cursor if key.startswith("row:")}
    assert len(remembered) == sum(row.mark >= max(marks) - OVERLAP for row in table.rows if row.key in table.told)


def test_a_row_with_a_new_mark_is_told_again() -> None:
    table = Table()
    table.add(1)
    table.look()
    table.rows = [Row(data={}, mark=2, key="0")]
    table.look()
    assert table.told == ["0", "0"]


@pytest.mark.parametrize(
    ("mark", "overlap", "expected"),
    [
        (datetime(2024, 1, 1, 12), timedelta(hours=1), datetime(2024, 1, 1, 11)),
        (date(2024, 1, 3), timedelta(hours=30), date(2024, 1, 1)),
        (100, 10, 90),
        (Decimal("1.5"), 1, Decimal("0.5")),
        ("2024", None, "2024"),
    ],
)
def test_the_overlap_reaches_below_the_mark(mark: Any, overlap: Any, expected: Any) -> None:
    assert lower(mark, overlap) == expected


@pytest.mark.parametrize(
    ("mark", "overlap"), [("2024-01-01", timedelta(1)), (1, timedelta(1)), (datetime(2024, 1, 1), 5)]
)
def test_an_overlap_that_does_not_go_with_the_column_says_so(mark: Any, overlap: Any) -> None:
    with pytest.raises(SourceError, match="does not go with"):
        lower(mark, overlap)


@pytest.mark.parametrize(
    "value",
    [
        1,
        "x",
        1.5,
        datetime(2024, 1, 1, tzinfo=UTC),
        datetime(2024, 1, 1, 0, 0, 0, 1, tzinfo=timezone(timedelta(hours=2))),
        date(2024, 1, 1),
        Decimal("1.10"),
        UUID(int=7),
        b"\x00\xff",
    ],
)
def test_what_is_kept_comes_back_as_it_was(value: Any) -> None:
    assert restored(kept(value)) == value
    assert type(restored(kept(value))) is type(value)


def test_keys_of_different_types_have_different_names() -> None:
    assert len({name_of((1,)), name_of(("1",)), name_of((Decimal(1),)), name_of((1, 1))}) == 4


def test_an_event_has_plain_json() -> None:
    row = {
        "at": datetime(2024, 1, 1, tzinfo=UTC),
        "price": Decimal("1.10"),
        "id": UUID(int=7),
        "took": timedelta(seconds=90),
        "image": b"\x00",
        "ratio": float("nan"),
        "tags": ["a", {"b": date(2024, 1, 1)}],
    }
    assert plain(row) == {
        "at": "2024-01-01T00:00:00+00:00",
        "price": "1.10",
        "id": "00000000-0000-0000-0000-000000000007",
        "took": 90.0,
        "image": "AA==",
        "ratio": "nan",
        "tags": ["a", {"b": "2024-01-01"}],
    }
