from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upwell.events import PlannedStep
from upwell.planning.durations import Durations, Estimate
from upwell.planning.lead_times import LongestWays, lead_time, slowest, time_after, times_until_made

MINUTE = timedelta(minutes=1)


def step(key: str, *waits: str) -> PlannedStep:
    return PlannedStep(id=key, step=key, assets=(key,), waits_for=waits)


def minutes(**steps: float) -> Durations:
    return Durations({key: [60 * number] for key, number in steps.items()})


DIAMOND = (step("raw"), step("quick", "raw"), step("slow", "raw"), step("mart", "quick", "slow"), step("aside", "raw"))


@pytest.mark.parametrize(("seen", "quantile", "usual"), [(20, 0.95, 19), (19, 0.95, 19), (1, 0.95, 1), (20, 0.5, 10)])
def test_a_step_is_expected_to_take_what_so_many_of_a_hundred_runs_did_not_exceed(
    seen: int, quantile: float, usual: int
) -> None:
    durations = Durations({"a": range(1, seen + 1)}, quantile=quantile)
    assert durations.usual("a") == timedelta(seconds=usual)
    assert durations.shortest("a") == timedelta(seconds=1)


def test_only_the_newest_fifty_runs_count() -> None:
    durations = Durations({"a": [1000.0]})
    assert [durations.add("a", 1.0) for _ in range(50)] == [False] * 50
    assert durations.usual("a") == timedelta(seconds=1)
    assert durations.add("b", 1.0)


def test_the_longest_way_counts_and_names_its_hops() -> None:
    lead = lead_time(DIAMOND, "mart", minutes(raw=10, quick=1, slow=20, mart=5, aside=99))
    assert (lead.usual, lead.shortest, lead.untimed) == (35 * MINUTE, 35 * MINUTE, ())
    assert [hop.id for hop in lead.path] == ["raw", "slow", "mart"]
    assert lead.safe == 38.5 * MINUTE + timedelta(seconds=0.5)


def test_what_was_never_timed_is_named_where_it_is_on_the_way() -> None:
    lead = lead_time(DIAMOND, "mart", minutes(raw=10, quick=1, mart=5))
    assert [hop.id for hop in lead.untimed] == ["slow"]
    assert lead.usual == 16 * MINUTE


def test_a_plan_that_makes_several_partitions_takes_until_the_last_of_them() -> None:
    plan = (
        PlannedStep(id="a@1", step="a", assets=("a",), partition="1"),
        PlannedStep(id="b@2", step="b", assets=("b",), partition="2"),
        PlannedStep(id="a@2", step="a", assets=("a",), partition="2", waits_for=("b@2",)),
    )
    durations = minutes(a=1, b=5)
    assert lead_time(plan, "a", durations).usual == 6 * MINUTE
    assert times_until_made(plan, durations) == {"a": 6 * MINUTE, "b": 5 * MINUTE}


def test_what_comes_after_a_step_is_known_for_each_that_the_goal_waits_for() -> None:
    durations = minutes(raw=10, quick=1, slow=20, mart=5)
    after = time_after(DIAMOND, ["mart"], durations)
    assert {key: one.usual for key, one in after.items()} == {
        "mart": timedelta(0),
        "slow": 5 * MINUTE,
        "quick": 5 * MINUTE,
        "raw": 25 * MINUTE,
    }
    assert slowest(DIAMOND, durations).id == "slow"


def test_steps_are_not_expected_to_be_slow_all_at_once() -> None:
    one = Estimate(typical=10 * MINUTE, squared=300.0**2)
    two = one.then(Estimate(typical=20 * MINUTE, squared=400.0**2))
    assert one.usual == 15 * MINUTE
    assert two.usual == 30 * MINUTE + timedelta(seconds=500)


GRAPH = {"raw": [], "stg": ["raw"], "mart": ["stg", "raw"]}


def test_the_longest_way_is_remembered_until_a_step_takes_longer() -> None:
    durations = minutes(raw=1, stg=2)
    ways = LongestWays(GRAPH.__getitem__, lambda key: [key], durations)
    assert ways.to("mart") == (3 * MINUTE, False)
    durations.add("mart", 60 * 4)
    assert ways.to("mart") == (3 * MINUTE, False)
    ways.forget(["mart"])
    assert ways.to("mart") == (7 * MINUTE, True)


@given(st.lists(st.integers(1, 100), min_size=2, max_size=8))
def test_of_a_chain_the_times_add_up(takes: list[int]) -> None:
    keys = [f"s{number}" for number in range(len(takes))]
    plan = (step(keys[0]), *(step(below, above) for above, below in pairwise(keys)))
    durations = Durations(dict(zip(keys, ([float(one)] for one in takes), strict=True)))
    lead = lead_time(plan, keys[-1], durations)
    assert lead.usual == lead.expected == timedelta(seconds=sum(takes))
    assert time_after(plan, [keys[-1]], durations)[keys[0]].usual == timedelta(seconds=sum(takes[1:]))
