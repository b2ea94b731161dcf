from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from upwell.definitions.graph import AssetGraph
from upwell.definitions.partitions.time_windows import DailyPartitionsDefinition
from upwell.definitions.reactions import On, SourceSpec
from upwell.definitions.snapshot import AssetNode, DepNode, Snapshot
from upwell.events import RunId
from upwell.planning.upkeep import Made, Upkeep, data_time_after

NOON = datetime(2024, 1, 5, 12, tzinfo=UTC)
DAILY = DailyPartitionsDefinition(start_date="2024-01-01")
HOOK = (On(source=SourceSpec(kind="webhook", name="webhook:orders")),)


def node(key: str, *deps: str, external: bool = False, **more: Any) -> AssetNode:
    step = None if external else key
    return AssetNode(key=key, step=step, deps=tuple(DepNode(asset=dep) for dep in deps), **more)


def graph(*nodes: AssetNode) -> AssetGraph:
    return AssetGraph([Snapshot(location="here", assets=nodes)])


def made(*keys: str, run: str | None = None) -> dict[str, Made]:
    run_id = None if run is None else RunId(run)
    return {key: Made(id=at, at=NOON, run_id=run_id, data_time=NOON) for at, key in enumerate(keys, start=1)}


def needed(
    graph: AssetGraph, known: dict[str, Made], *, old: tuple[str, ...] = (), keys: Any = (None,), there: Any = ()
) -> dict[str, tuple[str | None, ...]]:
    return Upkeep(graph).needed(
        "mart",
        keys,
        known,
        too_old=lambda key: key in old,
        is_due=lambda key: False,
        is_there=lambda pair: pair in there,
        now=NOON,
    )


CHAIN = graph(node("raw"), node("stg", "raw"), node("mart", "stg"))


def test_what_was_never_made_and_all_below_it_is_made() -> None:
    assert list(needed(CHAIN, made("raw", "mart"))) == ["stg", "mart"]
    assert list(needed(CHAIN, {})) == ["raw", "stg", "mart"]


def test_a_root_that_is_too_old_takes_along_what_lies_between() -> None:
    assert list(needed(CHAIN, made("raw", "stg", "mart"), old=("raw",))) == ["raw", "stg", "mart"]
    assert list(needed(CHAIN, made("raw", "stg", "mart"), old=("stg",))) == ["mart"]


def test_what_reads_something_newer_is_made_unless_one_run_made_both() -> None:
    assert list(needed(CHAIN, made("stg", "raw", "mart"))) == ["stg", "mart"]
    assert list(needed(CHAIN, made("stg", "raw", "mart", run="r"))) == ["mart"]


def test_nothing_above_what_comes_by_itself_is_made() -> None:
    built = graph(node("deep"), node("raw", "deep", on=HOOK), node("mart", "raw"))
    assert list(needed(built, {}, old=("deep",))) == ["mart"]


def test_what_only_reads_the_outside_world_goes_by_its_age_until_the_outside_is_reported() -> None:
    built = graph(node("outside", external=True), node("raw", "outside"), node("mart", "raw"))
    assert list(needed(built, made("raw", "mart"), old=("raw",))) == ["raw", "mart"]
    assert list(needed(built, made("outside", "raw", "mart"), old=("raw",))) == ["mart"]
    assert list(needed(built, made("raw", "outside", "mart"))) == ["raw", "mart"]


def test_of_an_upstream_with_partitions_those_are_made_that_are_read_and_are_not_there() -> None:
    built = graph(node("raw", partitions=DAILY), node("mart", "raw", partitions=DAILY))
    keys = ("2024-01-03", "2024-01-04")
    assert needed(built, made("raw", "mart"), keys=keys, there={("raw", "2024-01-03")}) == {
        "raw": ("2024-01-04",),
        "mart": keys,
    }


def test_what_has_no_partitions_asks_for_the_newest_one_above() -> None:
    built = graph(node("raw", partitions=DAILY), node("mart", "raw"))
    assert needed(built, made("raw", "mart")) == {"raw": ("2024-01-04",), "mart": (None,)}
    assert needed(built, made("raw", "mart"), there={("raw", "2024-01-04")}) == {"mart": (None,)}


def test_data_are_as_old_as_the_oldest_that_is_read_after_the_run() -> None:
    built = graph(node("raw"), node("other"), node("mart", "raw", "other"))
    known = made("raw", "other", "mart")
    later = NOON + timedelta(hours=1)
    assert data_time_after(built, "mart", ["raw", "mart"], known, later) == NOON
    assert data_time_after(built, "mart", ["raw", "other", "mart"], known, later) == later
    assert data_time_after(built, "mart", ["mart"], {}, later) is None
