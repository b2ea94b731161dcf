"""How far a multi-asset sensor has come."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import upwell as up
from upwell.definitions.asset_cursor import MOST_TRAILING, AssetCursor, parse_cursor, write_cursor

PARTITIONS = st.sampled_from(["a", "b", "c"])
EVENTS = st.lists(PARTITIONS, min_size=1, max_size=12).map(lambda keys: list(enumerate(keys, start=1)))


def test_what_was_used_is_passed_and_what_is_newer_is_not() -> None:
    cursor = AssetCursor().advanced({2: None}, [(1, None), (2, None), (3, None)])
    assert [cursor.has_passed(event) for event in (1, 2, 3)] == [True, True, False]


def test_an_older_one_of_another_partition_stays_until_it_is_used() -> None:
    events = [(1, "a"), (2, "b")]
    ahead = AssetCursor().advanced({2: "b"}, events)
    assert (ahead.trailing, ahead.has_passed(1)) == ({"a": 1}, False)
    behind = ahead.advanced({1: "a"}, events)
    assert (behind.trailing, behind.id, behind.partition) == ({}, 2, "b")


def test_nothing_stays_behind_when_all_are_passed() -> None:
    cursor = AssetCursor().advanced({3: "a"}, [(1, "b"), (2, "c"), (3, "a")], past_all=True)
    assert cursor == AssetCursor(partition="a", id=3)


def test_too_many_partitions_are_not_left_behind() -> None:
    events = [(number, f"p{number}") for number in range(1, MOST_TRAILING + 2)]
    with pytest.raises(up.DagsterInvariantViolationError, match="25 partitions would be left behind"):
        AssetCursor().advanced({events[-1][0]: events[-1][1]}, events)


@pytest.mark.parametrize("text", [None, "", "7", "not json", "[]", '{"a": [1]}'])
def test_a_text_of_another_form_is_a_beginning(text: str | None) -> None:
    assert parse_cursor(text) == {}


@given(st.dictionaries(st.lists(PARTITIONS, min_size=1).map(up.AssetKey), st.builds(AssetCursor, id=st.integers(1, 9))))
def test_the_text_tells_everything(cursors: dict[up.AssetKey, AssetCursor]) -> None:
    assert parse_cursor(write_cursor(cursors)) == cursors


@given(EVENTS, st.data())
def test_the_newest_of_each_partition_is_either_passed_because_it_was_used_or_still_to_come(
    events: list[tuple[int, str]], data: st.DataObject
) -> None:
    used = data.draw(st.lists(st.sampled_from(events), min_size=1, unique=True))
    cursor = AssetCursor().advanced(dict(used), events)
    for partition in {key for _, key in events}:
        newest = max(event for event, key in events if key == partition)
        assert cursor.has_passed(newest) == ((newest, partition) in used)


@given(EVENTS, st.data())
def test_used_one_by_one_nothing_comes_twice_and_nothing_is_lost(
    events: list[tuple[int, str]], data: st.DataObject
) -> None:
    cursor, seen = AssetCursor(), list[str]()
    newest = {key: event for event, key in events}
    for partition in data.draw(st.permutations(sorted(newest))):
        assert not cursor.has_passed(newest[partition])
        cursor = cursor.advanced(
            {newest[partition]: partition}, [one for one in events if not cursor.has_passed(one[0])]
        )
        seen.append(partition)
        assert all(cursor.has_passed(newest[done]) for done in seen)
    assert all(cursor.has_passed(event) for event, _ in events)
