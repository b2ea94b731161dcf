"""Which items are new, whatever the answers look like and wherever the service is killed."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upwell_sensors.http_items import ItemPaths, KnownItems
from upwell_sensors.rhythm import Trouble


class Remembering:
    """Tells what is new as the source does, and goes on from the cursor of what was committed."""

    def __init__(self, paths: ItemPaths) -> None:
        self.paths = paths
        self.cursor: dict[str, Any] = {}
        self.told: list[Any] = []

    def answer(self, items: list[Any], committed: int | None = None) -> None:
        known = KnownItems(self.cursor, marked=self.paths.cursor is not None)
        answered, _ = self.paths.read(items)
        for item in known.new(answered)[:committed]:
            self._remember(known.tell(item) | known.settle(answered))
            self.told.append(item.data)

    def _remember(self, changes: dict[str, Any]) -> None:
        self.cursor = {key: value for key, value in (self.cursor | changes).items() if value is not None}


@given(st.lists(st.tuples(st.sets(st.integers(0, 30)), st.integers(0, 5)), max_size=20))
def test_each_id_is_told_exactly_once(answers: list[tuple[set[int], int]]) -> None:
    outside = Remembering(ItemPaths(items="$[*]", item_id="$.id"))
    for ids, committed in answers:
        outside.answer([{"id": each} for each in ids], committed)
        outside.answer([{"id": each} for each in ids])
    everything = {each for ids, _ in answers for each in ids}
    assert sorted(item["id"] for item in outside.told) == sorted(everything)


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3), st.integers(1, 5)), max_size=25))
def test_each_item_of_a_growing_list_is_told_exactly_once(growth: list[tuple[int, int, int]]) -> None:
    outside = Remembering(ItemPaths(items="$[*]", item_id="$.id", cursor="$.at"))
    items: list[dict[str, int]] = []
    at = 0
    for later, more, committed in growth:
        at += later  # none is earlier than one before; several may be at the same time
        items += [{"id": len(items) + number, "at": at} for number in range(more)]
        outside.answer(items, committed)
    outside.answer(items)
    assert outside.told == items


@given(
    st.lists(
        st.lists(
            st.recursive(
                st.none() | st.integers() | st.text(),
                lambda x: st.lists(x) | st.dictionaries(st.text(), x),
                max_leaves=5,
            )
        )
    )
)
def test_items_without_an_id_are_told_once_for_each_content(answers: list[list[Any]]) -> None:
    outside = Remembering(ItemPaths(items="$[*]"))
    for answer in answers:
        outside.answer(answer)
    contents = [item for answer in answers for item in answer]
    assert {repr(item) for item in outside.told} <= {repr(item) for item in contents}
    assert all(item in outside.told for item in contents)


def test_an_id_that_is_long_gone_is_forgotten() -> None:
    outside = Remembering(ItemPaths(items="$[*]", item_id="$.id"))
    for page in range(4):
        answered, _ = outside.paths.read([{"id": page * 5000 + number} for number in range(5000)])
        known = KnownItems(outside.cursor, marked=False)
        for item in known.new(answered):
            outside.cursor |= known.tell(item)
        outside._remember(known.settle(answered))
    assert len(outside.cursor) == 15_000
    assert "item:0" not in outside.cursor
    assert "item:5000" in outside.cursor


def test_an_item_whose_cursor_is_no_number_or_text_is_refused_alone() -> None:
    answered, refused = ItemPaths(items="$[*]", cursor="$.at").read([{"at": True}, {"at": [1]}, {}, {"at": 1}])
    assert [item.data for item in answered] == [{"at": 1}]
    assert len(refused) == 3


def test_cursors_that_are_text_here_and_numbers_there_are_trouble() -> None:
    answered, _ = ItemPaths(items="$[*]", cursor="$.at").read([{"at": 1}, {"at": "2"}])
    with pytest.raises(Trouble, match="cannot be compared"):
        KnownItems({}, marked=True).new(answered)


def test_a_text_is_an_item_but_has_no_id() -> None:
    assert [item.data for item in ItemPaths(items="$[*]").read(['"{}"', "x"])[0]] == ['"{}"', "x"]
    answered, refused = ItemPaths(items="$[*]", item_id="$.id").read(['{"id": 1}'])
    assert (answered, len(refused)) == ([], 1)


def test_an_answer_without_items_has_none() -> None:
    for answer in (None, "[1]", 7, {}):
        assert ItemPaths(items="$.results[*]").read(answer) == ([], [])
