"""Dead letters, and events that are decided on once more."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from upwell.events import EventReplayed
from upwell.journal.journal import Record
from upwell.journal.views import DeadLetter
from upwell.web import listening_models as models
from upwell.web.foreseeing import foreseen
from upwell.web.parts import Parts
from upwell.web.problems import RETRY_AFTER, ProblemError
from upwell.web.replaying import can_be_replayed, chosen

router = APIRouter(tags=["events"])

_IN_ONE_EVENT = 500  # events that one EventReplayed asks for


@router.get("/dead-letters")
async def list_dead_letters(
    parts: Parts,
    before: Annotated[str | None, Query(pattern=r"^\d{1,18}-\d{1,18}$")] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> models.DeadLetterPage:
    """Events whose consequences failed to the last, newest first, with the traceback."""
    place = None if before is None else tuple(map(int, before.split("-")))
    letters = await parts.queries.dead_letters(limit=limit, before=(place[0], place[1]) if place else None)
    records = {each.id: each for each in await parts.queries.events_by_id([letter.event_id for letter in letters])}
    last = letters[-1] if len(letters) == limit else None
    return models.DeadLetterPage(
        dead_letters=tuple(_presented(letter, records.get(letter.event_id)) for letter in letters),
        next=None if last is None else f"{last.dead_id}-{last.event_id}",
    )


def _presented(letter: DeadLetter, record: Record | None) -> models.DeadLetter:
    return models.DeadLetter(
        **{name: getattr(letter, name) for name in DeadLetter.__dataclass_fields__},
        source=None if record is None else getattr(record.event, "source", None),
        kind=None if record is None else record.event.kind,
        replayable=record is not None and can_be_replayed(record),
    )


@router.post("/events/replay", status_code=202, responses={200: {"model": models.Replay}})
async def replay_events(request: models.ReplayRequest, parts: Parts, response: Response) -> models.Replay:
    """Have events decided on once more, by the rules of now; with `dry_run` (200) only say what would be decided."""
    if request.dry_run and parts.preview_decisions is None:
        raise ProblemError(503, "Only a running service can say what it would decide; start one.", headers=RETRY_AFTER)
    found = await chosen(parts, request)
    ids = tuple(record.id for record in found.records)
    if parts.preview_decisions is not None and request.dry_run:
        response.status_code = 200
        decisions = await parts.preview_decisions(found.records) if ids else ()
        shown = foreseen(decisions, parts.clock.now())
        return models.Replay(dry_run=True, replayed=ids, left_out=found.left_out, decisions=shown)
    by = request.by or "api"
    pieces = [ids[start : start + _IN_ONE_EVENT] for start in range(0, len(ids), _IN_ONE_EVENT)]
    requests = [EventReplayed(event_ids=piece, replayed_by=by) for piece in pieces]
    receipts = await parts.journal.append(*requests) if requests else ()
    asked = tuple(receipt.id for receipt in receipts)
    return models.Replay(dry_run=False, replayed=ids, left_out=found.left_out, event_ids=asked)
