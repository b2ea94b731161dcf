"""Partitions of several dimensions and dynamic ones: sets of keys that a slow and simple reckoning finds, too."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import product
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from upwell.definitions.graph import AssetGraph
from upwell.definitions.partitions.definition import PartitionsDefinition
from upwell.definitions.partitions.dynamic import ChangedKeys, DynamicKeys, DynamicPartitionsDefinition
from upwell.definitions.partitions.mapping import (
    AllPartitionMapping,
    DimensionPartitionMapping,
    IdentityPartitionMapping,
    LastPartitionMapping,
    MultiPartitionMapping,
    TimeWindowPartitionMapping,
    check_mapping,
    default_mapping,
    downstream_partitions,
    upstream_partitions,
)
from upwell.definitions.partitions.multi import MultiPartitionKey, MultiPartitionsDefinition, newest_keys
from upwell.definitions.partitions.named import StaticPartitionsDefinition
from upwell.definitions.partitions.requests import AddDynamicPartitionsRequest, DeleteDynamicPartitionsRequest
from upwell.definitions.partitions.time_windows import (
    DailyPartitionsDefinition,
    TimeWindowPartitionsDefinition,
    WeeklyPartitionsDefinition,
)
from upwell.definitions.snapshot import AssetNode, DepNode, Snapshot, StepNode
from upwell.events import PlannedStep
from upwell.execution.inputs import dynamic_keys

NOW = datetime(2024, 1, 20, 12, tzinfo=UTC)
STORE = DynamicKeys({"shops": ["s2", "s1", "s3"], "teams": ["t1"]})

SINGLES: list[PartitionsDefinition] = [
    StaticPartitionsDefinition(["b", "a"]),
    StaticPartitionsDefinition(["b", "a", "c"]),
    DailyPartitionsDefinition("2024-01-03", end_date="2024-01-09"),
    WeeklyPartitionsDefinition("2024-01-01"),
    DynamicPartitionsDefinition(name="shops"),
    DynamicPartitionsDefinition(name="teams"),
]
singles = st.sampled_from(SINGLES)
multis = st.dictionaries(st.sampled_from("xyz"), singles, min_size=2, max_size=3).map(MultiPartitionsDefinition)
definitions = (singles | multis).map(lambda one: one.known_by(STORE))


@settings(max_examples=100, deadline=None)
@given(multi=multis.map(lambda one: one.known_by(STORE)))
def test_keys_are_the_product_of_the_dimensions_in_the_order_of_their_names(multi: MultiPartitionsDefinition) -> None:
    parts = [multi.by_name[name].get_partition_keys(NOW) for name in sorted(multi.by_name)]
    assert list(multi.get_partition_keys(NOW)) == ["|".join(each) for each in product(*parts)]
    assert multi.get_num_partitions(NOW) == len(multi.get_partition_keys(NOW))
    assert multi.get_first_partition_key(NOW) == (multi.get_partition_keys(NOW) or [None])[0]
    assert multi.get_last_partition_key(NOW) == (multi.get_partition_keys(NOW) or [None])[-1]


@settings(max_examples=100, deadline=None)
@given(multi=multis.map(lambda one: one.known_by(STORE)))
def test_a_key_is_its_parts_and_the_parts_are_the_key(multi: MultiPartitionsDefinition) -> None:
    for key in multi.get_partition_keys(NOW):
        assert multi.get_partition_key_from_str(str(key)).keys_by_dimension == key.keys_by_dimension
        assert MultiPartitionKey(dict(reversed(key.keys_by_dimension.items()))) == key
        assert multi.has_partition_key(str(key), NOW)


@settings(max_examples=100, deadline=None)
@given(definition=definitions)
def test_the_newest_partitions_are_those_of_the_last_window(definition: PartitionsDefinition) -> None:
    keys, newest = list(definition.get_partition_keys(NOW)), list(newest_keys(definition, NOW))
    assert [key for key in keys if key in newest] == newest
    if isinstance(definition, TimeWindowPartitionsDefinition):
        assert newest == keys[-1:]
    elif isinstance(definition, MultiPartitionsDefinition) and (name := definition.time_dimension) is not None:
        last = definition.by_name[name].get_last_partition_key(NOW)
        assert newest == [
            key for key in keys if definition.get_partition_key_from_str(key).keys_by_dimension[name] == last
        ]
    else:
        assert newest == keys


def suitable(up: Any, down: Any) -> Any:
    """Mappings that may stand between two definitions."""
    plain = [None, AllPartitionMapping(), IdentityPartitionMapping(), LastPartitionMapping()]
    if not (isinstance(up, MultiPartitionsDefinition) and isinstance(down, MultiPartitionsDefinition)):
        return st.sampled_from(plain)
    pairs = st.lists(
        st.tuples(st.sampled_from(sorted(up.by_name)), st.sampled_from(sorted(down.by_name))),
        max_size=2,
        unique_by=(lambda pair: pair[0], lambda pair: pair[1]),
    )
    return st.sampled_from(plain) | pairs.map(lambda each: MultiPartitionMapping(dict(dimensions(up, down, each))))


def dimensions(up: MultiPartitionsDefinition, down: MultiPartitionsDefinition, pairs: list[tuple[str, str]]) -> Any:
    for above, below in pairs:
        times = isinstance(up.by_name[above], TimeWindowPartitionsDefinition) and isinstance(
            down.by_name[below], TimeWindowPartitionsDefinition
        )
        mapping = TimeWindowPartitionMapping(allow_nonexistent_upstream_partitions=True)
        yield above, DimensionPartitionMapping(below, mapping if times else IdentityPartitionMapping())


edges = st.tuples(definitions, definitions).flatmap(
    lambda pair: st.tuples(st.just(pair[0]), st.just(pair[1]), suitable(*pair))
)


@settings(max_examples=300, deadline=None)
@given(edge=edges)
def test_a_partition_is_reached_by_exactly_what_it_reads(edge: tuple[Any, Any, Any]) -> None:
    up, down, mapping = edge
    check_mapping(mapping or default_mapping(up, down), up, down)
    read_by: dict[str, set[str]] = {key: set() for key in up.get_partition_keys(NOW)}
    for key in down.get_partition_keys(NOW):
        for read in upstream_partitions(mapping, up, down, key, NOW):
            read_by.setdefault(str(read), set()).add(key)
    for key in up.get_partition_keys(NOW):
        reached = downstream_partitions(mapping, up, down, key, NOW)
        assert len(set(reached)) == len(reached)
        assert set(reached) == read_by[key]


@settings(max_examples=200, deadline=None)
@given(edge=edges, data=st.data())
def test_a_worker_finds_the_same_inputs_with_the_keys_that_it_gets(edge: tuple[Any, Any, Any], data: Any) -> None:
    up, down, mapping = edge
    reader = AssetNode(key="below", step="below", partitions=down, deps=(DepNode(asset="above", mapping=mapping),))
    assets = (AssetNode(key="above", step="above", partitions=up), reader)
    steps = (StepNode(key="above", assets=("above",)), StepNode(key="below", assets=("below",)))
    graph = AssetGraph([Snapshot(location="here", assets=assets, steps=steps)], STORE)
    keys = down.get_partition_keys(NOW)
    if not keys:
        return
    key = data.draw(st.sampled_from([str(key) for key in keys]))
    sent = dynamic_keys(graph, PlannedStep(id="below", step="below", assets=("below",), partition=key), NOW)
    few = DynamicKeys(sent)
    wanted = upstream_partitions(mapping, up, down, key, NOW)
    found = upstream_partitions(mapping, up.known_by(few), down.known_by(few), key, NOW)
    assert list(found) == list(wanted)
    assert [up.known_by(few).has_partition_key(one, NOW) for one in found] == [
        up.has_partition_key(one, NOW) for one in wanted
    ]


changes = st.lists(st.tuples(st.booleans(), st.sampled_from("abcdef")), max_size=30)


@given(changes=changes)
def test_dynamic_keys_are_those_that_came_and_did_not_go(changes: list[tuple[bool, str]]) -> None:
    keys, expected = DynamicKeys({"other": ["a"]}), list[str]()
    for comes, key in changes:
        if comes:
            keys.change("shops", added=[key])
            expected += [] if key in expected else [key]
        else:
            keys.change("shops", removed=[key])
            expected = [one for one in expected if one != key]
        assert list(keys.get_dynamic_partitions("shops")) == expected
        assert [keys.has_dynamic_partition("shops", one) for one in "abcdef"] == [one in expected for one in "abcdef"]
    assert list(keys.get_dynamic_partitions("other")) == ["a"]


@given(first=st.sets(st.sampled_from("abcd")), added=st.sets(st.sampled_from("abcdef")), data=st.data())
def test_keys_after_requests_are_those_that_the_requests_leave(first: set[str], added: set[str], data: Any) -> None:
    removed = data.draw(st.sets(st.sampled_from("abcdef"))) - added
    requests = [
        AddDynamicPartitionsRequest("shops", sorted(added)),
        DeleteDynamicPartitionsRequest("shops", sorted(removed)),
    ]
    store = DynamicKeys({"shops": sorted(first)})
    after = ChangedKeys(store, requests)
    store_after = DynamicKeys({"shops": sorted(first)})
    store_after.change("shops", added=sorted(added), removed=removed)
    assert list(after.get_dynamic_partitions("shops")) == list(store_after.get_dynamic_partitions("shops"))
    assert {key for key in "abcdef" if after.has_dynamic_partition("shops", key)} == (first | added) - removed
