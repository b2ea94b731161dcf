"""What becomes of event 7, told record by record."""

from __future__ import annotations

from typing import Any

import pytest

from upwell.events import (
    ErrorInfo,
    Event,
    EventDecided,
    FilterEvaluated,
    Outcome,
    RunCanceled,
    RunFailed,
    RunId,
    RunStarted,
    RunSucceeded,
    SensorEvaluated,
    SensorFailed,
    WantedRun,
)
from upwell.web.awaiting import AwaitedEvent, RunOutcome

R1, R2 = RunId("r1"), RunId("r2")


def decided(outcome: Outcome, *event_ids: int, **more: Any) -> EventDecided:
    return EventDecided(event_ids=event_ids or (7,), outcome=outcome, reason="", **more)


def after(*events: Event, first: int = 8) -> AwaitedEvent:
    awaited = AwaitedEvent(7)
    for record_id, event in enumerate(events, first):
        awaited.take(record_id, event)
    return awaited


def test_it_is_over_when_its_run_has_ended() -> None:
    requested = decided("requested", run_id=R1)
    assert not after().over
    assert not after(requested, RunStarted(run_id=R1)).over
    ended = after(requested, RunSucceeded(run_id=R1, event_ids=(7,)))
    assert ended.over
    assert ended.runs == (RunOutcome(run_id=R1, status="SUCCESS"),)


@pytest.mark.parametrize("outcome", ["requested", "joined", "follows"])
def test_every_way_to_a_run_counts_among_other_events(outcome: Outcome) -> None:
    awaited = after(decided(outcome, 6, 7, 8, run_id=R1), RunSucceeded(run_id=R1))
    assert awaited.over
    assert awaited.runs[0].run_id == R1


@pytest.mark.parametrize("outcome", ["ignored", "filtered", "paused", "rejected"])
def test_what_leads_to_nothing_is_over_at_once(outcome: Outcome) -> None:
    awaited = after(decided(outcome))
    assert awaited.over
    assert awaited.runs == ()


def test_other_events_and_runs_are_nothing_to_it() -> None:
    awaited = after(decided("requested", 6, run_id=R2), RunSucceeded(run_id=R2, event_ids=(6,)))
    assert not awaited.over
    assert awaited.runs == ()


def test_the_run_that_went_wrong_is_told_first() -> None:
    awaited = after(
        decided("requested", run_id=R1),
        decided("requested", run_id=R2),
        RunSucceeded(run_id=R1),
        RunFailed(run_id=R2, reason="disk full"),
    )
    assert awaited.over
    assert awaited.runs[0] == RunOutcome(run_id=R2, status="FAILURE", reason="disk full")


def test_all_its_runs_have_to_end() -> None:
    awaited = after(decided("requested", run_id=R1), decided("requested", run_id=R2), RunCanceled(run_id=R1))
    assert not awaited.over
    assert awaited.keys == {7, R1, R2}


def test_a_gate_is_waited_for() -> None:
    waiting = decided("waiting", waits="gate")
    assert not after(waiting).over
    assert not after(waiting, decided("requested", 6, 7, waits="gate", run_id=R1)).over
    assert after(waiting, decided("requested", waits="gate", run_id=R1), RunSucceeded(run_id=R1)).over
    assert after(waiting, decided("ignored", waits="gate")).over


def test_a_filter_s_answer_is_waited_for() -> None:
    asked = decided("asked")
    answered = FilterEvaluated(event_id=7, answers={"f": True})
    assert not after(asked).over
    assert not after(asked, answered).over
    assert after(asked, answered, decided("filtered")).over
    assert not after(asked, FilterEvaluated(event_id=6, answers={}), decided("filtered", 6)).over


def test_a_sensor_s_runs_are_its_runs() -> None:
    called = decided("called", sensor="s")
    evaluated = SensorEvaluated(sensor="s", event_ids=(7,), runs=(WantedRun(job="j"),))
    assert not after(called).over
    assert not after(called, evaluated).over
    assert not after(called, evaluated, decided("requested", 9, run_id=R1)).over
    assert after(called, evaluated, decided("requested", 9, run_id=R1), RunSucceeded(run_id=R1)).over
    assert after(called, evaluated, decided("rejected", 9)).over


def test_a_sensor_that_skips_or_gives_up_leads_to_nothing() -> None:
    called, error = decided("called", sensor="s"), ErrorInfo(type="E", message="")
    assert after(called, SensorEvaluated(sensor="s", event_ids=(7,), skip_reason="no")).over
    assert after(called, SensorFailed(sensor="s", event_ids=(7,), error=error)).over
    assert not after(called, SensorEvaluated(sensor="t", event_ids=(6,))).over
