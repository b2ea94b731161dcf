"""What to do about an event: it and the present state go in, the events to append come out. Pure."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeAlias

from upwell.definitions.graph import AssetGraph
from upwell.events import (
    Canary,
    Event,
    EventDecided,
    FileChanged,
    MessageReceived,
    Outcome,
    PlannedStep,
    RunFailed,
    RunId,
    RunRequested,
    RunSubmitted,
    SourceEvent,
    TimerFired,
    WebhookAccepted,
)
from upwell.journal.journal import Record
from upwell.journal.views import ENDED, RunView, StepView
from upwell.planning.planner import plan
from upwell.reactor.condensing import QueueView, lane_of
from upwell.reactor.matching import Matching, match

Decidable: TypeAlias = SourceEvent | RunSubmitted | Canary

DECIDABLE = (WebhookAccepted, FileChanged, TimerFired, MessageReceived, RunSubmitted, Canary)
"""The events that the reactor answers with an `EventDecided`; all others only tell it what became of its decisions."""


@dataclass(frozen=True, kw_only=True)
class Situation:
    """What a decision is made from, beside the event."""

    graph: AssetGraph
    queue: QueueView
    now: datetime
    new_run_id: Callable[[], RunId]


@dataclass(frozen=True, kw_only=True, slots=True)
class EarlierRun:
    """The run that a retry refers to, with what became of its steps; `run` is none when nobody knows it."""

    run: RunView | None = None
    steps: Sequence[StepView] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """Events to append. `joins` must still be queued then, or the decision has to be made again."""

    events: tuple[Event, ...]
    joins: RunId | None = None


class Refusal(ValueError):
    """Somebody asked for a run that cannot be; the text says why."""


def decide(record: Record, situation: Situation, earlier: EarlierRun | None = None) -> Decision:
    """Answer one event. `earlier` belongs to a `RunSubmitted` that retries a run."""
    match record.event:
        case RunSubmitted() as submitted:
            return _decide_submitted(record.id, submitted, situation, earlier)
        case Canary():
            return Decision(events=(EventDecided(event_ids=(record.id,), outcome="ignored", reason="canary"),))
        case WebhookAccepted() | FileChanged() | TimerFired() | MessageReceived() as event:
            return _decide_source_event(record.id, event, situation)
        case other:
            raise TypeError(f"{other.kind} is nothing to decide about")


def set_aside(record: Record, error: Exception) -> Decision:
    """Reject an event that could not be decided on, so that those behind it are not held up."""
    text = "".join(traceback.format_exception(error))
    reason = f"deciding on it raised {type(error).__name__}: {error}. It was set aside.\n{text}"
    return _rejected(record.id, record.event, reason)


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


def _decide_source_event(event_id: int, event: SourceEvent, situation: Situation) -> Decision:
    found = match(event, situation.graph, situation.now)
    if not found.targets:
        return Decision(
            events=(EventDecided(event_ids=(event_id,), outcome="ignored", reason="; ".join(found.misses)),)
        )
    lane = lane_of(found.pairs)
    heard = f"{event.source} is listened to by {', '.join(found.targets)}"
    queued = situation.queue.joinable(lane)
    if queued is not None:
        reason = f"{heard}; joined run {queued}, which had not started"
        decided = _decided(event_id, "joined", reason, found, queued)
        return Decision(events=(decided,), joins=queued)
    run_id = situation.new_run_id()
    busy = situation.queue.under_way(lane)
    if busy is None:
        why = f"{heard}; nothing like it was queued, so run {run_id} starts"
        decided = _decided(event_id, "requested", why, found, run_id)
    else:
        why = f"{heard}; run {busy} of it is under way, so run {run_id} follows"
        decided = _decided(event_id, "follows", why, found, run_id)
    requested = RunRequested(
        run_id=run_id,
        lane=lane,
        plan=plan(situation.graph, found.targets, now=situation.now, downstream=True),
        reason=heard,
        roots=tuple(found.targets),
        partition=_common_partition(found),
        event_ids=(event_id,),
    )
    return Decision(events=(decided, requested))


def _decided(event_id: int, outcome: Outcome, reason: str, found: Matching, run_id: RunId) -> EventDecided:
    reason = "; but ".join((reason, *found.misses))
    return EventDecided(
        event_ids=(event_id,),
        outcome=outcome,
        reason=reason,
        assets=tuple(found.targets),
        partition=_common_partition(found),
        run_id=run_id,
    )


def _common_partition(found: Matching) -> str | None:
    """The partition of a run that is about one, for people to read."""
    partitions = {partition for _, partition in found.pairs if partition is not None}
    return partitions.pop() if len(partitions) == 1 else None


def _decide_submitted(
    event_id: int, submitted: RunSubmitted, situation: Situation, earlier: EarlierRun | None
) -> Decision:
    try:
        if submitted.retry_of is not None:
            requested = _retry(submitted, situation.graph, earlier or EarlierRun())
        else:
            requested = _manual(submitted, situation)
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


def _manual(submitted: RunSubmitted, situation: Situation) -> RunRequested:
    who = submitted.submitted_by or "somebody"
    requests = _requests(submitted, situation.graph, situation.now)
    targets = [(asset, partition) for asset, partitions in requests.items() for partition in partitions]
    return RunRequested(
        run_id=submitted.run_id,
        lane=lane_of(targets),
        plan=plan(situation.graph, requests, now=situation.now, downstream=submitted.downstream),
        reason=f"{who} asked for {_named(submitted.assets)}"
        + (" and what is downstream" if submitted.downstream else ""),
        cause="manual",
        roots=submitted.assets,
        partition=submitted.partition,
        config=submitted.config,
        tags=submitted.tags,
    )


def _named(assets: Sequence[str]) -> str:
    return ", ".join(assets[:3]) + (f" and {len(assets) - 3} more" if len(assets) > 3 else "")


def _requests(submitted: RunSubmitted, graph: AssetGraph, now: datetime) -> Mapping[str, tuple[str | None]]:
    if not submitted.assets:
        raise Refusal("no asset was asked for; name at least one")
    requests = {key: (_asked_partition(key, submitted.partition, graph, now),) for key in submitted.assets}
    if submitted.partition is not None and all(key is None for (key,) in requests.values()):
        raise Refusal(
            f"partition {submitted.partition!r} was asked for, but {_named(submitted.assets)} has no partitions"
        )
    return requests


def _asked_partition(key: str, partition: str | None, graph: AssetGraph, now: datetime) -> str | None:
    node = graph.assets.get(key)
    if node is None:
        raise Refusal(f"there is no asset {key!r}{_similar(key, graph.assets)}")
    if node.step is None:
        raise Refusal(f"{key} is external: nothing here makes it, it can only be reported")
    if node.partitions is None:
        return None
    if partition is None:
        last = node.partitions.get_last_partition_key(now)
        raise Refusal(f"{key} is partitioned; say which partition" + (f", e.g. {last!r}" if last is not None else ""))
    if not node.partitions.has_partition_key(partition, now):
        first, last = node.partitions.get_first_partition_key(now), node.partitions.get_last_partition_key(now)
        raise Refusal(f"{key} has no partition {partition!r}; its partitions are {first} to {last}")
    return partition


def _similar(key: str, known: Collection[str]) -> str:
    close = [other for other in known if other.rsplit("/", 1)[-1] == key.rsplit("/", 1)[-1]]
    return f"; did you mean {', '.join(sorted(close)[:3])}?" if close else ""


def _retry(submitted: RunSubmitted, graph: AssetGraph, earlier: EarlierRun) -> RunRequested:
    run = earlier.run
    if run is None:
        raise Refusal(f"there is no run {submitted.retry_of} to retry")
    if run.status not in ENDED:
        raise Refusal(f"run {run.run_id} has not ended yet; cancel it first, or wait")
    passed = {step.step_id for step in earlier.steps if step.status == "SUCCESS"}
    rest = _remaining(run.plan, passed)
    if not rest:
        raise Refusal(f"every step of run {run.run_id} succeeded; there is nothing to retry")
    gone = [step.step for step in rest if step.step not in graph.steps]
    if gone:
        raise Refusal(f"run {run.run_id} cannot be retried: {', '.join(sorted(set(gone)))} is no longer defined")
    return RunRequested(
        run_id=submitted.run_id,
        lane=run.lane,
        plan=rest,
        reason=f"{submitted.submitted_by or 'somebody'} asked to retry run {run.run_id} from where it failed",
        cause="retry",
        roots=run.roots,
        partition=run.partition,
        event_ids=run.event_ids,
        config=run.config,
        tags={**run.tags, **submitted.tags},
        retry_of=run.run_id,
    )


def _remaining(steps: Sequence[PlannedStep], passed: Collection[str]) -> tuple[PlannedStep, ...]:
    """The steps that did not succeed, waiting for each other only."""
    return tuple(
        replace(step, waits_for=tuple(wait for wait in step.waits_for if wait not in passed))
        for step in steps
        if step.id not in passed
    )
