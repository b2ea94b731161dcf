from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from upwell.definitions.graph import AssetGraph
from upwell.definitions.snapshot import AssetNode, DepNode, Snapshot
from upwell.planning.blame import Blame

NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)


def blame(edges: str, late: str) -> Blame:
    """`edges` as "a>b a>c"; `late` names late assets, the longest late first."""
    pairs = [edge.split(">") for edge in edges.split()]
    keys = dict.fromkeys(key for pair in pairs for key in pair)
    nodes = tuple(
        AssetNode(key=key, step=key, deps=tuple(DepNode(asset=up) for up, down in pairs if down == key)) for key in keys
    )
    since = {key: NOON + timedelta(seconds=at) for at, key in enumerate(late.split())}
    return Blame(AssetGraph([Snapshot(location="here", assets=nodes)]), since)


@pytest.mark.parametrize(
    ("edges", "late", "asset", "cause"),
    [
        ("a>b", "b", "b", None),
        ("a>b", "a b", "b", "a"),
        ("a>b b>c", "a b c", "c", "a"),
        ("a>b b>c", "b c", "c", "b"),
        ("a>b b>c", "a c", "c", "a"),
        ("a>c b>c", "b a c", "c", "b"),
        ("a>b a>c b>d c>d", "a d", "d", "a"),
        ("a>b", "a b", "a", None),
        ("a>b b>c", "c", "unknown", None),
    ],
)
def test_the_late_asset_furthest_upstream_is_to_blame(edges: str, late: str, asset: str, cause: str | None) -> None:
    assert blame(edges, late).cause(asset) == cause


def test_the_root_counts_the_late_assets_below_it_and_no_others() -> None:
    found = blame("a>b b>c b>d x>d x>y", "a x c d y")
    assert found.affected("a") == ("c", "d")
    assert found.affected("x") == ("y",)
    assert found.affected("c") == ()


def test_a_long_chain_of_late_assets_has_one_root() -> None:
    edges = " ".join(f"a{at}>a{at + 1}" for at in range(2000))
    found = blame(edges, " ".join(f"a{at}" for at in range(2001)))
    assert found.cause("a2000") == "a0"
    assert len(found.affected("a0")) == 2000
