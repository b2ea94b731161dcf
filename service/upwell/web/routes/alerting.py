"""Incidents, and silences: what is wrong now, and what nobody wants to be told of."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query

from upwell.definitions.selection import select
from upwell.events import AlertsSilenced, SilenceEnded
from upwell.web import alerting_models as models
from upwell.web.parts import Parts
from upwell.web.problems import ProblemError, not_found

router = APIRouter(tags=["alerting"])

EVERYTHING = "*"


@router.get("/incidents")
async def list_incidents(
    parts: Parts,
    open: bool | None = None,
    before: datetime | None = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
) -> models.IncidentPage:
    """Incidents, newest first; with `open` only those that are not over, or that are."""
    found = await parts.queries.incidents(open=open, limit=limit, before=before)
    following = found[-1].opened_at if len(found) == limit else None
    return models.IncidentPage(incidents=tuple(map(models.Incident.model_validate, found)), next=following)


@router.get("/incidents/{incident}")
async def get_incident(incident: str, parts: Parts) -> models.IncidentDetail:
    """One incident, with everybody who is in it and who was told."""
    found = await parts.queries.incident(incident)
    if found is None:
        raise not_found("incident", incident)
    told = await parts.queries.incident_readers(incident)
    plain = models.Incident.model_validate(found)
    members = tuple(map(models.IncidentMember.model_validate, found.members))
    return models.IncidentDetail(**dict(plain), members=members, told=dict(told))


@router.get("/silences")
async def list_silences(parts: Parts) -> models.SilenceList:
    """The silences that somebody asked for and that are not over, the first to end first."""
    found = await parts.queries.silences(parts.clock.now())
    return models.SilenceList(silences=tuple(map(models.Silence.model_validate, found)))


@router.post("/silences", status_code=201)
async def silence_alerts(request: models.SilenceRequest, parts: Parts) -> models.Silence:
    """Have nobody told of what these assets are to blame for. Their state goes on; what is left at the end is told."""
    now = parts.clock.now()
    until = request.until if request.until is not None else now + timedelta(seconds=request.seconds or 0)
    if until <= now:
        raise ProblemError(422, f"{until.isoformat()} is over; a silence ends in the future.")
    if request.select != EVERYTHING and not select(parts.project.graph, request.select):
        raise ProblemError(422, f"{request.select!r} selects no asset.")
    event = AlertsSilenced(
        silence=uuid.uuid4().hex[:12],
        select=request.select,
        until=until,
        reason=request.reason,
        silenced_by=request.by or "api",
    )
    (receipt,) = await parts.journal.append(event)
    return models.Silence(
        silence=event.silence,
        select=event.select,
        since=receipt.at,
        until=event.until,
        reason=event.reason,
        silenced_by=event.silenced_by,
    )


@router.post("/silences/{silence}/end")
async def end_silence(silence: str, parts: Parts, request: models.SilenceEnding | None = None) -> models.SilenceOver:
    """End a silence before its time; what it kept back and is still wrong is told now."""
    known = [one.silence for one in await parts.queries.silences(parts.clock.now())]
    if silence not in known:
        raise not_found("silence", silence, known)
    (receipt,) = await parts.journal.append(
        SilenceEnded(silence=silence, ended_by=(request.by if request else None) or "api")
    )
    return models.SilenceOver(silence=silence, event_id=receipt.id)
