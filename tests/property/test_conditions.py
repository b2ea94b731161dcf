"""Conditions that are evaluated only when something reaches them answer as if all were evaluated every time."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from hypothesis import given, settings
from hypothesis import strategies as st

from upwell import (
    AutomationCondition,
    AutomationContext,
    AutomationResult,
    DailyPartitionsDefinition,
    DynamicPartitionsDefinition,
    HourlyPartitionsDefinition,
    StaticPartitionsDefinition,
)
from upwell.definitions.conditions.evaluate import evaluate_all
from upwell.definitions.conditions.incremental import Incremental
from upwell.definitions.conditions.state import AutomationCursor, CheckStatus, Partition, RunFacts, Update
from upwell.definitions.graph import AssetGraph
from upwell.definitions.partitions.dynamic import DynamicKeys
from upwell.definitions.snapshot import AssetNode, CheckNode, DepNode, Snapshot, StepNode

C = AutomationCondition
START = datetime(2024, 3, 4, 22, 30, tzinfo=UTC)
NAMES = ("a", "b", "c", "d", "e", "f")


class World:
    """What happened, as conditions ask for it."""

    def __init__(self) -> None:
        self.last_event_id = 0
        self.updates: dict[str, list[tuple[int, Update]]] = {}
        self.running: dict[str, set[Partition]] = {}
        self.broken: dict[str, set[Partition]] = {}
        self.checked: dict[str, tuple[Update, bool, int]] = {}
        self.runs = {"tagged": RunFacts(tags={"x": "1"}), "with e": RunFacts(targets=frozenset("ef"))}

    def make(self, asset: str, partition: Partition, at: datetime, run_id: str | None) -> None:
        self.last_event_id += 1
        update = Update(partition=partition, at=at.timestamp(), run_id=run_id)
        self.updates.setdefault(asset, []).append((self.last_event_id, update))
        self.running.get(asset, set()).discard(partition)
        self.broken.get(asset, set()).discard(partition)

    def check(self, check: str, passed: bool, at: datetime) -> None:
        self.last_event_id += 1
        update = Update(partition=None, at=at.timestamp())
        self.checked[check] = (update, passed, len(self.updates.get(check.partition(":")[0], ())))

    def made(self, asset: str) -> Collection[Partition]:
        return {update.partition for _, update in self.updates.get(asset, ())}

    def updates_after(self, asset: str, event_id: int) -> Sequence[Update]:
        return [update for number, update in self.updates.get(asset, ()) if number > event_id]

    def latest_update(self, asset: str) -> Update | None:
        return self.updates[asset][-1][1] if self.updates.get(asset) else None

    def data_version_changed_after(self, asset: str, event_id: int) -> Collection[Partition]:
        return {update.partition for update in self.updates_after(asset, event_id) if update.run_id is not None}

    def run(self, run_id: str) -> RunFacts | None:
        return self.runs.get(run_id)

    def in_progress(self, asset: str) -> Collection[Partition]:
        return frozenset(self.running.get(asset, ()))

    def backfill_in_progress(self, asset: str) -> Collection[Partition]:
        return ()

    def failed(self, asset: str) -> Collection[Partition]:
        return frozenset(self.broken.get(asset, ()))

    def check_status(self, check: str) -> CheckStatus | None:
        update_and_more = self.checked.get(check)
        if update_and_more is None or update_and_more[2] != len(self.updates.get(check.partition(":")[0], ())):
            return None
        return "passed" if update_and_more[1] else "failed"

    def check_evaluation(self, check: str) -> Update | None:
        return self.checked[check][0] if check in self.checked else None

    def freshness(self, asset: str) -> Literal["pass", "warn", "fail"] | None:
        return None


class Mornings(AutomationCondition):
    """Of a user, who asks for the time of day."""

    def evaluate(self, context: AutomationContext) -> AutomationResult:
        is_morning = context.evaluation_time.hour < 12
        return AutomationResult(context, context.candidate_subset if is_morning else context.get_empty_subset())


OPERANDS: tuple[AutomationCondition, ...] = (
    C.missing(),
    C.in_progress(),
    C.execution_failed(),
    C.newly_updated(),
    C.newly_requested(),
    C.will_be_requested(),
    C.initial_evaluation(),
    C.data_version_changed(),
    C.executed_with_root_target(),
    C.executed_with_tags(tag_keys={"x"}),
    C.any_new_update_has_run_tags(tag_keys={"x"}),
    C.in_latest_time_window(),
    C.in_latest_time_window(timedelta(hours=30)),
    C.cron_tick_passed("0 * * * *"),
    C.cron_tick_passed("30 1 * * *", "Europe/Berlin"),
    C.any_checks_match(C.check_passed()),
    C.all_checks_match(C.newly_updated() | C.missing()),
    C.any_downstream_conditions(),
    Mornings(),
)
READY = (C.eager(), C.on_cron("0 * * * *"), C.on_missing(), C.any_deps_updated(), C.all_deps_blocking_checks_passed())


def larger(part: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(
        st.builds(lambda a, b: a & b, part, part),
        st.builds(lambda a, b: a | b, part, part),
        part.map(lambda one: ~one),
        part.map(lambda one: one.newly_true()),
        st.builds(lambda a, b: a.since(b), part, part),
        part.map(lambda one: one.since_last_handled()),
        part.map(C.any_deps_match),
        part.map(C.all_deps_match),
        st.builds(C.asset_matches, st.sampled_from(NAMES), part),
    )


conditions = st.one_of(st.sampled_from(READY), st.recursive(st.sampled_from(OPERANDS + READY), larger, max_leaves=5))
partitions = st.sampled_from(
    [
        None,
        None,
        StaticPartitionsDefinition(["x", "y"]),
        DailyPartitionsDefinition("2024-03-02"),
        HourlyPartitionsDefinition("2024-03-04-20:00"),
        DynamicPartitionsDefinition(name="names"),
    ]
)


@st.composite
def graphs(draw: st.DrawFn) -> tuple[AssetGraph, DynamicKeys, dict[str, AutomationCondition]]:
    keys = DynamicKeys({"names": ["n1"]})
    together = draw(st.booleans())
    common = draw(partitions)
    assets, found = [], {}
    for place, name in enumerate(NAMES):
        deps = draw(st.sets(st.sampled_from(NAMES[:place]), max_size=2)) if place else set()
        kind = common if together and name in "de" else draw(partitions)
        step = None if name == "a" else "de" if together and name in "de" else name
        if step == "de" and name == "e":
            deps -= {"d"}
        deps_nodes = tuple(DepNode(asset=dep) for dep in sorted(deps))
        assets.append(AssetNode(key=name, step=step, deps=deps_nodes, partitions=kind))
        if step is not None:
            found[name] = draw(conditions)
    checks = (
        CheckNode(asset="b", name="fine", step="b_fine", blocking=True),
        CheckNode(asset="c", name="ok", step="c_ok"),
    )
    steps = [StepNode(key=node.step, assets=(node.key,)) for node in assets if node.step not in (None, "de")]
    if together:
        steps.append(StepNode(key="de", assets=("d", "e")))
    snapshot = Snapshot(location="here", assets=tuple(assets), steps=tuple(steps), checks=checks)
    return AssetGraph([snapshot], dynamic=keys), keys, found


happenings = st.lists(
    st.tuples(
        st.sampled_from(["make", "make", "make", "run", "fail", "check", "key", "done"]),
        st.sampled_from(NAMES),
        st.integers(0, 6),
        st.sampled_from([None, "tagged", "with e", "gone"]),
    ),
    max_size=3,
)


@settings(max_examples=150, deadline=None)
@given(graphs(), st.lists(st.tuples(st.sampled_from([0, 1, 20, 60, 300, 1500]), happenings), min_size=3, max_size=12))
def test_the_answers_are_those_of_evaluating_everything(
    graph_and_more: tuple[AssetGraph, DynamicKeys, dict[str, AutomationCondition]],
    course: list[tuple[int, list[tuple[str, str, int, str | None]]]],
) -> None:
    graph, keys, found = graph_and_more
    world, now, cursor = World(), START, AutomationCursor()
    incremental = Incremental(found, graph, now, cursor)
    asked: dict[str, frozenset[Partition]] = {}
    for minutes, events in course:
        now += timedelta(minutes=minutes)
        touched, dynamic = set(), set()
        for what, asset, number, run_id in events:
            at = now - timedelta(seconds=30 * (number % 2))
            node = graph.assets[asset].partitions
            existing: list[Partition] = [None] if node is None else list(node.get_partition_keys(now))
            partition = existing[-1 - number % len(existing)] if existing else None
            touched.add(asset)
            if what == "make":
                world.make(asset, partition, at, run_id)
            elif what == "run":
                world.running.setdefault(asset, set()).add(partition)
            elif what == "fail":
                world.broken.setdefault(asset, set()).add(partition)
            elif what == "check":
                check = "b:fine" if number % 2 else "c:ok"
                world.check(check, number < 4, at)
                touched.add(check)
            elif what == "key":
                keys.change("names", added=[f"n{number}"]) if number < 4 else keys.change("names", removed=["n1"])
                dynamic.add("names")
            else:
                for key, subset in asked.items():
                    touched.add(key)
                    for one in sorted(subset, key=str):
                        world.make(key, one, at, run_id)
        whole = evaluate_all(found, graph, world, now, cursor)
        change = incremental.evaluate(world, now, touched, dynamic)
        cursor, asked = whole.cursor, dict(whole.requested)
        assert change.requested == whole.requested
        assert incremental.cursor == whole.cursor
        assert {key: answer.true for key, answer in change.answers.items()} == {
            key: whole.answers[key].true for key in change.answers
        }
