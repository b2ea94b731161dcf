"""Answering an event from outside: runs that are requested or joined, sensors that are called, gates. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from upwell.definitions.graph import AssetGraph
from upwell.events import (
    Event,
    EventDecided,
    FilterRequested,
    Outcome,
    RunId,
    RunRequested,
    SensorTriggered,
    SourceEvent,
)
from upwell.planning.planner import plan
from upwell.reactor.condensing import QueueView
from upwell.reactor.gates import Gates, Held, gate_key
from upwell.reactor.matching import Answer, Answers, Matching, match
from upwell.reactor.switches import Switches


@dataclass(frozen=True, kw_only=True)
class Situation:
    """What a decision is made from, beside the event."""

    graph: AssetGraph
    queue: QueueView
    gates: Gates
    switches: Switches
    now: datetime
    new_run_id: Callable[[], RunId]


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """Events to append. The runs that are joined must still be queued then, or the decision has to be made again."""

    events: tuple[Event, ...]
    joins: tuple[RunId, ...] = ()


def decide_source_event(
    record_id: int, at: datetime, event: SourceEvent, situation: Situation, said: Answers | None = None
) -> Decision:
    """Answer an event from outside; `said` has the answers of users' filters once they were asked."""
    found = match(event, situation.graph, situation.switches, situation.now, said)
    parts = [_answer(record_id, at, event.source, answer, situation) for answer in found.answers]
    if found.asks:
        parts.append(_ask(record_id, event.source, found))
    if not parts:
        return _nothing_to_do(record_id, found)
    return _with_reservations(together(parts), found)


def _answer(event_id: int, at: datetime, source: str, answer: Answer, situation: Situation) -> Decision:
    until = situation.gates.wait(source, answer, event_id, at, situation.now)
    if until is None:
        return carry_out((event_id,), _heard(source, answer), answer, situation)
    waiting = EventDecided(
        event_ids=(event_id,),
        outcome="waiting",
        reason=f"{_heard(source, answer)}; it waits {_for_what(answer)}",
        assets=tuple(answer.targets),
        partition=_common_partition(answer),
        sensor=answer.sensor,
        waits=gate_key(source, answer),
        until=until,
    )
    return Decision(events=(waiting,))


def _for_what(answer: Answer) -> str:
    gathering = answer.gathering
    assert gathering is not None
    if gathering.debounce is not None:
        return f"for {gathering.debounce:g} s of quiet"
    if gathering.batch is not None:
        return f"for what else comes within {gathering.batch:g} s"
    return f"for its turn under {gathering.throttle}"


def open_gate(key: str, held: Held, event_ids: Sequence[int], situation: Situation) -> Decision:
    """Answer the events that waited at a gate, together; by the definitions of now."""
    answer = _still_there(held.answer, situation)
    if answer is None:
        gone = EventDecided(
            event_ids=tuple(event_ids),
            outcome="ignored",
            reason=f"{held.answer.title} is no longer defined, or paused, now that its wait is over",
            waits=key,
        )
        return Decision(events=(gone,))
    return carry_out(event_ids, f"{_heard(held.source, answer)}; the wait is over", answer, situation, waits=key)


def _still_there(answer: Answer, situation: Situation) -> Answer | None:
    graph = situation.graph
    if answer.sensor is not None:
        node = graph.sensors.get(answer.sensor)
        return answer if node is not None and situation.switches.sensor_active(node) else None
    targets = {
        key: partitions
        for key, partitions in answer.targets.items()
        if (asset := graph.assets.get(key)) is not None
        and asset.step is not None
        and (asset.partitions is None) == (None in partitions)
    }
    return replace(answer, targets=targets) if targets else None


def carry_out(
    event_ids: Sequence[int], heard: str, answer: Answer, situation: Situation, *, waits: str | None = None
) -> Decision:
    """Have the answer to these events take place: a call of a sensor, or a run that is joined or requested."""
    ids = tuple(event_ids)
    if answer.sensor is not None:
        return call_sensor(ids, answer.sensor, heard, waits=waits)
    decided = EventDecided(
        event_ids=ids,
        outcome="requested",
        reason="",
        assets=tuple(answer.targets),
        partition=_common_partition(answer),
        waits=waits,
    )
    queued = situation.queue.joinable(answer.lane)
    if queued is not None:
        reason = f"{heard}; joined run {queued}, which had not started"
        return Decision(events=(replace(decided, outcome="joined", reason=reason, run_id=queued),), joins=(queued,))
    run_id = situation.new_run_id()
    busy = situation.queue.under_way(answer.lane)
    outcome: Outcome = "requested" if busy is None else "follows"
    why = (
        f"nothing like it was queued, so run {run_id} starts"
        if busy is None
        else f"run {busy} of it is under way, so run {run_id} follows"
    )
    requested = RunRequested(
        run_id=run_id,
        lane=answer.lane,
        plan=plan(situation.graph, answer.targets, now=situation.now, downstream=True),
        reason=heard,
        roots=tuple(answer.targets),
        partition=_common_partition(answer),
        event_ids=ids,
    )
    return Decision(events=(replace(decided, outcome=outcome, reason=f"{heard}; {why}", run_id=run_id), requested))


def call_sensor(
    event_ids: tuple[int, ...], sensor: str, why: str, *, assets: tuple[str, ...] = (), waits: str | None = None
) -> Decision:
    """Have a sensor called about these events."""
    called = EventDecided(
        event_ids=event_ids,
        outcome="called",
        reason=f"{why}, so it is called",
        assets=assets,
        sensor=sensor,
        waits=waits,
    )
    return Decision(events=(called, SensorTriggered(sensor=sensor, event_ids=event_ids)))


def together(parts: Sequence[Decision]) -> Decision:
    """Several decisions as one."""
    return Decision(
        events=tuple(event for part in parts for event in part.events),
        joins=tuple(run_id for part in parts for run_id in part.joins),
    )


def _ask(event_id: int, source: str, found: Matching) -> Decision:
    asked = EventDecided(
        event_ids=(event_id,),
        outcome="asked",
        reason=f"{source} is listened to through {', '.join(found.asks)}; it is asked first whether the event counts",
    )
    return Decision(events=(asked, FilterRequested(event_id=event_id, filters=found.asks)))


def _nothing_to_do(event_id: int, found: Matching) -> Decision:
    outcomes = [miss.outcome for miss in found.misses]
    # When several say no, the one who might have acted says why.
    outcome: Outcome = next((one for one in ("ignored", "paused", "filtered") if one in outcomes), "ignored")
    reason = "; ".join(found.reservations) or "the filters let it pass by"
    return Decision(events=(EventDecided(event_ids=(event_id,), outcome=outcome, reason=reason),))


def _with_reservations(decision: Decision, found: Matching) -> Decision:
    """Say beside the first decision who does nothing, and why."""
    first, *rest = decision.events
    if not found.misses or not isinstance(first, EventDecided):
        return decision
    reason = "; but ".join((first.reason, *found.reservations))
    return replace(decision, events=(replace(first, reason=reason), *rest))


def _heard(source: str, answer: Answer) -> str:
    return f"{source} is listened to by {answer.title}"


def _common_partition(answer: Answer) -> str | None:
    """The partition of a run that is about one, for people to read."""
    partitions = {partition for _, partition in answer.pairs if partition is not None}
    return partitions.pop() if len(partitions) == 1 else None
