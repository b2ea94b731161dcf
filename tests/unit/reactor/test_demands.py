from __future__ import annotations

from datetime import UTC, datetime

import pytest

from upwell.definitions.graph import AssetGraph
from upwell.definitions.snapshot import AssetNode, DepNode, Snapshot, StepNode
from upwell.events import Demand, EventDecided, FreshnessDemanded, RunId, RunRequested
from upwell.journal.journal import Record
from upwell.reactor.answering import Situation
from upwell.reactor.condensing import QueueView
from upwell.reactor.decisions import decide
from upwell.reactor.gates import Gates
from upwell.reactor.switches import Switches

NINE = datetime(2024, 1, 1, 9, tzinfo=UTC)
NODES = (
    AssetNode(key="raw", step="raw"),
    AssetNode(key="mart", step="mart", deps=(DepNode(asset="raw"),)),
    AssetNode(key="report", step="report", deps=(DepNode(asset="mart"),)),
    AssetNode(key="outside", step=None),
)
STEPS = tuple(StepNode(key=key, assets=(key,)) for key in ("raw", "mart", "report"))


def decided(targets: dict[str, tuple[str, ...]]) -> tuple[object, ...]:
    situation = Situation(
        graph=AssetGraph([Snapshot(location="here", assets=NODES, steps=STEPS)]),
        queue=QueueView(),
        gates=Gates(),
        switches=Switches(),
        now=NINE,
        new_run_id=lambda: RunId("new"),
    )
    event = FreshnessDemanded(demands=(Demand(asset="mart", deadline=NINE),), targets=targets, reason="it is time")
    return decide(Record(id=7, at=NINE, event=event), situation).events


def test_a_demand_is_one_run_of_what_it_names_and_of_nothing_below() -> None:
    answer, run = decided({"raw": (), "mart": ()})
    assert isinstance(answer, EventDecided)
    assert (answer.event_ids, answer.outcome, answer.assets, answer.run_id) == ((7,), "requested", ("mart",), "new")
    assert answer.reason == "it is time, so run new starts"
    assert isinstance(run, RunRequested)
    assert (run.cause, run.roots, run.reason) == ("automation", ("mart",), "it is time")
    assert [(step.id, step.waits_for) for step in run.plan] == [("raw", ()), ("mart", ("raw",))]


@pytest.mark.parametrize("gone", ["outside", "nothing"])
def test_what_is_no_longer_made_here_is_refused_by_name(gone: str) -> None:
    [answer] = decided({gone: (), "mart": ()})
    assert isinstance(answer, EventDecided)
    assert (answer.outcome, answer.run_id) == ("rejected", None)
    assert answer.reason == f"{gone} is no longer made here; it is time"
