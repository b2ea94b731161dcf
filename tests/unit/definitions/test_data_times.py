from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from upwell.definitions.data_times import data_time_in
from upwell.definitions.errors import DagsterInvariantViolationError
from upwell.definitions.metadata import MetadataValue, encode_metadata, normalize_metadata
from upwell.definitions.results import MaterializeResult, ObserveResult

NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize("name", ["data_time", "upwell/data_time"])
@pytest.mark.parametrize(
    "value",
    [
        NOON,
        NOON.astimezone(timezone(timedelta(hours=5, minutes=45))),
        "2024-03-01T12:00:00Z",
        "2024-03-01T13:00:00+01:00",
        MetadataValue.timestamp(NOON),
        MetadataValue.text("2024-03-01T12:00:00Z"),
    ],
)
def test_metadata_may_say_it_raw_or_as_json(name: str, value: object) -> None:
    metadata = normalize_metadata({name: value})
    assert data_time_in(metadata, "a") == data_time_in(encode_metadata(metadata), "a") == NOON


def test_where_nobody_says_it_there_is_none() -> None:
    assert data_time_in({"rows": 3}, "a") is None
    assert data_time_in(None, "a") is None


@pytest.mark.parametrize("value", ["soon", "2024-03-01T12:00:00", 3, None])
def test_what_is_no_instant_is_refused_by_name(value: object) -> None:
    if value is None:
        assert data_time_in({"data_time": None}, "a") is None
        return
    with pytest.raises(DagsterInvariantViolationError, match="data_time of asset 'a', among its metadata"):
        data_time_in({"data_time": value}, "asset 'a'")


def test_results_take_it_with_a_zone_only() -> None:
    assert MaterializeResult(data_time=NOON).data_time == NOON == ObserveResult(data_time=NOON).data_time
    assert MaterializeResult().data_time is None
    with pytest.raises(DagsterInvariantViolationError, match="a datetime with a time zone"):
        MaterializeResult(data_time=datetime(2024, 3, 1))
