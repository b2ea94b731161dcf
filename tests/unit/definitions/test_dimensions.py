"""Partitions of several dimensions; what Dagster answers is in tests/parity."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime

import pytest
from pydantic import TypeAdapter

from upwell.definitions.errors import DagsterInvalidDefinitionError, DagsterInvalidInvocationError
from upwell.definitions.partitions.dynamic import DynamicKeys, DynamicPartitionsDefinition
from upwell.definitions.partitions.mapping import (
    DimensionPartitionMapping,
    IdentityPartitionMapping,
    MultiPartitionMapping,
    MultiToSingleDimensionPartitionMapping,
    check_mapping,
    downstream_partitions,
    upstream_partitions,
)
from upwell.definitions.partitions.multi import MultiPartitionKey, MultiPartitionsDefinition, window_of
from upwell.definitions.partitions.named import StaticPartitionsDefinition
from upwell.definitions.partitions.time_windows import DailyPartitionsDefinition, WeeklyPartitionsDefinition
from upwell.definitions.partitions.union import AnyPartitionsDefinition

NOW = datetime(2024, 1, 10, 12, tzinfo=UTC)
REGIONS = StaticPartitionsDefinition(["us", "eu"])
DAYS = DailyPartitionsDefinition("2024-01-01", end_date="2024-01-04")
BOTH = MultiPartitionsDefinition({"region": REGIONS, "day": DAYS})
SIZES = StaticPartitionsDefinition(["s", "l"])
THREE = MultiPartitionsDefinition({"size": SIZES, "region": REGIONS, "day": DAYS})


def test_there_may_be_more_than_two_dimensions() -> None:
    assert THREE.get_partition_keys(NOW)[:3] == ["2024-01-01|us|s", "2024-01-01|us|l", "2024-01-01|eu|s"]
    assert THREE.get_num_partitions(NOW) == 3 * 2 * 2
    assert THREE.has_partition_key("2024-01-03|eu|l", NOW)
    assert not THREE.has_partition_key("2024-01-03|eu", NOW)


def test_one_dimension_is_refused_with_the_mend() -> None:
    with pytest.raises(DagsterInvalidInvocationError, match="use the one that there is by itself"):
        MultiPartitionsDefinition({"day": DAYS})


def test_dimensions_have_none_of_their_own() -> None:
    with pytest.raises(DagsterInvalidDefinitionError, match="dimension 'x' has partitions of a kind that cannot be"):
        MultiPartitionsDefinition({"x": BOTH, "size": SIZES})


def test_a_key_stays_whole_when_it_travels() -> None:
    key = MultiPartitionKey({"region": "eu", "day": "2024-01-02"})
    again = pickle.loads(pickle.dumps(key))
    assert (str(again), again.keys_by_dimension) == ("2024-01-02|eu", {"day": "2024-01-02", "region": "eu"})


def test_the_definition_stays_whole_when_it_travels() -> None:
    plain = TypeAdapter[AnyPartitionsDefinition](AnyPartitionsDefinition)
    shops = MultiPartitionsDefinition({"shop": DynamicPartitionsDefinition(name="shops"), "day": DAYS})
    for definition in (BOTH, THREE, shops):
        assert plain.validate_json(plain.dump_json(definition)) == definition


def test_a_partition_covers_the_time_of_its_only_dimension_of_time() -> None:
    assert window_of(BOTH, "2024-01-02|eu") == DAYS.time_window_for_partition_key("2024-01-02")
    assert window_of(MultiPartitionsDefinition({"a": REGIONS, "b": SIZES}), "us|s") is None
    two = MultiPartitionsDefinition({"day": DAYS, "week": WeeklyPartitionsDefinition("2024-01-01")})
    assert window_of(two, "2024-01-02|2024-01-07") is None


def test_dynamic_dimensions_follow_their_keys() -> None:
    keys = DynamicKeys({"shops": ["s1"]})
    shops = MultiPartitionsDefinition({"shop": DynamicPartitionsDefinition(name="shops"), "size": SIZES}).known_by(keys)
    assert shops.get_partition_keys() == ["s1|s", "s1|l"]
    keys.change("shops", added=["s2"], removed=["s1"])
    assert shops.get_partition_keys() == ["s2|s", "s2|l"]
    assert shops.has_partition_key("s2|l") and not shops.has_partition_key("s1|l")


def test_a_dynamic_key_that_would_be_taken_for_several_is_none_of_them() -> None:
    keys = DynamicKeys({"shops": ["s|1", "s2"]})
    shops = MultiPartitionsDefinition({"shop": DynamicPartitionsDefinition(name="shops"), "size": SIZES}).known_by(keys)
    assert shops.get_partition_keys() == ["s2|s", "s2|l"]


@pytest.mark.parametrize(
    ("mapping", "up", "down", "key", "reads"),
    [
        (None, THREE, REGIONS, "eu", [f"2024-01-0{day}|eu|{size}" for day in (1, 2, 3) for size in "sl"]),
        (None, SIZES, THREE, "2024-01-02|eu|l", ["l"]),
        (None, THREE, THREE, "2024-01-02|eu|l", ["2024-01-02|eu|l"]),
        (
            MultiPartitionMapping({"day": DimensionPartitionMapping("day", IdentityPartitionMapping())}),
            BOTH,
            THREE,
            "2024-01-02|eu|l",
            ["2024-01-02|us", "2024-01-02|eu"],
        ),
    ],
)
def test_what_a_partition_reads(mapping, up, down, key, reads) -> None:
    assert list(upstream_partitions(mapping, up, down, key, NOW)) == reads


@pytest.mark.parametrize(
    ("mapping", "up", "down", "key", "reaches"),
    [
        (None, THREE, REGIONS, "2024-01-02|eu|l", ["eu"]),
        (None, REGIONS, BOTH, "eu", ["2024-01-01|eu", "2024-01-02|eu", "2024-01-03|eu"]),
        (None, BOTH, None, "2024-01-02|eu", [None]),
        (None, None, BOTH, None, list(BOTH.get_partition_keys(NOW))),
        (MultiToSingleDimensionPartitionMapping("region"), BOTH, REGIONS, "2024-01-02|us", ["us"]),
    ],
)
def test_what_an_update_reaches(mapping, up, down, key, reaches) -> None:
    assert list(downstream_partitions(mapping, up, down, key, NOW)) == reaches


def test_which_of_two_dimensions_is_meant_has_to_be_said() -> None:
    twins = MultiPartitionsDefinition({"from": REGIONS, "to": REGIONS})
    with pytest.raises(DagsterInvalidDefinitionError, match="say which is meant"):
        check_mapping(MultiToSingleDimensionPartitionMapping(), twins, REGIONS)
    said = MultiToSingleDimensionPartitionMapping("to")
    assert list(upstream_partitions(said, twins, REGIONS, "eu", NOW)) == ["us|eu", "eu|eu"]


@pytest.mark.parametrize(
    ("pairs", "problem"),
    [
        ({"planet": "day"}, "names the upstream dimension 'planet', which does not exist"),
        ({"day": "planet"}, "names the downstream dimension 'planet', which does not exist"),
        ({"day": "day", "region": "day"}, "names the downstream dimension 'day', and names it twice"),
    ],
)
def test_a_mapping_of_dimensions_that_are_not_there_is_refused(pairs: dict[str, str], problem: str) -> None:
    mapping = MultiPartitionMapping(
        {up: DimensionPartitionMapping(down, IdentityPartitionMapping()) for up, down in pairs.items()}
    )
    with pytest.raises(DagsterInvalidDefinitionError, match=problem):
        check_mapping(mapping, BOTH, THREE)
