"""A run that the service carries out, followed until it ends."""

from __future__ import annotations

import json

from upwell.cli.failures import CommandError
from upwell.cli.run_report import RunReport
from upwell.cli.run_request import Candidate, RunRequest, choose
from upwell.cli.service_api import ServiceApi
from upwell.events import Event, EventDecided, RunCanceled, RunFailed, RunSucceeded, decode
from upwell.web import models


async def run_by_service(api: ServiceApi, request: RunRequest, report: RunReport) -> None:
    """Ask the service for the run and show what it does.

    Raises:
        CommandError: the service refused, or decided against it.
    """
    found = await api.get("/assets", models.AssetList, select=request.select)
    keys = choose([Candidate(key=a.key, partitioned=a.partitioned, external=a.external) for a in found.assets], request)
    newest = (await api.get("/events", models.EventPage, limit=1)).events
    submission = models.RunSubmission(
        select=request.select or " or ".join(f'"{key}"' for key in keys),
        partition=request.partition,
        config=request.config,
        tags={},
    )
    run = await api.post("/runs", submission, models.RunAccepted)
    with report.shown():
        async with api.follow(after=newest[0].id if newest else 0) as events:
            async for stored in events:
                if stored.run_id == run.run_id and _ends(_told(stored, report)):
                    return
    raise CommandError("the service stopped before the run had ended; it goes on at the next start")


def _told(stored: models.Event, report: RunReport) -> Event:
    event = decode(stored.kind, json.dumps(stored.data))
    if isinstance(event, EventDecided) and event.outcome == "rejected":
        raise CommandError(f"the run was rejected: {event.reason}")
    report.tell(event)
    return event


def _ends(event: Event) -> bool:
    return isinstance(event, RunSucceeded | RunFailed | RunCanceled)
