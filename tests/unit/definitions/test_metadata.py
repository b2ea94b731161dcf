"""Metadata: kinds by type, the form they are stored in, what is refused."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from pathlib import PurePosixPath

import numpy as np
import pytest

from upwell import AssetCheckResult, AssetKey, DagsterInvalidMetadata, MetadataValue
from upwell.definitions.metadata import decode_metadata, encode_metadata, normalize_metadata

INSTANT = datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("given", "kind", "stored"),
    [
        (1, "int", 1),
        (1.5, "float", 1.5),
        (True, "bool", True),
        ("x", "text", "x"),
        (None, "null", None),
        ([1, {"a": 2}], "json", [1, {"a": 2}]),
        ({1: "one"}, "json", {"1": "one"}),
        (PurePosixPath("/a/b"), "path", "/a/b"),
        (AssetKey(["a", "b"]), "asset", "a/b"),
        (np.int64(3), "int", 3),
        (np.float32(0.5), "float", 0.5),
        (np.bool_(True), "bool", True),
        (math.inf, "float", "inf"),
        (MetadataValue.md("*x*"), "md", "*x*"),
        (MetadataValue.url("http://x"), "url", "http://x"),
        (MetadataValue.timestamp(INSTANT), "timestamp", 1704164645.0),
        (MetadataValue.dagster_run("abc"), "run", "abc"),
        (MetadataValue.table([{"a": 1, "b": INSTANT}]), "table", [{"a": 1, "b": str(INSTANT)}]),
    ],
)
def test_values_are_stored_by_kind_and_come_back(given: object, kind: str, stored: object) -> None:
    encoded = json.loads(json.dumps(encode_metadata({"it": given})))
    assert encoded == {"it": {"type": kind, "value": stored}}
    assert encode_metadata(decode_metadata(encoded)) == encoded


@pytest.mark.parametrize("given", [object(), (1, 2), {1, 2}, b"x", INSTANT, [object()]])
def test_what_has_no_kind_is_refused_by_name(given: object) -> None:
    with pytest.raises(DagsterInvalidMetadata, match="'it'"):
        normalize_metadata({"it": given})


@pytest.mark.parametrize(
    "make",
    [
        lambda: MetadataValue.int("3"),
        lambda: MetadataValue.text(3),
        lambda: MetadataValue.timestamp(datetime(2024, 1, 1)),
    ],
)
def test_a_constructor_takes_its_own_type_only(make) -> None:
    with pytest.raises(DagsterInvalidMetadata):
        make()


def test_a_check_passes_by_a_truth_value_of_numpy_but_not_by_a_number() -> None:
    assert AssetCheckResult(passed=np.bool_(False)).passed is False
    with pytest.raises(TypeError, match=r"passed=bool\(…\)"):
        AssetCheckResult(passed=1)
