"""Which dynamic keys a call comes with, and which of its changes are any."""

from __future__ import annotations

from upwell.definitions.graph import AssetGraph
from upwell.definitions.partitions.dynamic import DynamicKeys, DynamicPartitionsDefinition
from upwell.definitions.snapshot import AssetNode, JobNode, SensorNode, Snapshot
from upwell.events import DynamicPartitionsChanged, SensorEvaluated
from upwell.sensing.dynamic_keys import dynamic_keys, without_repeats

STORE = DynamicKeys({"shops": ["s2", "s1"], "teams": ["t"], "others": ["o"]})


def test_a_call_comes_with_the_keys_of_what_the_sensor_is_for_or_watches() -> None:
    assets = tuple(
        AssetNode(key=name, step=name, partitions=DynamicPartitionsDefinition(name=name))
        for name in ("shops", "teams", "others")
    )
    jobs = (JobNode(name="daily", assets=("teams",)),)
    graph = AssetGraph([Snapshot(location="here", assets=assets, jobs=jobs)], STORE)
    sensor = SensorNode(name="looking", kind="asset", watched_assets=("shops",), jobs=("daily",))
    assert dynamic_keys(graph, sensor) == {"shops": ("s2", "s1"), "teams": ("t",)}
    assert dynamic_keys(graph, SensorNode(name="other", kind="polling", assets=("others",))) == {"others": ("o",)}


def test_a_key_that_is_there_already_does_not_come_again() -> None:
    ended = SensorEvaluated(sensor="looking")
    changes = [
        DynamicPartitionsChanged(name="shops", added=("s1", "s3")),
        DynamicPartitionsChanged(name="shops", added=("s2",)),
        DynamicPartitionsChanged(name="shops", removed=("s2",)),
    ]
    fresh = (DynamicPartitionsChanged(name="shops", added=("s3",)), changes[2], ended)
    assert without_repeats([*changes, ended], STORE) == fresh
