"""Sensors and schedules answer as Dagster's do: each case asks public names only; golden.json has what Dagster said.

How to record anew is said in record.py. `error:any` stands for an error whose class is not among Dagster's public
names; any error will do for it.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import upwell

_spec = importlib.util.spec_from_file_location("parity_record", Path(__file__).parent / "record.py")
assert _spec is not None and _spec.loader is not None
record = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(record)

GOLDEN: dict[str, Any] = json.loads(record.GOLDEN.read_text())


def test_every_case_is_recorded() -> None:
    assert record.cases() == sorted(GOLDEN["cases"])
    assert GOLDEN["version"].startswith("1.13.")


@pytest.mark.parametrize("name", record.cases())
def test_the_case_answers_as_dagster_does(name: str) -> None:
    assert list(differences(GOLDEN["cases"][name], record.answer(name, upwell))) == []


def test_a_difference_is_told_with_its_place() -> None:
    assert list(differences({"a": [1, "error:any"]}, {"a": [2, "error:DagsterError"]})) == ["$.a[0]: 1 became 2"]
    assert list(differences({"a": 1}, {"b": 1})) == ["$.a: is missing", "$.b: is new"]


def differences(wanted: Any, got: Any, place: str = "$") -> Iterator[str]:
    if wanted == "error:any" and isinstance(got, str) and got.startswith("error:"):
        return
    if isinstance(wanted, dict) and isinstance(got, dict):
        for key in sorted(wanted.keys() | got.keys()):
            if key not in got:
                yield f"{place}.{key}: is missing"
            elif key not in wanted:
                yield f"{place}.{key}: is new"
            else:
                yield from differences(wanted[key], got[key], f"{place}.{key}")
    elif isinstance(wanted, list) and isinstance(got, list) and len(wanted) == len(got):
        for index, (one, other) in enumerate(zip(wanted, got, strict=True)):
            yield from differences(one, other, f"{place}[{index}]")
    elif type(wanted) is not type(got) or wanted != got:
        yield f"{place}: {json.dumps(wanted)} became {json.dumps(got)}"
