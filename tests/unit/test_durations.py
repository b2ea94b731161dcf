from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from upwell.durations import format_duration, parse_duration
from upwell.errors import DefinitionError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("500ms", 0.5), ("2s", 2), (" 2 s ", 2), ("10m", 600), ("1h", 3600), ("1d", 86_400), ("1.5h", 5400), ("0s", 0)],
)
def test_a_duration_reads_as_it_is_spoken(text: str, seconds: float) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "wrong", ["", "2", "s", "2 sec", "-2s", "1h30m", "٣s", "9" * 400 + "d", 2, None, timedelta(-1)]
)
def test_anything_else_is_refused_with_examples(wrong: Any) -> None:
    with pytest.raises(DefinitionError, match=r'settle=.* is no duration; write "500ms", "2s"'):
        parse_duration(wrong, what="settle")


@pytest.mark.parametrize("text", ["1d", "36h", "90s", "2m", "1500ms", "0.250ms"])
def test_formatting_reads_back_as_the_same(text: str) -> None:
    assert format_duration(parse_duration(text)) == text
