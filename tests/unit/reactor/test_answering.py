"""What is done about an event beyond a plain run: gates, filters, sensors, pauses, replays."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta

import pytest

from upwell.definitions.graph import AssetGraph
from upwell.definitions.reactions import On, SourceSpec
from upwell.definitions.snapshot import AssetNode, JobNode, SensorNode, Snapshot, StepNode
from upwell.events import (
    AssetMaterialized,
    Event,
    EventDecided,
    EventReplayed,
    FilterEvaluated,
    FilterRequested,
    RunFailed,
    RunId,
    RunRequested,
    SensorTriggered,
    WebhookAccepted,
)
from upwell.journal.journal import Record
from upwell.journal.views import RunView, Switch
from upwell.reactor.answering import Decision, Situation
from upwell.reactor.condensing import QueueView
from upwell.reactor.decisions import decide
from upwell.reactor.gates import Gates
from upwell.reactor.knowledge import Known
from upwell.reactor.switches import Switches
from upwell.reactor.watching import watchers
from upwell.sources.reaction import predicate

NOW = datetime(2024, 1, 10, 12, tzinfo=UTC)
SOURCE = SourceSpec(kind="webhook", name="webhook:orders")


def asset(key: str, **listening: object) -> AssetNode:
    return AssetNode(key=key, step=key, on=(On(source=SOURCE, **listening),))  # type: ignore[arg-type]


def sensor(name: str, **more: object) -> SensorNode:
    return SensorNode(name=name, kind="event", **more)  # type: ignore[arg-type]


def graph(*nodes: AssetNode | SensorNode, jobs: Iterable[JobNode] = ()) -> AssetGraph:
    assets = tuple(node for node in nodes if isinstance(node, AssetNode))
    sensors = tuple(node for node in nodes if isinstance(node, SensorNode))
    steps = tuple(StepNode(key=node.key, assets=(node.key,)) for node in assets)
    return AssetGraph([Snapshot(location="here", assets=assets, steps=steps, sensors=sensors, jobs=tuple(jobs))])


def off(what: str, name: str) -> Switches:
    return Switches([Switch(what=what, name=name, active=False, at=NOW)])  # type: ignore[arg-type]


@pytest.fixture
def decided() -> Callable[..., Decision]:
    gates = Gates()

    def decided(
        event: Event, project: AssetGraph, *, id: int = 7, known: Known | None = None, switches: Switches | None = None
    ) -> Decision:
        situation = Situation(
            graph=project,
            queue=QueueView(),
            gates=gates,
            switches=switches or Switches(),
            now=NOW,
            new_run_id=lambda: RunId("new"),
        )
        return decide(Record(id=id, at=NOW, event=event), situation, known)

    return decided


def post(data: object = None) -> WebhookAccepted:
    return WebhookAccepted(source="webhook:orders", data=data)


def reasons(decision: Decision) -> list[tuple[str, str]]:
    return [(event.outcome, event.reason) for event in decision.events if isinstance(event, EventDecided)]


def test_a_listener_that_waits_for_quiet_says_until_when(decided: Callable[..., Decision]) -> None:
    (waiting,) = decided(post(), graph(asset("raw", debounce=2.0))).events
    assert isinstance(waiting, EventDecided)
    assert waiting.reason == "webhook:orders is listened to by raw; it waits for 2 s of quiet"
    assert (waiting.outcome, waiting.waits, waiting.until) == (
        "waiting",
        "webhook:orders > raw",
        NOW + timedelta(seconds=2),
    )


def test_listeners_that_wait_and_those_that_do_not_have_decisions_of_their_own(
    decided: Callable[..., Decision],
) -> None:
    decision = decided(post(), graph(asset("raw"), asset("slow", batch=1.0)))
    assert [outcome for outcome, _ in reasons(decision)] == ["requested", "waiting"]
    assert [event.roots for event in decision.events if isinstance(event, RunRequested)] == [("raw",)]


def test_what_a_filter_does_not_hold_for_passes_by(decided: Callable[..., Decision]) -> None:
    project = graph(asset("raw", filter=predicate("$.total > 100")))
    assert reasons(decided(post({"total": 5}), project)) == [
        ("filtered", "the filter @.total > 100 of raw let it pass by")
    ]
    assert [outcome for outcome, _ in reasons(decided(post({"total": 500}), project))] == ["requested"]


def test_a_users_filter_is_asked_first(decided: Callable[..., Decision]) -> None:
    decision = decided(post(), graph(asset("raw", filter_call="shop.big:3"), asset("all")))
    assert [outcome for outcome, _ in reasons(decision)] == ["requested", "asked"]
    assert FilterRequested(event_id=7, filters=("shop.big:3",)) in decision.events
    (requested,) = [event for event in decision.events if isinstance(event, RunRequested)]
    assert requested.roots == ("all",)


@pytest.mark.parametrize(("answer", "outcome"), [(True, "requested"), (False, "filtered")])
def test_a_users_filter_decides(decided: Callable[..., Decision], answer: bool, outcome: str) -> None:
    project = graph(asset("raw", filter_call="shop.big:3"), asset("all"))
    known = Known(records={7: Record(id=7, at=NOW, event=post())})
    said = FilterEvaluated(event_id=7, answers={"shop.big:3": answer})
    decision = decided(said, project, id=9, known=known)
    (first, *rest) = decision.events
    assert isinstance(first, EventDecided)
    assert (first.event_ids, first.outcome) == ((7,), outcome)
    assert [event.roots for event in rest if isinstance(event, RunRequested)] == ([("raw",)] if answer else [])


def test_a_sensor_is_called_about_the_event(decided: Callable[..., Decision]) -> None:
    decision = decided(post(), graph(sensor("watch", on=(On(source=SOURCE),))))
    assert reasons(decision) == [("called", "webhook:orders is listened to by sensor watch, so it is called")]
    assert decision.events[1] == SensorTriggered(sensor="watch", event_ids=(7,))


def test_a_paused_sensor_is_not_called(decided: Callable[..., Decision]) -> None:
    project = graph(sensor("watch", on=(On(source=SOURCE),)))
    decision = decided(post(), project, switches=off("sensor", "watch"))
    assert reasons(decision) == [("paused", "sensor watch is paused")]
    assert len(decision.events) == 1


def test_a_sensor_that_the_code_switched_off_is_not_called_until_somebody_resumes_it(
    decided: Callable[..., Decision],
) -> None:
    project = graph(sensor("watch", on=(On(source=SOURCE),), active=False))
    on = Switches([Switch(what="sensor", name="watch", active=True, at=NOW)])
    assert reasons(decided(post(), project))[0][0] == "paused"
    assert reasons(decided(post(), project, switches=on))[0][0] == "called"


def test_events_of_a_paused_source_lead_to_nothing(decided: Callable[..., Decision]) -> None:
    decision = decided(post(), graph(asset("raw")), switches=off("source", "webhook:orders"))
    assert reasons(decision) == [("paused", "webhook:orders is paused")]


def test_a_replayed_event_is_decided_by_the_present_rules(decided: Callable[..., Decision]) -> None:
    known = Known(records={3: Record(id=3, at=NOW, event=post())})
    replay = EventReplayed(event_ids=(3, 4), replayed_by="ann")
    decision = decided(replay, graph(asset("raw")), id=9, known=known)
    assert reasons(decision)[0] == (
        "replayed",
        "ann had 1 events decided on again, each has its own decision; 1 are gone, or nothing that is decided on",
    )
    (requested,) = [event for event in decision.events if isinstance(event, RunRequested)]
    assert requested.event_ids == (3,)


def test_a_materialisation_calls_the_sensors_that_watch_the_asset(decided: Callable[..., Decision]) -> None:
    project = graph(asset("raw"), sensor("watch", watched_assets=("raw",)), sensor("other", watched_assets=("x",)))
    made = AssetMaterialized(asset="raw", partition="eu")
    assert [node.name for node in watchers(made, project)] == ["watch"]
    assert reasons(decided(made, project)) == [
        ("called", "raw was materialised for eu, which sensor watch watches for, so it is called")
    ]


def test_what_sensors_watch_for_calls_them_again_when_it_is_replayed(decided: Callable[..., Decision]) -> None:
    project = graph(asset("raw"), sensor("watch", watched_assets=("raw",)))
    made = {3: AssetMaterialized(asset="raw"), 4: AssetMaterialized(asset="other")}
    known = Known(records={id: Record(id=id, at=NOW, event=event) for id, event in made.items()})
    assert reasons(decided(EventReplayed(event_ids=(3, 4)), project, id=9, known=known))[1:] == [
        ("called", "raw was materialised, which sensor watch watches for, so it is called"),
        ("ignored", "no sensor watches for this asset.materialized now"),
    ]


def run(**more: object) -> RunView:
    return RunView(
        run_id=RunId("r"),
        status="FAILURE",
        lane="raw",
        reason="",
        cause="event",
        plan=(),
        requested_at=NOW,
        requested_id=1,
        **more,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    ("watched", "view", "called"),
    [
        ({}, run(), True),
        ({"watched_jobs": ("nightly",)}, run(), False),
        ({"watched_jobs": ("nightly",)}, run(job="nightly"), True),
        ({}, run(sensor="watch"), False),  # its own run
        ({"jobs": ("mend",)}, run(job="mend"), False),  # the job that it asks for
    ],
)
def test_a_run_calls_the_sensors_that_watch_for_its_end(
    decided: Callable[..., Decision], watched: dict[str, object], view: RunView, called: bool
) -> None:
    project = graph(sensor("watch", watched_statuses=("FAILURE",), **watched))
    failed = RunFailed(run_id=RunId("r"), reason="")
    assert watchers(failed, project)
    decision = decided(failed, project, known=Known(run=view))
    assert [event.sensor for event in decision.events if isinstance(event, SensorTriggered)] == ["watch"] * called
