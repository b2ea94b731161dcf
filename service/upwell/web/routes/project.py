"""What is declared, and where from: code locations and jobs."""

from __future__ import annotations

from fastapi import APIRouter

from upwell.events import ReloadRequested
from upwell.journal.views import LocationView
from upwell.web import models
from upwell.web.parts import Parts, WebParts
from upwell.web.problems import not_found

router = APIRouter(tags=["project"])


@router.get("/locations")
async def list_locations(parts: Parts) -> models.LocationList:
    """Code locations, with the error of the newest attempt to load each."""
    known = {view.location: view for view in await parts.queries.locations()}
    names = sorted({*_names(parts), *known}) if not parts.locations else parts.locations
    views = [known.get(name) or LocationView(location=name) for name in names]
    return models.LocationList(locations=tuple(map(models.Location.model_validate, views)))


@router.post("/locations/{name}/reload", status_code=202)
async def reload_location(name: str, parts: Parts) -> models.ReloadAccepted:
    """Load a location's code anew; the old goes on until the new stands."""
    if name not in _names(parts):
        raise not_found("location", name)
    (receipt,) = await parts.journal.append(ReloadRequested(location=name, requested_by="api"))
    return models.ReloadAccepted(location=name, event_id=receipt.id)


@router.get("/jobs")
async def list_jobs(parts: Parts) -> models.JobList:
    """Named parts of the graph."""
    jobs = parts.project.graph.jobs.values()
    return models.JobList(jobs=tuple(map(models.Job.model_validate, jobs)))


def _names(parts: WebParts) -> set[str]:
    return {*parts.locations, *(snapshot.location for snapshot in parts.project.snapshots)}
