from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Protocol, TypedDict

import pandas as pd
import pytest

from upwell.definitions.annotations import violation
from upwell.definitions.specs import UNSET


class Row(TypedDict):
    amount: int


class HasName(Protocol):
    name: str


@pytest.mark.parametrize(
    ("value", "annotation"),
    [
        (1, UNSET),
        (1, Any),
        (True, int),  # as with isinstance
        (None, None),
        (None, int | None),
        (1, int | None),
        ([1, 2], list[int]),
        ([], list[int]),
        ({"a": 1}, dict[str, int]),
        ((1, "a"), tuple[int, str]),
        ((1, 2, 3), tuple[int, ...]),
        ([1], Sequence[int]),
        (pd.DataFrame(), pd.DataFrame),
        (1, Annotated[int, "rows"]),
        ({"amount": "x"}, Row),  # not told cheaply
        (1, HasName),
    ],
)
def test_it_fits(value: object, annotation: object) -> None:
    assert violation(value, annotation) is None


@pytest.mark.parametrize(
    ("value", "annotation", "said"),
    [
        (1, float, "1 is a int, not float"),
        ("1", int, "'1' is a str, not int"),
        ("x", int | None, "not int | None"),
        ([1, "2"], list[int], "in it, '2' is a str, not int"),
        ({1: 1}, dict[str, int], "in it, 1 is a int"),
        ({"a": "b"}, dict[str, int], "in it, 'b'"),
        ((1, 2), tuple[int, str], "in it, 2 is a int"),
        ([1], pd.DataFrame, "not DataFrame"),
        ("x" * 100, Annotated[int, "rows"], "x…"),
    ],
)
def test_it_does_not_fit_and_why(value: object, annotation: object, said: str) -> None:
    problem = violation(value, annotation)
    assert problem is not None and said in problem
