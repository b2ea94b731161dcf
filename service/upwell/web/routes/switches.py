"""Have a source, a sensor or a schedule rest, or go on. It is kept over restarts."""

from __future__ import annotations

from fastapi import APIRouter

from upwell.events import Listening, ListeningPaused, ListeningResumed
from upwell.web import listening_models as models
from upwell.web.listening import find_sensor, find_source, read_switches
from upwell.web.parts import Parts, WebParts

router = APIRouter(tags=["listening"])


@router.post("/sensors/{name}/pause")
async def pause_sensor(name: str, parts: Parts, request: models.Switching | None = None) -> models.Switched:
    """Have a sensor rest: it is not called until it is resumed."""
    node = find_sensor(parts, name, "sensor")
    return await _switch(parts, "sensor", name, request, to=False, otherwise=node.active)


@router.post("/sensors/{name}/resume")
async def resume_sensor(name: str, parts: Parts, request: models.Switching | None = None) -> models.Switched:
    """Have a sensor go on, also one that the code switches off."""
    node = find_sensor(parts, name, "sensor")
    return await _switch(parts, "sensor", name, request, to=True, otherwise=node.active)


@router.post("/schedules/{name}/pause")
async def pause_schedule(name: str, parts: Parts, request: models.Switching | None = None) -> models.Switched:
    """Have a schedule rest: its ticks lead to nothing until it is resumed."""
    node = find_sensor(parts, name, "schedule")
    return await _switch(parts, "schedule", name, request, to=False, otherwise=node.active)


@router.post("/schedules/{name}/resume")
async def resume_schedule(name: str, parts: Parts, request: models.Switching | None = None) -> models.Switched:
    """Have a schedule go on, also one that the code switches off."""
    node = find_sensor(parts, name, "schedule")
    return await _switch(parts, "schedule", name, request, to=True, otherwise=node.active)


@router.post("/sources/{name:path}/pause")
async def pause_source(name: str, parts: Parts, request: models.Switching | None = None) -> models.Switched:
    """Have a source rest: what it tells until it is resumed leads to nothing."""
    find_source(parts, name)
    return await _switch(parts, "source", name, request, to=False)


@router.post("/sources/{name:path}/resume")
async def resume_source(name: str, parts: Parts, request: models.Switching | None = None) -> models.Switched:
    """Have a source go on."""
    find_source(parts, name)
    return await _switch(parts, "source", name, request, to=True)


async def _switch(
    parts: WebParts,
    what: Listening,
    name: str,
    request: models.Switching | None,
    *,
    to: bool,
    otherwise: bool = True,
) -> models.Switched:
    if (await read_switches(parts)).state(what, name, otherwise=otherwise).active == to:
        return models.Switched(what=what, name=name, active=to, changed=False, event_id=None)
    by = (request.by if request else None) or "api"
    event = (
        ListeningResumed(what=what, name=name, resumed_by=by)
        if to
        else ListeningPaused(what=what, name=name, paused_by=by)
    )
    (receipt,) = await parts.journal.append(event)
    return models.Switched(what=what, name=name, active=to, changed=True, event_id=receipt.id)
