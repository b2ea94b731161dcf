"""Selections over one small graph, by text and by objects; the answers are those of Dagster 1.13."""

from __future__ import annotations

import pytest

from upwell.definitions.asset_decorator import asset
from upwell.definitions.definitions import Definitions, ResolvedAssetGraph
from upwell.definitions.errors import DagsterInvalidAssetSelectionError, DagsterInvalidSubsetError
from upwell.definitions.keys import AssetKey
from upwell.definitions.selection import AssetSelection, select
from upwell.definitions.specs import AssetSpec

# ext/source -> stg_events; orders -> stg_orders -> fct -> report; users -> fct
EVERYTHING = "fct orders report stg_events stg_orders users"


@pytest.fixture(scope="module")
def graph() -> ResolvedAssetGraph:
    def make(name: str, *deps: str, **more):
        return asset(name=name, deps=[AssetKey(dep.split("/")) for dep in deps], **more)(lambda: None)

    return Definitions(
        assets=[
            make("orders", group_name="raw", kinds={"python"}, tags={"pii": ""}),
            make("users", group_name="raw", kinds={"python", "s3"}, tags={"tier": "gold"}, owners=["team:growth"]),
            make("stg_orders", "orders", group_name="staging", kinds={"dbt"}),
            make("stg_events", "ext/source", group_name="staging", compute_kind="dbt"),
            make("fct", "stg_orders", "users", group_name="marts", tags={"tier": "gold"}),
            make("report", "fct", group_name="marts"),
            AssetSpec(AssetKey(["ext", "source"]), group_name="outside"),
        ]
    ).resolve_asset_graph()


@pytest.mark.parametrize(
    ("text", "chosen"),
    [
        ("*", EVERYTHING),
        ('key:"*"', EVERYTHING + " ext/source"),
        ("orders", "orders"),
        ("key:orders", "orders"),
        ("ext/source", "ext/source"),
        ('key:"stg_*"', "stg_events stg_orders"),
        ("key:nope", ""),
        ("orders+", "orders stg_orders"),
        ("orders++", "orders stg_orders fct"),
        ("orders*", "orders stg_orders fct report"),
        ("+report", "fct report"),
        ("*report", "fct orders report stg_orders users"),
        ("2+report", "report fct stg_orders users"),
        ('key:"orders"+', "orders stg_orders fct report"),
        ('+key:"report"', "fct orders report stg_orders users"),
        ('2+key:"report"', "report fct stg_orders users"),
        ('1+key:"fct"+1', "stg_orders users fct report"),
        ('key:"ext/source"+', "ext/source stg_events"),
        ('+key:"stg_events"', "stg_events"),
        ("group:raw", "orders users"),
        ("group:outside", ""),
        ("kind:dbt", "stg_orders stg_events"),
        ('owner:"team:growth"', "users"),
        ("tag:tier=gold", "users fct"),
        ('tag:"tier"="gold"', "users fct"),
        ("tag:pii", "orders"),
        ("tag:tier", ""),
        ("group:raw or group:marts and tag:tier=gold", "orders users fct"),
        ("(group:raw or group:marts) AND tag:tier=gold", "users fct"),
        ("not group:raw and not kind:dbt", "fct report"),
        ("roots(*)", "orders users stg_events"),
        ("sinks(*)", "report stg_events"),
        ("roots(group:marts)", "fct"),
        ("(group:staging)+1", "stg_orders stg_events fct"),
    ],
)
def test_what_a_text_selects(graph: ResolvedAssetGraph, text: str, chosen: str) -> None:
    assert select(graph, text) == set(chosen.split())


@pytest.mark.parametrize(
    ("text", "complaint", "column"),
    [
        ("", "expected a key", 0),
        ("a and", "expected a key", 5),
        ("a b", "expected 'and', 'or' or the end", 2),
        ("(a or b", "expected '\\)'", 7),
        ("Group:raw", "no field 'Group'; the fields are key, group, tag, kind, owner", 0),
        ("group:", "expected a value", 6),
        ("group:raw or kind:*", "a star works in key: only", 18),
        ("leaves(a)", "no function 'leaves'; the functions are roots, sinks", 0),
        ('a or key:"b', "this quotation mark is never closed", 9),
        ("a, b", "cannot read this sign", 1),
        ("key:orders++", "expected 'and'", 11),
        ("a or st*g", "a pattern needs its field", 5),
        ("+*", "is everything already", 0),
    ],
)
def test_an_unreadable_text_is_answered_with_the_place(text: str, complaint: str, column: int) -> None:
    with pytest.raises(DagsterInvalidAssetSelectionError, match=complaint) as caught:
        AssetSelection.from_string(text)
    assert str(caught.value).endswith(f"\n  {text}\n  {' ' * column}^")


def test_objects_combine(graph: ResolvedAssetGraph) -> None:
    marts, fct = AssetSelection.groups("marts"), AssetSelection.assets("fct")
    assert select(graph, marts - fct) == {"report"}
    assert select(graph, fct.upstream(1) & AssetSelection.groups("raw", "staging")) == {"users", "stg_orders"}
    assert select(graph, fct.downstream(include_self=False) | AssetSelection.kind("s3")) == {"report", "users"}
    assert select(graph, ["orders", AssetKey(["ext", "source"])]) == {"orders", "ext/source"}
    assert select(graph, AssetSelection.all(include_sources=True) - AssetSelection.all()) == {"ext/source"}


def test_a_name_that_does_not_exist_is_an_error_that_offers_a_close_one(graph: ResolvedAssetGraph) -> None:
    with pytest.raises(DagsterInvalidSubsetError, match="no asset 'order'; did you mean 'orders'"):
        select(graph, AssetSelection.assets("order"))
