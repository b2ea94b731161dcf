from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest

from upwell.definitions.graph import AssetGraph
from upwell.definitions.partitions.mapping import LastPartitionMapping
from upwell.definitions.partitions.named import StaticPartitionsDefinition
from upwell.definitions.partitions.time_windows import DailyPartitionsDefinition, HourlyPartitionsDefinition
from upwell.definitions.snapshot import AssetNode, CheckNode, DepNode, Snapshot, StepNode
from upwell.errors import DefinitionError
from upwell.events import PlannedStep
from upwell.planning.planner import plan

NOW = datetime(2024, 1, 10, 12, tzinfo=UTC)
DAILY = DailyPartitionsDefinition(start_date="2024-01-01")


def asset(key: str, *deps: str | DepNode, step: str | None = "", **more: object) -> AssetNode:
    edges = tuple(dep if isinstance(dep, DepNode) else DepNode(asset=dep) for dep in deps)
    return AssetNode(key=key, step=key if step == "" else step, deps=edges, **more)  # type: ignore[arg-type]


def check(asset: str, name: str, **more: object) -> CheckNode:
    return CheckNode(asset=asset, name=name, step=f"{asset}_{name}", **more)  # type: ignore[arg-type]


def graph(*nodes: AssetNode | CheckNode, subset: tuple[str, ...] = ()) -> AssetGraph:
    assets = tuple(node for node in nodes if isinstance(node, AssetNode))
    checks = tuple(node for node in nodes if isinstance(node, CheckNode))
    made: dict[str, list[str]] = {}
    for node in assets:
        if node.step is not None:
            made.setdefault(node.step, []).append(node.key)
    steps = [
        StepNode(
            key=step,
            assets=tuple(keys),
            can_subset=step in subset,
            checks=tuple(node.key for node in checks if node.step == step),
        )
        for step, keys in made.items()
    ]
    steps += [StepNode(key=node.step, checks=(node.key,)) for node in checks if node.step not in made]
    return AssetGraph([Snapshot(location="here", assets=assets, steps=tuple(steps), checks=checks)])


def steps(*args: object, downstream: bool = True) -> dict[str, PlannedStep]:
    built, requests = args
    found = plan(built, requests, now=NOW, downstream=downstream)  # type: ignore[arg-type]
    return {step.id: step for step in found}


DIAMOND = graph(asset("raw"), asset("left", "raw"), asset("right", "raw"), asset("joined", "left", "right"))


def test_everything_downstream_is_planned_after_what_it_reads() -> None:
    planned = steps(DIAMOND, {"raw": [None]})
    assert next(iter(planned)) == "raw"
    assert list(planned)[-1] == "joined"
    assert planned["joined"].waits_for == ("left", "right")
    assert planned["left"].waits_for == ("raw",)


def test_only_what_was_requested_is_asked_for() -> None:
    planned = steps(DIAMOND, {"left": [None]})
    assert {step.id: step.asked for step in planned.values()} == {"left": True, "joined": False}


def test_without_downstream_only_the_request_is_planned_and_still_in_order() -> None:
    planned = steps(DIAMOND, {"joined": [None], "left": [None]}, downstream=False)
    assert list(planned) == ["left", "joined"]
    assert planned["joined"].waits_for == ("left",)


def test_external_assets_are_never_steps() -> None:
    built = graph(asset("given", step=None), asset("made", "given"))
    assert list(steps(built, {"given": [None], "made": [None]})) == ["made"]


def test_an_asset_that_stops_the_flow_shields_what_is_below_it() -> None:
    built = graph(asset("raw"), asset("wall", "raw", on_downstream="none"), asset("behind", "wall"))
    assert list(steps(built, {"raw": [None]})) == ["raw", "wall"]


def test_a_dependent_with_a_condition_of_its_own_does_not_follow() -> None:
    built = graph(asset("raw"), asset("careful", "raw", automation="on_cron"), asset("below", "careful"))
    assert list(steps(built, {"raw": [None]})) == ["raw"]


def test_an_eager_dependent_follows_like_one_without_a_condition() -> None:
    built = graph(asset("raw"), asset("keen", "raw", automation="eager"))
    assert list(steps(built, {"raw": [None]})) == ["raw", "keen"]


def test_an_unknown_asset_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        steps(DIAMOND, {"nope": [None]})


def test_partitions_flow_edge_by_edge() -> None:
    built = graph(
        asset("raw", partitions=DAILY),
        asset("clean", "raw", partitions=DAILY),
        asset("summary", "clean"),
    )
    planned = steps(built, {"raw": ["2024-01-03", "2024-01-02"]})
    assert list(planned) == ["raw@2024-01-02", "raw@2024-01-03", "clean@2024-01-02", "clean@2024-01-03", "summary"]
    assert planned["clean@2024-01-03"].waits_for == ("raw@2024-01-03",)
    assert planned["summary"].waits_for == ("clean@2024-01-02", "clean@2024-01-03")
    assert planned["summary"].partition is None


def test_an_hour_reaches_its_day() -> None:
    hourly = HourlyPartitionsDefinition(start_date="2024-01-01-00:00")
    built = graph(asset("hours", partitions=hourly), asset("days", "hours", partitions=DAILY))
    planned = steps(built, {"hours": ["2024-01-05-07:00", "2024-01-05-08:00"]})
    assert planned["days@2024-01-05"].waits_for == ("hours@2024-01-05-07:00", "hours@2024-01-05-08:00")


def test_an_older_partition_does_not_reach_who_reads_the_last_one() -> None:
    last = DepNode(asset="raw", mapping=LastPartitionMapping())
    built = graph(asset("raw", partitions=DAILY), asset("newest", last))
    assert list(steps(built, {"raw": ["2024-01-03"]})) == ["raw@2024-01-03"]
    assert list(steps(built, {"raw": ["2024-01-09"]})) == ["raw@2024-01-09", "newest"]


def test_an_upstream_without_partitions_makes_only_the_newest_window_again() -> None:
    built = graph(asset("rates"), asset("priced", "rates", partitions=DAILY))
    assert list(steps(built, {"rates": [None]})) == ["rates", "priced@2024-01-09"]


def test_an_upstream_without_partitions_reaches_every_static_key() -> None:
    regions = StaticPartitionsDefinition(["eu", "us"])
    built = graph(asset("rates"), asset("priced", "rates", partitions=regions))
    assert list(steps(built, {"rates": [None]})) == ["rates", "priced@eu", "priced@us"]


def test_every_requested_window_waits_for_an_upstream_without_partitions() -> None:
    built = graph(asset("rates"), asset("priced", "rates", partitions=DAILY))
    planned = steps(built, {"rates": [None], "priced": ["2024-01-02"]}, downstream=False)
    assert planned["priced@2024-01-02"].waits_for == ("rates",)


def test_a_multi_asset_appears_once_with_all_its_assets() -> None:
    built = graph(asset("raw"), asset("a", "raw", step="both"), asset("b", step="both"), asset("below_b", "b"))
    planned = steps(built, {"raw": [None]})
    assert planned["both"].assets == ("a", "b")
    assert planned["below_b"].waits_for == ("both",)


def test_a_multi_asset_that_can_be_divided_makes_what_is_affected() -> None:
    built = graph(
        asset("raw"), asset("a", "raw", step="both"), asset("b", step="both"), asset("below_b", "b"), subset=("both",)
    )
    planned = steps(built, {"raw": [None]})
    assert planned["both"].assets == ("a",)
    assert "below_b" not in planned


def test_a_blocking_check_is_waited_for_by_what_is_below_and_no_other_check_is() -> None:
    built = graph(asset("raw"), asset("below", "raw"), check("raw", "gate", blocking=True), check("raw", "watch"))
    planned = steps(built, {"raw": [None]})
    assert planned["below"].waits_for == ("raw", "raw_gate")
    assert planned["raw_gate"].waits_for == ("raw",)
    assert planned["raw_gate"].checks == ("raw:gate",)
    assert planned["raw_watch"].checks == ("raw:watch",)


def test_a_check_that_the_asset_evaluates_itself_is_no_step() -> None:
    inline = CheckNode(asset="raw", name="inline", step="raw", blocking=True)
    planned = steps(graph(asset("raw"), inline), {"raw": [None]})
    assert planned["raw"].checks == ("raw:inline",)
    assert list(planned) == ["raw"]


def test_a_check_waits_for_its_further_inputs_too() -> None:
    further = check("raw", "compare", deps=(DepNode(asset="other"),))
    planned = steps(graph(asset("raw"), asset("other"), further), {"raw": [None], "other": [None]})
    assert set(planned["raw_compare"].waits_for) == {"raw", "other"}


def test_a_partitioned_check_step_runs_for_each_partition() -> None:
    built = graph(asset("raw", partitions=DAILY), check("raw", "gate", blocking=True))
    planned = steps(built, {"raw": ["2024-01-02", "2024-01-03"]})
    assert planned["raw_gate@2024-01-03"].waits_for == ("raw@2024-01-03",)


def test_steps_that_would_wait_for_each_other_are_refused_by_name() -> None:
    built = graph(asset("a", step="both"), asset("middle", "a"), asset("b", "middle", step="both"))
    with pytest.raises(DefinitionError, match=r"would wait for each other: .*both.*Split the multi-asset"):
        steps(built, {"a": [None]})


def test_planning_costs_what_is_affected_and_not_what_exists() -> None:
    others = [asset(f"x{i}", *([f"x{i - 1}"] if i % 10 else [])) for i in range(10_000)]
    built = graph(asset("raw"), asset("clean", "raw"), asset("mart", "clean"), *others)
    steps(built, {"raw": [None]})  # the indexes of the graph are built once
    costs = []
    for _ in range(20):
        began = time.perf_counter()
        steps(built, {"raw": [None]})
        costs.append(time.perf_counter() - began)
    assert min(costs) < 0.001
