from __future__ import annotations

from datetime import UTC, datetime

from upwell.definitions.graph import AssetGraph
from upwell.definitions.snapshot import SensorNode, Snapshot
from upwell.events import AssetMaterialized, Canary, MessageReceived
from upwell.journal.journal import Record
from upwell.sensing.recent import Recent

NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)
GRAPH = AssetGraph(
    [Snapshot(location="here", sensors=(SensorNode(name="both", kind="multi_asset", watched_assets=("a", "b")),))]
)


def made(id: int, asset: str = "a") -> Record:
    return Record(id=id, at=NOON, event=AssetMaterialized(asset=asset))


def following(position: int = 10) -> Recent:
    recent = Recent()
    recent.follow(GRAPH, position)
    return recent


def ids(records: object) -> list[int] | None:
    return None if records is None else [record.id for record in records]  # type: ignore[attr-defined]


def test_materialisations_are_known_from_where_following_began() -> None:
    recent = following()
    for record in (made(11), made(12, "b"), made(13)):
        recent.take_in(record)
    assert ids(recent.materializations("a", 10)) == [11, 13]
    assert ids(recent.materializations("a", 11)) == [13]
    assert recent.materializations("a", 9) is None
    assert recent.materializations("elsewhere", 10) is None


def test_what_was_forgotten_is_not_taken_for_nothing() -> None:
    recent = following()
    for id in range(11, 200):
        recent.take_in(made(id))
    assert recent.materializations("a", 50) is None
    assert ids(recent.materializations("a", 150)) == list(range(151, 200))


def test_a_new_graph_keeps_what_is_known_of_assets_that_are_still_watched() -> None:
    recent = following()
    recent.take_in(made(11))
    recent.follow(GRAPH, 11)
    assert ids(recent.materializations("a", 10)) == [11]


def test_only_what_a_call_may_be_about_is_remembered() -> None:
    recent = following()
    message = Record(id=11, at=NOON, event=MessageReceived(source="s"))
    for record in (message, Record(id=12, at=NOON, event=Canary(nonce="x")), made(13, "unwatched"), made(14)):
        recent.take_in(record)
    assert set(recent.by_id([11, 12, 13, 14])) == {11, 14}
