from __future__ import annotations

from upwell.definitions.graph import AssetGraph
from upwell.definitions.snapshot import AssetNode, DepNode, Snapshot
from upwell.events import RunId
from upwell.journal.views import AssetState
from upwell.planning.status import asset_statuses

CHAIN = AssetGraph(
    [
        Snapshot(
            location="here",
            assets=(
                AssetNode(key="raw", step="raw"),
                AssetNode(key="clean", step="clean", deps=(DepNode(asset="raw"),)),
                AssetNode(key="mart", step="mart", deps=(DepNode(asset="clean"),)),
            ),
        )
    ]
)


def statuses(**made: int | AssetState) -> dict[str, str]:
    states = {
        key: state if isinstance(state, AssetState) else AssetState(asset=key, materialized_id=state)
        for key, state in made.items()
    }
    return dict(asset_statuses(CHAIN, states))


def test_nothing_was_ever_made() -> None:
    assert statuses() == {"raw": "never", "clean": "never", "mart": "never"}


def test_made_in_order_is_up_to_date() -> None:
    assert set(statuses(raw=1, clean=2, mart=3).values()) == {"up_to_date"}


def test_a_newer_dependency_makes_stale_and_so_does_a_stale_one() -> None:
    assert statuses(raw=4, clean=2, mart=3) == {"raw": "up_to_date", "clean": "stale", "mart": "stale"}


def test_a_dependency_that_was_never_made_makes_nothing_stale() -> None:
    assert statuses(mart=3)["mart"] == "up_to_date"


def test_a_failure_shows_until_the_next_success() -> None:
    assert statuses(raw=AssetState(asset="raw", materialized_id=1, failed_id=2))["raw"] == "failed"
    assert statuses(raw=AssetState(asset="raw", materialized_id=3, failed_id=2))["raw"] == "up_to_date"
    assert statuses(raw=AssetState(asset="raw", failed_id=2))["raw"] == "failed"


def test_work_under_way_shows_before_all_else() -> None:
    state = AssetState(asset="raw", materialized_id=1, failed_id=2, started_id=5, ended_id=3)
    assert statuses(raw=state)["raw"] == "materializing"


def test_what_one_run_made_is_not_stale_by_the_order_of_its_events() -> None:
    run = RunId("r")
    found = statuses(
        raw=AssetState(asset="raw", materialized_id=3, materialized_run=run),
        clean=AssetState(asset="clean", materialized_id=2, materialized_run=run),
    )
    assert found["clean"] == "up_to_date"
