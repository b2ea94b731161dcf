"""Only those conditions are evaluated that something reaches, at a cost that follows what changed."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import upwell as up
from upwell.definitions.conditions.incremental import Change, Incremental
from upwell.definitions.conditions.model import AutomationCondition
from upwell.definitions.conditions.state import AutomationCursor
from upwell.definitions.graph import AssetGraph
from upwell.definitions.partitions.union import AnyPartitionsDefinition
from upwell.definitions.snapshot import AssetNode, DepNode, Snapshot, StepNode
from upwell.oneshot.automation import InstanceState

C = up.AutomationCondition
NOON = datetime(2024, 1, 1, 12, tzinfo=UTC)


class Watched:
    """Some assets, their conditions, and an instance in which they are made."""

    def __init__(
        self,
        deps: Mapping[str, Iterable[str]],
        conditions: Mapping[str, AutomationCondition],
        partitions: AnyPartitionsDefinition | None = None,
    ) -> None:
        assets = tuple(
            AssetNode(key=key, step=key, deps=tuple(DepNode(asset=dep) for dep in above), partitions=partitions)
            for key, above in deps.items()
        )
        steps = tuple(StepNode(key=key, assets=(key,)) for key in deps)
        graph = AssetGraph([Snapshot(location="here", assets=assets, steps=steps)])
        self.instance = up.DagsterInstance.ephemeral()
        self.state = InstanceState(self.instance, graph)
        self.now = NOON
        self.conditions = Incremental(conditions, graph, self.now, AutomationCursor())

    def evaluate(self, *touched: str, after: timedelta = timedelta(0)) -> Change:
        self.now += after
        return self.conditions.evaluate(self.state, self.now, touched)

    def make(self, key: str, partition: str | None = None) -> Change:
        self.instance.report_runless_asset_event(up.AssetMaterialization(key, partition=partition))
        return self.evaluate(key)

    def settle(self) -> None:
        while self.evaluate(after=timedelta(seconds=1)).answers:
            pass


def test_what_nothing_happens_to_is_not_evaluated() -> None:
    watched = Watched({"a": (), "b": "a", "c": ()}, {"b": C.eager(), "c": C.eager()})
    watched.settle()
    assert set(watched.make("a").answers) == {"b"}


def test_a_chain_is_requested_at_once() -> None:
    watched = Watched({"a": (), "b": "a", "c": "b", "d": "c"}, dict.fromkeys("bcd", C.eager()))
    watched.settle()
    assert set(watched.make("a").requested) == {"b", "c", "d"}


def test_a_change_right_after_an_asset_was_made_is_not_lost() -> None:
    watched = Watched({"a": (), "b": "a"}, {"b": C.eager()})
    watched.settle()
    watched.make("a")
    assert not watched.make("b").requested
    assert set(watched.make("a").requested) == {"b"}


def test_a_tick_of_the_clock_reaches_those_that_wait_for_it() -> None:
    watched = Watched({"a": (), "b": ()}, {"a": C.cron_tick_passed("0 * * * *"), "b": C.eager()})
    watched.settle()
    assert not watched.evaluate(after=timedelta(minutes=30)).answers
    assert set(watched.evaluate(after=timedelta(minutes=31)).requested) == {"a"}


def test_a_request_reaches_those_that_look_at_it_from_above_in_the_next_evaluation() -> None:
    watched = Watched({"a": (), "b": "a"}, {"a": C.asset_matches("b", C.newly_requested()), "b": C.any_deps_updated()})
    watched.settle()
    assert set(watched.make("a").requested) == {"b"}
    assert set(watched.evaluate().requested) == {"a", "b"}  # b follows the request of a


def test_a_condition_of_a_user_is_asked_each_time() -> None:
    class Afternoon(up.AutomationCondition):
        def evaluate(self, context: up.AutomationContext) -> up.AutomationResult:
            late = context.evaluation_time.hour >= 13
            return up.AutomationResult(context, context.candidate_subset if late else context.get_empty_subset())

    watched = Watched({"a": ()}, {"a": Afternoon()})
    for _ in range(3):
        assert not watched.evaluate().requested
    assert set(watched.evaluate(after=timedelta(hours=1)).requested) == {"a"}


def big() -> tuple[Watched, Any]:
    """Assets, three below each, with 1,000 days; as many as can be evaluated in a test of a few seconds."""
    days = up.DailyPartitionsDefinition(NOON - timedelta(days=1000))
    deps = {f"a{number}": (f"a{(number - 1) // 3}",) if number else () for number in range(1_500)}
    watched = Watched(deps, dict.fromkeys(list(deps)[1:], C.eager()), days)
    watched.settle()
    return watched, days.get_last_partition_key(NOON)


def test_one_event_among_many_assets_of_a_thousand_partitions_costs_little() -> None:
    watched, day = big()
    took = []
    for number in (40, 150, 450, 460):
        began = time.perf_counter()
        change = watched.make(f"a{number}", day)
        took.append(time.perf_counter() - began)
        assert 0 < len(change.answers) < 50
        watched.settle()
    assert min(took) < 0.005, took
