"""What would be decided, shown before anything is written. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from pydantic_core import from_json

from upwell.events import Event, EventDecided, RunRequested, encode
from upwell.web import listening_models as models
from upwell.web import sentences


def previewed(event: Event) -> models.PreviewedEvent:
    """The event with its fields as they would be stored."""
    return models.PreviewedEvent(kind=event.kind, data=from_json(encode(event)))


def foreseen(events: Sequence[Event], now: datetime) -> tuple[models.Foreseen, ...]:
    """The decisions among what would be written, each with the run that it would request."""
    runs = {event.run_id: event for event in events if isinstance(event, RunRequested)}
    return tuple(
        _foreseen(event, runs.get(event.run_id) if event.run_id else None, now)
        for event in events
        if isinstance(event, EventDecided)
    )


def _foreseen(decided: EventDecided, run: RunRequested | None, now: datetime) -> models.Foreseen:
    makes = () if run is None else tuple(dict.fromkeys(asset for step in run.plan for asset in step.assets))
    return models.Foreseen(
        event_ids=decided.event_ids,
        outcome=decided.outcome,
        reason=decided.reason,
        sentence=sentences.of_decision(decided, now),
        assets=decided.assets,
        makes=makes,
        partition=decided.partition,
        sensor=decided.sensor,
        job=run.job if run else None,
        run_key=run.run_key if run else None,
        until=decided.until,
    )
