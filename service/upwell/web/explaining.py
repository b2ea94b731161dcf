"""Why an asset is as it is, from the decisions that the journal kept. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import assert_never

from upwell.events import (
    AssetFailed,
    AssetMaterialized,
    AssetSkipped,
    CheckEvaluated,
    EventDecided,
    FreshnessChanged,
    RunRequested,
)
from upwell.journal.journal import Record
from upwell.journal.views import AssetState, RunView
from upwell.planning.status import AssetStatus
from upwell.web import models
from upwell.web.presenting import Present

KINDS = frozenset(
    cls.kind
    for cls in (
        EventDecided,
        AssetMaterialized,
        AssetFailed,
        AssetSkipped,
        CheckEvaluated,
        FreshnessChanged,
    )
)
"""The kinds of events about an asset that say something about why."""


def decision(record: Record) -> models.Decision | None:
    """What the event decided about its asset; none when it says nothing about why."""
    event = record.event
    match event:
        case EventDecided():
            return _decision(record, event.outcome, event.reason, caused_by=event.event_ids)
        case AssetSkipped():
            return _decision(record, "skipped", event.reason)
        case AssetFailed():
            return _decision(record, "failed", f"{event.error.type}: {event.error.message}")
        case AssetMaterialized():
            by = "reported from outside" if event.run_id is None else "the step succeeded"
            return _decision(record, "materialized", by)
        case CheckEvaluated():
            blocks = " and blocks what is below" if event.blocking and not event.passed else ""
            outcome = "check passed" if event.passed else "check failed"
            return _decision(record, outcome, f"{event.check} {outcome[6:]}{blocks}")
        case FreshnessChanged():
            cause = f", because of {event.cause}" if event.cause else ""
            return _decision(record, "freshness", f"{event.previous_state} became {event.state}{cause}")
        case _:
            return None


def _decision(record: Record, outcome: str, reason: str, *, caused_by: tuple[int, ...] = ()) -> models.Decision:
    return models.Decision(
        event_id=record.id,
        at=record.at,
        kind=record.event.kind,
        outcome=outcome,
        reason=reason,
        partition=getattr(record.event, "partition", None),
        run_id=getattr(record.event, "run_id", None),
        caused_by=caused_by,
    )


def run_decision(key: str, run: RunView) -> models.Decision:
    """Why the run was to make the asset, be it only because it lies downstream of what was asked for."""
    below = "" if key in run.roots else f"; {key} is downstream of {', '.join(run.roots)}"
    return models.Decision(
        event_id=run.requested_id,
        at=run.requested_at,
        kind=RunRequested.kind,
        outcome="requested",
        reason=run.reason + below,
        partition=run.partition,
        run_id=run.run_id,
        caused_by=run.event_ids,
    )


def newest_first(
    key: str, records: Iterable[Record], runs: Iterable[RunView], limit: int
) -> tuple[models.Decision, ...]:
    """The newest decisions among events about the asset and runs that were to make it."""
    decisions = [found for record in records if (found := decision(record))]
    decisions += [run_decision(key, run) for run in runs]
    return tuple(sorted(decisions, key=lambda one: one.event_id, reverse=True)[:limit])


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
