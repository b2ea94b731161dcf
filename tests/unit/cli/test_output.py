from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from upwell.cli.output import print_table, say
from upwell.web.wording import ago

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
EVIL = "a\x1b[2J\nb"


def test_away_from_a_terminal_a_table_is_aligned_columns_and_nothing_is_cut_off(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_table(("ASSET", "STATUS"), [("x" * 200, "stale"), ("b", "failed")])
    assert capsys.readouterr().out.splitlines() == [
        "ASSET" + " " * 197 + "STATUS",
        "x" * 200 + "  stale",
        "b" + " " * 201 + "failed",
    ]


def test_names_cannot_move_the_cursor_or_forge_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    say(EVIL)
    print_table(("ASSET",), [(EVIL,)])
    assert capsys.readouterr().out == "a\\u001b[2J\\nb\nASSET\na\\u001b[2J\\nb\n"


@pytest.mark.parametrize(
    ("age", "text"),
    [
        (timedelta(seconds=-3), "just now"),
        (timedelta(milliseconds=200), "just now"),
        (timedelta(seconds=12), "12.0 s ago"),
        (timedelta(minutes=5), "5 min ago"),
        (timedelta(hours=3), "3 h ago"),
        (timedelta(hours=47), "47 h ago"),
        (timedelta(days=9), "9 d ago"),
    ],
)
def test_ages_are_round(age: timedelta, text: str) -> None:
    assert ago(NOON - age, NOON) == text


def test_never_is_a_dash() -> None:
    assert ago(None, NOON) == "-"
