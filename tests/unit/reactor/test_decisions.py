from __future__ import annotations

from datetime import UTC, datetime

import pytest

from upwell.definitions.graph import AssetGraph
from upwell.definitions.partitions.time_windows import DailyPartitionsDefinition
from upwell.definitions.reactions import On, SourceSpec
from upwell.definitions.snapshot import AssetNode, CheckNode, DepNode, JobNode, Snapshot, StepNode
from upwell.events import (
    Canary,
    Event,
    EventDeadLettered,
    EventDecided,
    PlannedStep,
    RunFailed,
    RunId,
    RunRequested,
    RunStarted,
    RunSubmitted,
    RunSucceeded,
    WebhookAccepted,
)
from upwell.journal.journal import Record
from upwell.journal.views import RunView, StepView
from upwell.reactor.answering import Decision, Situation
from upwell.reactor.condensing import QueueView, lane_of
from upwell.reactor.decisions import decide, set_aside
from upwell.reactor.gates import Gates
from upwell.reactor.knowledge import Known
from upwell.reactor.switches import Switches

NOW = datetime(2024, 1, 10, 12, tzinfo=UTC)
DAILY = DailyPartitionsDefinition(start_date="2024-01-01")
RAW = AssetNode(key="raw", step="raw", on=(On(source=SourceSpec(kind="webhook", name="webhook:orders")),))
MART = AssetNode(key="mart", step="mart", deps=(DepNode(asset="raw"),))
DAYS = AssetNode(
    key="days",
    step="days",
    partitions=DAILY,
    on=(On(source=SourceSpec(kind="webhook", name="webhook:days"), partition="$.day"),),
)
GIVEN = AssetNode(key="lake/given", step=None)
GRAPH = AssetGraph(
    [
        Snapshot(
            location="here",
            assets=(RAW, MART, DAYS, GIVEN),
            steps=(
                *(StepNode(key=key, assets=(key,)) for key in ("raw", "mart", "days")),
                StepNode(key="given_fresh", checks=("lake/given:fresh",)),
            ),
            checks=(CheckNode(asset="lake/given", name="fresh", step="given_fresh"),),
            jobs=(JobNode(name="checking", checks=("lake/given:fresh",)),),
        )
    ]
)


def decided(event: Event, queue: QueueView | None = None, known: Known | None = None) -> Decision:
    situation = Situation(
        graph=GRAPH,
        queue=queue or QueueView(),
        gates=Gates(),
        switches=Switches(),
        now=NOW,
        new_run_id=lambda: RunId("new"),
    )
    return decide(Record(id=7, at=NOW, event=event), situation, known)


def post(**more: object) -> WebhookAccepted:
    return WebhookAccepted(source="webhook:orders", **more)  # type: ignore[arg-type]


def queue(*events: Event) -> QueueView:
    view = QueueView()
    for event in events:
        view.apply(event)
    return view


def queued(name: str, lane: str = "raw", **more: object) -> RunRequested:
    return RunRequested(run_id=RunId(name), lane=lane, plan=(), reason="", **more)  # type: ignore[arg-type]


def test_an_event_starts_a_run_of_its_listener_and_everything_downstream() -> None:
    decision, requested = decided(post()).events
    assert decision == EventDecided(
        event_ids=(7,),
        outcome="requested",
        reason="webhook:orders is listened to by raw; nothing like it was queued, so run new starts",
        assets=("raw",),
        run_id=RunId("new"),
    )
    assert isinstance(requested, RunRequested)
    assert [step.id for step in requested.plan] == ["raw", "mart"]
    assert (requested.lane, requested.roots, requested.event_ids) == ("raw", ("raw",), (7,))


def test_an_event_joins_the_run_of_its_lane_that_has_not_started() -> None:
    decision = decided(post(), queue(queued("r")))
    (event,) = decision.events
    assert isinstance(event, EventDecided)
    assert (event.outcome, event.run_id, decision.joins) == ("joined", "r", ("r",))
    assert event.reason == "webhook:orders is listened to by raw; joined run r, which had not started"


def test_an_event_for_a_run_under_way_makes_one_that_follows() -> None:
    decision, requested = decided(post(), queue(queued("r"), RunStarted(run_id=RunId("r")))).events
    assert isinstance(decision, EventDecided)
    assert decision.outcome == "follows"
    assert decision.reason == "webhook:orders is listened to by raw; run r of it is under way, so run new follows"
    assert isinstance(requested, RunRequested)


def test_behind_a_run_under_way_events_join_the_one_that_follows() -> None:
    view = queue(queued("r"), RunStarted(run_id=RunId("r")), queued("next"))
    assert decided(post(), view).joins == ("next",)


def test_an_ended_run_is_neither_joined_nor_followed() -> None:
    view = queue(queued("r"), RunStarted(run_id=RunId("r")), RunSucceeded(run_id=RunId("r")))
    assert decided(post(), view).events[0].outcome == "requested"  # type: ignore[union-attr]


def test_an_event_never_joins_what_somebody_asked_for_by_hand() -> None:
    decision = decided(post(), queue(queued("r", cause="manual")))
    assert decision.joins == ()


def test_partitions_have_lanes_of_their_own() -> None:
    event = WebhookAccepted(source="webhook:days", data={"day": "2024-01-05"})
    decision, requested = decided(event, queue(queued("r", lane="days@2024-01-04"))).events
    assert isinstance(requested, RunRequested)
    assert (requested.lane, requested.partition) == ("days@2024-01-05", "2024-01-05")
    assert decision.partition == "2024-01-05"  # type: ignore[union-attr]


def test_a_lane_does_not_depend_on_the_order_of_its_roots() -> None:
    assert lane_of([("b", "p"), ("a", None)]) == lane_of([("a", None), ("b", "p")])


def test_an_event_that_nothing_listens_to_is_ignored_with_that_reason() -> None:
    (event,) = decided(WebhookAccepted(source="webhook:x")).events
    assert event == EventDecided(event_ids=(7,), outcome="ignored", reason="nothing listens to webhook:x")


def test_an_event_for_a_partition_that_does_not_exist_is_ignored_and_says_so() -> None:
    (event,) = decided(WebhookAccepted(source="webhook:days", data={"day": "1999-01-01"})).events
    assert isinstance(event, EventDecided)
    assert event.outcome == "ignored"
    assert "days has no partition '1999-01-01'" in event.reason


def test_a_canary_is_answered_and_nothing_else() -> None:
    assert decided(Canary(nonce="n")).events == (EventDecided(event_ids=(7,), outcome="ignored", reason="canary"),)


def submitted(*assets: str, **more: object) -> RunSubmitted:
    return RunSubmitted(run_id=RunId("mine"), assets=assets, submitted_by="alice", **more)  # type: ignore[arg-type]


def test_a_submitted_run_keeps_its_id_config_and_tags() -> None:
    event = submitted("raw", config={"ops": {}}, tags={"team": "data"})
    decision, requested = decided(event).events
    assert isinstance(requested, RunRequested)
    assert (requested.run_id, requested.cause, requested.config, requested.tags) == (
        "mine",
        "manual",
        {"ops": {}},
        {"team": "data"},
    )
    assert [step.id for step in requested.plan] == ["raw"]
    assert decision.reason == "alice asked for raw"  # type: ignore[union-attr]


def test_a_submitted_run_includes_what_is_downstream_when_asked() -> None:
    requested = decided(submitted("raw", downstream=True)).events[1]
    assert [(step.id, step.asked) for step in requested.plan] == [("raw", True), ("mart", False)]  # type: ignore[union-attr]


def rejection(event: RunSubmitted, earlier: Known | None = None) -> str:
    decision, failed = decided(event, known=earlier).events
    assert isinstance(decision, EventDecided)
    assert isinstance(failed, RunFailed)
    assert (decision.outcome, decision.run_id, failed.run_id) == ("rejected", event.run_id, event.run_id)
    assert decision.reason == failed.reason
    return failed.reason


@pytest.mark.parametrize("asked", [{"checks": ("lake/given:fresh",)}, {"job": "checking"}])
def test_a_submitted_run_of_checks_evaluates_them_without_their_assets(asked: dict[str, object]) -> None:
    decision, requested = decided(submitted(**asked)).events
    assert isinstance(decision, EventDecided) and isinstance(requested, RunRequested)
    assert [(step.id, step.assets, step.checks) for step in requested.plan] == [
        ("given_fresh", (), ("lake/given:fresh",))
    ]
    assert (requested.lane, requested.roots) == ("lake/given:fresh", ("lake/given",))
    assert requested.reason == f"alice asked for {'job checking' if 'job' in asked else 'lake/given:fresh'}"


def test_a_run_of_a_check_that_is_not_there_is_rejected() -> None:
    assert rejection(submitted(checks=("raw:it",))) == "there is no check 'raw:it'; a check is named asset:name"


def test_a_run_that_cannot_be_is_rejected_and_whoever_asked_finds_out_why() -> None:
    assert rejection(submitted("nope")) == "there is no asset 'nope'"
    assert rejection(submitted("given")) == "there is no asset 'given'; did you mean lake/given?"
    assert "is external" in rejection(submitted("lake/given"))
    assert rejection(submitted("days")) == "days is partitioned; say which partition, e.g. '2024-01-09'"
    assert "days has no partition '1999-01-01'" in rejection(submitted("days", partition="1999-01-01"))
    assert "raw has no partitions" in rejection(submitted("raw", partition="2024-01-01"))
    assert "no asset was asked for" in rejection(submitted())


def earlier_run(status: str = "FAILURE", passed: tuple[str, ...] = ("raw",)) -> Known:
    plan = (
        PlannedStep(id="raw", step="raw", assets=("raw",)),
        PlannedStep(id="mart", step="mart", assets=("mart",), waits_for=("raw",), asked=False),
    )
    run = RunView(
        run_id=RunId("old"),
        status=status,  # type: ignore[arg-type]
        lane="raw",
        reason="",
        cause="event",
        plan=plan,
        requested_at=NOW,
        requested_id=3,
        roots=("raw",),
        event_ids=(1, 2),
    )
    steps = [StepView(run_id=run.run_id, step_id=step, status="SUCCESS", attempt=1) for step in passed]
    return Known(run=run, steps=steps)


def retry() -> RunSubmitted:
    return submitted(retry_of=RunId("old"))


def test_a_retry_runs_what_did_not_succeed_and_answers_the_same_events() -> None:
    _, requested = decided(retry(), known=earlier_run()).events
    assert isinstance(requested, RunRequested)
    assert [(step.id, step.waits_for) for step in requested.plan] == [("mart", ())]
    assert (requested.event_ids, requested.retry_of, requested.cause) == ((1, 2), "old", "retry")


def test_a_retry_that_cannot_be_is_rejected() -> None:
    assert rejection(retry(), Known()) == "there is no run old to retry"
    assert "has not ended yet" in rejection(retry(), earlier_run("STARTED"))
    assert "every step of run old succeeded" in rejection(retry(), earlier_run(passed=("raw", "mart")))


def test_an_event_that_cannot_be_decided_on_is_set_aside_with_its_traceback() -> None:
    try:
        raise RuntimeError("poison")
    except RuntimeError as error:
        event, letter = set_aside(Record(id=7, at=NOW, event=post()), error).events
    assert isinstance(event, EventDecided)
    assert event.outcome == "rejected"
    assert "RuntimeError: poison" in event.reason
    assert "Traceback" in event.reason
    assert isinstance(letter, EventDeadLettered)
    assert (letter.event_ids, letter.error and letter.error.message) == ((7,), "poison")
