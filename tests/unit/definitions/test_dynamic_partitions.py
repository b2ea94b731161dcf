"""Dynamic partitions; what Dagster answers is in tests/parity."""

from __future__ import annotations

import pytest

from upwell.definitions.errors import (
    DagsterInvalidDefinitionError,
    DagsterInvalidInvocationError,
    DagsterInvariantViolationError,
)
from upwell.definitions.graph import AssetGraph
from upwell.definitions.partitions.definition import PartitionKeyRange
from upwell.definitions.partitions.dynamic import DynamicKeys, DynamicPartitionsDefinition
from upwell.definitions.project import Project
from upwell.definitions.snapshot import AssetNode, Snapshot

SHOPS = DynamicPartitionsDefinition(name="shops")


def test_they_have_a_name() -> None:
    with pytest.raises(DagsterInvalidDefinitionError, match=r"DynamicPartitionsDefinition\(name='customers'\)"):
        DynamicPartitionsDefinition()


def test_keys_keep_the_order_in_which_they_came() -> None:
    keys = DynamicKeys({"shops": ["b", "a"]})
    keys.change("shops", added=["c", "a"])
    keys.change("shops", removed=["b", "z"])
    assert SHOPS.get_partition_keys(dynamic_partitions_store=keys) == ("a", "c")
    keys.change("shops", added=["b"])
    assert SHOPS.get_last_partition_key(dynamic_partitions_store=keys) == "b"


def test_without_anyone_who_knows_the_keys_there_is_no_answer() -> None:
    with pytest.raises(DagsterInvariantViolationError, match=r"dynamic_partitions_store=context\.instance"):
        SHOPS.has_partition_key("a")


def test_a_range_is_by_the_order_in_which_they_came() -> None:
    known = SHOPS.known_by(DynamicKeys({"shops": ["b", "a", "c"]}))
    assert known.get_partition_keys_in_range(PartitionKeyRange("b", "a")) == ("b", "a")
    assert known.get_partition_keys_in_range(PartitionKeyRange("a", "b")) == ()
    with pytest.raises(DagsterInvalidInvocationError, match="there is no partition 'z' of dynamic partitions 'shops'"):
        known.get_partition_keys_in_range(PartitionKeyRange("a", "z"))


def test_definitions_of_one_name_are_one_whoever_knows_the_keys() -> None:
    known = SHOPS.known_by(DynamicKeys({"shops": ["a"]}))
    assert known == SHOPS == DynamicPartitionsDefinition(name="shops")
    assert len({known, SHOPS}) == 1


def test_a_key_that_comes_is_known_to_the_graph_that_there_is() -> None:
    project = Project()
    project.replace(Snapshot(location="here", assets=(AssetNode(key="a", step="a", partitions=SHOPS),)))
    graph = project.graph
    project.dynamic.change("shops", added=["s1"])
    partitions = graph.assets["a"].partitions
    assert partitions is not None and partitions.has_partition_key("s1")
    assert project.graph is graph


def test_a_graph_for_itself_knows_of_no_keys() -> None:
    graph = AssetGraph([Snapshot(location="here", assets=(AssetNode(key="a", step="a", partitions=SHOPS),))])
    partitions = graph.assets["a"].partitions
    assert partitions is not None and not partitions.has_partition_key("s1")
