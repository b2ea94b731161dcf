from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upwell.web.wording import ahead, clock_time, events, named, sentence, short_runs

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("names", "text"),
    [
        ([], "nothing"),
        (["a"], "a"),
        (["a", "b"], "a and b"),
        (["a", "b", "c"], "a, b and c"),
        (["a", "b", "c", "d", "e"], "a, b, c and 2 more"),
    ],
)
def test_names_are_listed_as_in_a_sentence(names: list[str], text: str) -> None:
    assert named(names) == text


@pytest.mark.parametrize(
    ("ids", "text"),
    [([7], "event 7"), ([7, 9], "events 7 and 9"), ([9, 7, 8, 30], "4 events (7 to 30)")],
)
def test_events_are_named_while_they_are_few(ids: list[int], text: str) -> None:
    assert events(ids) == text


def test_ids_of_runs_are_cut_and_nothing_else_is() -> None:
    run, digest = "3f2a1b8c" + "0" * 24, "a" * 64
    assert short_runs(f"run {run} of {digest}") == f"run 3f2a1b8c of {digest}"


@pytest.mark.parametrize(
    ("instant", "text"),
    [
        (NOON + timedelta(minutes=5), "12:05:00 UTC"),
        (NOON + timedelta(hours=13), "2024-05-02 01:00:00 UTC"),
        (NOON - timedelta(days=1), "2024-04-30 12:00:00 UTC"),
    ],
)
def test_another_day_is_said(instant: datetime, text: str) -> None:
    assert clock_time(instant, NOON) == text


@pytest.mark.parametrize(
    ("instant", "text"),
    [(None, "-"), (NOON, "now"), (NOON + timedelta(minutes=5), "in 5 min"), (NOON + timedelta(hours=9), "in 9 h")],
)
def test_what_comes_is_said_roughly(instant: datetime | None, text: str) -> None:
    assert ahead(instant, NOON) == text


@given(st.text())
def test_a_sentence_is_one_line_that_ends(text: str) -> None:
    said = sentence(text)
    assert "\n" not in said
    assert said.endswith((".", "!", "?", "…"))
    assert sentence(said) == said
