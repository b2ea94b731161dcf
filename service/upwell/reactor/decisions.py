"""What to do about an event: it and the present state go in, the events to append come out. Pure."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from dataclasses import replace

from upwell.events import (
    Canary,
    ErrorInfo,
    Event,
    EventDeadLettered,
    EventDecided,
    EventReplayed,
    FileChanged,
    FilterEvaluated,
    FreshnessDemanded,
    MessageReceived,
    RunFailed,
    RunSubmitted,
    SensorEvaluated,
    TimerFired,
    WebhookAccepted,
)
from upwell.journal.journal import Record
from upwell.journal.projections import run_of
from upwell.reactor.answering import Decision, Situation, decide_source_event, together
from upwell.reactor.demands import decide_demanded
from upwell.reactor.knowledge import Known
from upwell.reactor.sensor_runs import decide_evaluated
from upwell.reactor.submissions import Refusal, submitted_run
from upwell.reactor.watching import WATCHED, decide_watched

SOURCE_EVENTS = (WebhookAccepted, FileChanged, TimerFired, MessageReceived)

DECIDABLE = (*SOURCE_EVENTS, RunSubmitted, Canary, SensorEvaluated, FilterEvaluated, EventReplayed, FreshnessDemanded)
"""The events that the reactor always answers. Others it answers where a sensor watches for them (`watching`), and all
tell it what became of its decisions."""


def decide(record: Record, situation: Situation, known: Known | None = None) -> Decision:
    """Answer one event; `known` has what the journal knows of what the event names."""
    known = known or Known()
    match record.event:
        case RunSubmitted() as submitted:
            return decide_submitted(record.id, submitted, situation, known)
        case Canary():
            return _ignored(record.id, "canary")
        case WebhookAccepted() | FileChanged() | TimerFired() | MessageReceived() as event:
            return decide_source_event(record.id, record.at, event, situation)
        case SensorEvaluated() as evaluated:
            return decide_evaluated(record.id, evaluated, situation, known)
        case FreshnessDemanded() as demanded:
            return decide_demanded(record.id, demanded, situation)
        case FilterEvaluated() as evaluated:
            return _decide_filtered(record.id, evaluated, situation, known)
        case EventReplayed() as replayed:
            return _decide_replayed(record.id, replayed, situation, known)
        case other:
            return decide_watched(record.id, other, situation, known)


def _decide_filtered(record_id: int, event: FilterEvaluated, situation: Situation, known: Known) -> Decision:
    """Go on with an event now that users' filters have answered."""
    first = known.records.get(event.event_id)
    if first is None or not isinstance(first.event, SOURCE_EVENTS):
        return _ignored(record_id, f"event {event.event_id}, which filters were asked about, is gone")
    return decide_source_event(first.id, first.at, first.event, situation, event.answers)


def _decide_replayed(record_id: int, event: EventReplayed, situation: Situation, known: Known) -> Decision:
    """Decide on stored events once more."""
    found = [known.records[event_id] for event_id in event.event_ids if event_id in known.records]
    parts = [part for record in found if (part := _decide_again(record, situation, known)) is not None]
    gone = len(event.event_ids) - len(parts)
    reason = f"{event.replayed_by or 'somebody'} had {len(parts)} events decided on again, each has its own decision"
    reason += f"; {gone} are gone, or nothing that is decided on" if gone else ""
    said = EventDecided(event_ids=(record_id,), outcome="replayed", reason=reason)
    return together([Decision(events=(said,)), *parts])


def _decide_again(record: Record, situation: Situation, known: Known) -> Decision | None:
    """Decide on a stored event: ask who listens to what a source told, and which sensors watch for anything else."""
    if isinstance(record.event, SOURCE_EVENTS):
        return decide_source_event(record.id, situation.now, record.event, situation)
    if not isinstance(record.event, WATCHED):
        return None
    run_id = run_of(record.event)
    of_run = replace(known, run=None if run_id is None else known.runs.get(run_id))
    called = decide_watched(record.id, record.event, situation, of_run)
    return called if called.events else _ignored(record.id, f"no sensor watches for this {record.event.kind} now")


def decide_submitted(event_id: int, submitted: RunSubmitted, situation: Situation, known: Known) -> Decision:
    """Answer somebody who asked for a run by name."""
    try:
        requested = submitted_run(submitted, situation.graph, situation.now, known)
    except Refusal as refusal:
        return _rejected(event_id, submitted, str(refusal))
    decided = EventDecided(
        event_ids=(event_id,),
        outcome="requested",
        reason=requested.reason,
        assets=requested.roots,
        partition=requested.partition,
        run_id=requested.run_id,
    )
    return Decision(events=(decided, requested))


def set_aside(record: Record, error: Exception) -> Decision:
    """Reject an event that could not be decided on, so that those behind it are not held up; one from outside becomes a
    dead letter, which can be replayed."""
    text = "".join(traceback.format_exception(error))
    reason = f"deciding on it raised {type(error).__name__}: {error}. It was set aside."
    rejected = _rejected(record.id, record.event, f"{reason}\n{text}")
    if not isinstance(record.event, SOURCE_EVENTS):
        return rejected
    info = ErrorInfo(type=type(error).__name__, message=str(error), traceback=text)
    letter = EventDeadLettered(event_ids=(record.id,), reason=reason, error=info)
    return replace(rejected, events=(*rejected.events, letter))


def gate_set_aside(gate: str, event_ids: Sequence[int], error: Exception) -> Decision:
    """Reject events whose wait is over and that could not be decided on then; they are dead letters."""
    text = "".join(traceback.format_exception(error))
    reason = f"answering what waited at {gate} raised {type(error).__name__}: {error}. It was set aside."
    ids = tuple(event_ids)
    rejected = EventDecided(event_ids=ids, outcome="rejected", reason=f"{reason}\n{text}", waits=gate)
    info = ErrorInfo(type=type(error).__name__, message=str(error), traceback=text)
    return Decision(events=(rejected, EventDeadLettered(event_ids=ids, reason=reason, error=info)))


def _rejected(event_id: int, event: Event, reason: str) -> Decision:
    if not isinstance(event, RunSubmitted):
        return Decision(events=(EventDecided(event_ids=(event_id,), outcome="rejected", reason=reason),))
    decided = EventDecided(
        event_ids=(event_id,),
        outcome="rejected",
        reason=reason,
        assets=event.assets,
        partition=event.partition,
        run_id=event.run_id,
    )
    # Whoever submitted it was given this run id, and must find out by it.
    return Decision(events=(decided, RunFailed(run_id=event.run_id, reason=reason)))


def _ignored(event_id: int, reason: str) -> Decision:
    return Decision(events=(EventDecided(event_ids=(event_id,), outcome="ignored", reason=reason),))
