from __future__ import annotations

from datetime import UTC, datetime, timedelta

from upwell.definitions.graph import AssetGraph
from upwell.definitions.partitions.time_windows import DailyPartitionsDefinition
from upwell.definitions.snapshot import AssetNode, DepNode, Snapshot
from upwell.events import AssetMaterialized, AssetObserved
from upwell.planning.data_times import DataTimes, inherited

NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)
OLD = NOON - timedelta(days=2)


def node(key: str, *deps: str, partitions: DailyPartitionsDefinition | None = None) -> AssetNode:
    return AssetNode(key=key, step=key, deps=tuple(DepNode(asset=dep) for dep in deps), partitions=partitions)


GRAPH = AssetGraph(
    [Snapshot(location="here", assets=(node("root"), node("mart", "root", "source"), node("report", "mart")))]
)


def made(times: DataTimes, asset: str, at: datetime = NOON, said: datetime | None = None) -> datetime | None:
    reading = times.reading(GRAPH, [asset], at)
    (event,) = times.stamped(reading, [AssetMaterialized(asset=asset, data_time=said)])
    assert isinstance(event, AssetMaterialized)
    return event.data_time


def test_what_reads_no_asset_is_as_old_as_the_moment_it_looked_at_the_world() -> None:
    assert made(DataTimes(), "root") == NOON


def test_an_asset_rebuilt_from_a_two_day_old_source_is_two_days_old_and_so_is_all_below() -> None:
    times = DataTimes({"source": OLD})
    assert [made(times, asset) for asset in ("root", "mart", "report")] == [NOON, OLD, OLD]


def test_rebuilding_without_new_input_changes_nothing() -> None:
    times = DataTimes({"root": OLD, "source": NOON})
    assert made(times, "mart", NOON) == made(times, "mart", NOON + timedelta(days=9)) == OLD


def test_what_the_asset_says_itself_wins() -> None:
    times = DataTimes({"source": OLD, "root": OLD})
    assert made(times, "mart", said=NOON) == NOON
    assert made(times, "report") == NOON


def test_of_inputs_of_which_nobody_said_anything_nothing_is_known() -> None:
    assert made(DataTimes(), "mart") is None
    times = DataTimes()
    times.learn(AssetObserved(asset="source", data_time=OLD))
    assert made(times, "mart") == OLD


def test_what_came_in_while_a_step_ran_it_may_not_have_seen() -> None:
    times = DataTimes({"root": OLD, "source": OLD})
    reading = times.reading(GRAPH, ["mart"], NOON)
    times.learn(AssetMaterialized(asset="root", data_time=NOON))
    times.learn(AssetMaterialized(asset="source", data_time=NOON))
    (event,) = times.stamped(reading, [AssetMaterialized(asset="mart")])
    assert isinstance(event, AssetMaterialized)
    assert event.data_time == OLD


def test_a_partition_is_complete_at_most_up_to_its_end_and_an_old_one_makes_nothing_older() -> None:
    days = node("days", partitions=DailyPartitionsDefinition("2024-01-01"))
    graph = AssetGraph([Snapshot(location="here", assets=(days, node("sum", "days")))])
    times = DataTimes()
    for day in ("2024-02-28", "2024-01-15"):
        times.stamped(times.reading(graph, ["days"], NOON), [AssetMaterialized(asset="days", partition=day)])
    newest = datetime(2024, 2, 29, tzinfo=UTC)
    assert inherited(graph, "sum", None, times.reading(graph, ["sum"], NOON).known, NOON) == newest
