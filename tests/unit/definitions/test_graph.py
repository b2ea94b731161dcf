from __future__ import annotations

import pytest

from upwell.definitions.graph import AssetGraph
from upwell.definitions.project import Project
from upwell.definitions.reactions import On, SourceSpec
from upwell.definitions.snapshot import AssetNode, CheckNode, DepNode, Snapshot, StepNode
from upwell.errors import DefinitionErrors

ORDERS = On(source=SourceSpec(kind="webhook", name="webhook:orders"))


def asset(key: str, *deps: str, on: tuple[On, ...] = ()) -> AssetNode:
    return AssetNode(key=key, step=key, deps=tuple(DepNode(asset=dep) for dep in deps), on=on, file="defs.py", line=7)


def snapshot(*assets: AssetNode, location: str = "main") -> Snapshot:
    return Snapshot(location=location, assets=assets, steps=tuple(StepNode(key=a.key, assets=(a.key,)) for a in assets))


def test_edges_are_known_in_both_directions() -> None:
    graph = AssetGraph([snapshot(asset("raw"), asset("clean", "raw"), asset("report", "clean", "raw"))])
    assert set(graph.downstream("raw")) == {"clean", "report"}
    assert graph.upstream("report") == ("clean", "raw")


def test_an_upstream_that_nobody_defines_is_external() -> None:
    assert AssetGraph([snapshot(asset("clean", "elsewhere"))]).assets["elsewhere"].step is None


def test_assets_come_after_everything_they_depend_on() -> None:
    graph = AssetGraph([snapshot(asset("c", "b"), asset("b", "a"), asset("a"))])
    assert graph.in_order(["c", "a", "b"]) == ["a", "b", "c"]


def test_a_location_may_depend_on_an_asset_of_another() -> None:
    graph = AssetGraph([snapshot(asset("report", "raw"), location="bi"), snapshot(asset("raw"), location="lake")])
    assert graph.downstream("raw") == ("report",)
    assert graph.location_of_step["raw"] == "lake"


def test_a_duplicate_key_names_both_places() -> None:
    with pytest.raises(DefinitionErrors, match=r"(?s)defs.py:7: asset 'raw' is defined twice.*at defs.py:7"):
        AssetGraph([snapshot(asset("raw")), snapshot(asset("raw"), location="other")])


def test_a_cycle_is_spelled_out_with_a_place() -> None:
    with pytest.raises(DefinitionErrors, match=r"defs.py:7: assets depend on each other in a circle: .*a -> b|b -> a"):
        AssetGraph([snapshot(asset("a", "b"), asset("b", "a"))])


def test_listeners_are_found_by_source_name() -> None:
    graph = AssetGraph([snapshot(asset("raw", on=(ORDERS,)), asset("other"))])
    assert [node.key for node, _ in graph.listeners["webhook:orders"]] == ["raw"]
    assert graph.sources == {"webhook:orders": ORDERS.source}


def test_checks_are_found_by_asset() -> None:
    check = CheckNode(asset="raw", name="rows", step="raw_rows", blocking=True)
    graph = AssetGraph([Snapshot(location="main", assets=(asset("raw"),), checks=(check,))])
    assert graph.checks_of("raw") == (check,)
    assert graph.checks["raw:rows"] == check


def test_a_project_tells_its_watchers_of_new_code() -> None:
    project, seen = Project(), []
    project.watch(seen.append)
    assert not project.loaded
    project.replace(snapshot(asset("raw")))
    assert project.loaded
    assert [set(graph.assets) for graph in seen] == [{"raw"}]


def test_a_project_keeps_the_old_graph_when_new_code_does_not_fit() -> None:
    project = Project()
    project.replace(snapshot(asset("raw")))
    with pytest.raises(DefinitionErrors):
        project.replace(snapshot(asset("raw"), location="other"))
    assert [s.location for s in project.snapshots] == ["main"]


def test_new_code_replaces_the_old_of_its_location() -> None:
    project = Project()
    project.replace(snapshot(asset("raw")))
    project.replace(snapshot(asset("renamed")))
    assert set(project.graph.assets) == {"renamed"}


def test_one_location_cannot_redeclare_the_webhook_of_another() -> None:
    def location(name: str, *, insecure: bool) -> Snapshot:
        source = SourceSpec(kind="webhook", name="webhook:orders", params={"insecure": insecure})
        node = AssetNode(key=name, step=name, on=(On(source=source),), file=f"{name}.py", line=7)
        return Snapshot(location=name, assets=(node,))

    assert AssetGraph([location("a", insecure=False), location("b", insecure=False)]).sources
    with pytest.raises(DefinitionErrors, match=r"b\.py:7: .* declared with other insecure than at a\.py:7"):
        AssetGraph([location("a", insecure=False), location("b", insecure=True)])


def test_a_value_read_of_an_asset_that_nobody_declares_is_named_with_its_place_and_mend() -> None:
    reader = Snapshot(
        location="main",
        assets=(asset("raw_orders"), asset("clean", "raw_orderz")),
        steps=(StepNode(key="clean", assets=("clean",), reads=("raw_orderz",)),),
    )
    [problem] = AssetGraph([reader]).unknown_inputs()
    assert str(problem) == (
        "defs.py:7: clean reads 'raw_orderz', which is not defined. Did you mean 'raw_orders'? "
        "If it is made elsewhere, declare it: AssetSpec('raw_orderz')"
    )


def test_a_value_read_of_another_location_or_a_declared_external_asset_is_known() -> None:
    reader = Snapshot(location="bi", steps=(StepNode(key="report", reads=("raw", "outside")),))
    elsewhere = snapshot(asset("raw"), AssetNode(key="outside", step=None), location="lake")
    assert AssetGraph([reader, elsewhere]).unknown_inputs() == []
