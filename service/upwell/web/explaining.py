"""Why an asset is as it is, from the decisions that the journal kept. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import assert_never

from upwell.events import (
    AssetFailed,
    AssetMaterialized,
    AssetSkipped,
    CheckEvaluated,
    DuplicateIgnored,
    EventDeadLettered,
    EventDecided,
    FreshnessAtRisk,
    FreshnessChanged,
    RunRequested,
    SensorFailed,
)
from upwell.journal.journal import Record
from upwell.journal.views import AssetState, RunView
from upwell.planning.status import AssetStatus
from upwell.web import models, sentences
from upwell.web.presenting import Present
from upwell.web.wording import named, sentence, short_runs

_ASKED = frozenset(("requested", "follows"))

KINDS = frozenset(
    cls.kind
    for cls in (
        EventDecided,
        AssetMaterialized,
        AssetFailed,
        AssetSkipped,
        CheckEvaluated,
        FreshnessChanged,
        FreshnessAtRisk,
    )
)
"""The kinds of events about an asset that say something about why."""


def decision(record: Record, now: datetime) -> models.Decision | None:
    """What the event says about why; none when it says nothing of that."""
    event = record.event
    match event:
        case EventDecided():
            said = sentences.of_decision(event, now)
            return _decision(record, event.outcome, event.reason, said, caused_by=event.event_ids)
        case DuplicateIgnored():
            reason = f"the same delivery as event {event.first_event_id}"
            said = sentences.of_duplicate(event)
            return _decision(record, "duplicate", reason, said, caused_by=(event.first_event_id,))
        case EventDeadLettered():
            said = sentences.of_dead_letter(event)
            return _decision(record, "dead letter", event.reason, said, caused_by=event.event_ids)
        case SensorFailed():
            reason = f"{event.error.type}: {event.error.message}"
            said = sentences.of_failed_call(event, now)
            return _decision(record, "sensor failed", reason, said, caused_by=event.event_ids)
        case FreshnessAtRisk():
            return _decision(record, "at risk", event.reason, sentence(short_runs(event.reason)))
        case AssetSkipped() | AssetFailed() | AssetMaterialized() | CheckEvaluated() | FreshnessChanged():
            outcome, reason = _became(event)
            return _decision(record, outcome, reason, sentences.of_asset(event, reason))
        case _:
            return None


def _became(
    event: AssetSkipped | AssetFailed | AssetMaterialized | CheckEvaluated | FreshnessChanged,
) -> tuple[str, str]:
    """What became of the asset in a word, and why."""
    match event:
        case AssetSkipped():
            return "skipped", event.reason
        case AssetFailed():
            return "failed", f"{event.error.type}: {event.error.message}"
        case AssetMaterialized():
            return "materialized", "reported from outside" if event.run_id is None else "the step succeeded"
        case CheckEvaluated():
            blocks = " and blocks what is below" if event.blocking and not event.passed else ""
            outcome = "check passed" if event.passed else "check failed"
            return outcome, f"{event.check} {outcome[6:]}{blocks}"
        case FreshnessChanged():
            return "freshness", _freshness(event)
        case _:
            assert_never(event)


def _freshness(event: FreshnessChanged) -> str:
    if event.corrects:
        return (
            f"it was {event.state} from {event.changed_at:%Y-%m-%d %H:%M:%S} UTC on, not as was told: "
            "what was made in time was reported late"
        )
    if event.cause:
        return f"{event.previous_state} became {event.state}, because of {event.cause}"
    late = f", on late input: {event.inherited_from} is late" if event.inherited_from else ""
    return f"{event.previous_state} became {event.state}{late}"


def _decision(
    record: Record, outcome: str, reason: str, said: str, *, caused_by: tuple[int, ...] = ()
) -> models.Decision:
    return models.Decision(
        event_id=record.id,
        at=record.at,
        kind=record.event.kind,
        outcome=outcome,
        reason=reason,
        sentence=said,
        partition=getattr(record.event, "partition", None),
        run_id=getattr(record.event, "run_id", None),
        caused_by=caused_by,
    )


def run_decision(key: str, run: RunView) -> models.Decision:
    """Why the run was to make the asset, be it only because it lies downstream of what was asked for."""
    below = "" if key in run.roots else f"; {key} is downstream of {named(run.roots)}"
    reason = run.reason + below
    return models.Decision(
        event_id=run.requested_id,
        at=run.requested_at,
        kind=RunRequested.kind,
        outcome="requested",
        reason=reason,
        sentence=sentence(short_runs(f"Run {run.run_id} was to make {key}{sentences.of(run.partition)}: {reason}")),
        partition=run.partition,
        run_id=run.run_id,
        caused_by=run.event_ids,
    )


def newest_first(
    key: str, records: Iterable[Record], runs: Iterable[RunView], limit: int, now: datetime
) -> tuple[models.Decision, ...]:
    """The newest decisions among events and the runs that were to make the asset.

    Of a run that a decision about the asset asked for, that decision says it all.
    """
    found = {record.id: one for record in records if (one := decision(record, now))}
    said = {one.run_id for one in found.values() if one.kind == EventDecided.kind and one.outcome in _ASKED}
    found |= {run.requested_id: run_decision(key, run) for run in runs if run.run_id not in said}
    return tuple(sorted(found.values(), key=lambda one: one.event_id, reverse=True)[:limit])


def stale_because(key: str, present: Present) -> tuple[str, ...]:
    """The direct dependencies that make a stale asset stale."""
    if present.statuses[key] != "stale":
        return ()
    made = _state(key, present).materialized_id
    return tuple(
        upstream
        for upstream in present.graph.upstream(key)
        if present.statuses[upstream] == "stale" or _state(upstream, present).materialized_id > made
    )


def summary(key: str, present: Present) -> str:
    """The asset's status as a sentence."""
    state = _state(key, present)
    status: AssetStatus = present.statuses[key]
    match status:
        case "never":
            return f"{key} was never materialised."
        case "up_to_date":
            return f"{key} is up to date: nothing that it reads changed since event {state.materialized_id}."
        case "stale":
            causes = ", ".join(stale_because(key, present))
            return f"{key} is stale: {causes} changed since it was made (event {state.materialized_id})."
        case "materializing":
            return f"{key} is being materialised (since event {state.started_id})."
        case "failed":
            error = f": {state.error.type}: {state.error.message}" if state.error else ""
            return f"{key} failed (event {state.failed_id}){error}"
        case _:
            assert_never(status)


def _state(key: str, present: Present) -> AssetState:
    return present.states.get(key) or AssetState(asset=key)
