"""What the web station works with, put together by the composition root."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Annotated, TypeAlias

import anyio
from fastapi import Depends
from starlette.requests import Request

from upwell.clock import Clock
from upwell.definitions.project import Project
from upwell.definitions.reactions import Rate
from upwell.events import Event
from upwell.journal.journal import Journal, Record
from upwell.journal.queries import Queries
from upwell.planning.maintenance import PlannedMaintenance
from upwell.web.auth import ApiToken
from upwell.web.proxies import Network

PreviewSensor: TypeAlias = Callable[[str, str | None], Awaitable[Sequence[Event]]]
"""Calls a sensor by its name, with a cursor (none: its own), and answers the events that would be written."""

PreviewDecisions: TypeAlias = Callable[[Sequence[Record]], Awaitable[Sequence[Event]]]
"""Answers the events that the reactor would write about these records, by the rules of now."""

DEFAULT_MAX_BODY = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class WebParts:
    """The collaborators and limits of the web station.

    `locations` names every code location that should be loaded: until all are, an unknown webhook is "not yet"
    (503) and not "no such" (404), for many senders disable a hook that answers 404. `webhook_rate` holds for webhooks
    that declare none, `max_batch` bounds the CloudEvents of one delivery, `longest_wait` is how many seconds a
    delivery may wait for its run, `trusted_proxies` may say which certificate a client showed. `draining` is set when
    the service stops: nothing new is taken and streams end. The previews write nothing; there are none where no
    service runs. Time in `maintenance` does not count for how much of it an asset was fresh.
    """

    journal: Journal
    queries: Queries
    project: Project
    clock: Clock
    api_tokens: Sequence[ApiToken] = ()
    locations: Sequence[str] = ()
    max_body: int = DEFAULT_MAX_BODY
    max_streams: int = 100
    webhook_rate: Rate | None = None
    max_batch: int = 1000
    longest_wait: float = 30.0
    trusted_proxies: Sequence[Network] = ()
    preview_sensor: PreviewSensor | None = None
    preview_decisions: PreviewDecisions | None = None
    maintenance: Sequence[PlannedMaintenance] = ()
    draining: anyio.Event = field(default_factory=anyio.Event)


def _parts_of(request: Request) -> WebParts:
    parts: WebParts = request.app.state.parts
    return parts


Parts: TypeAlias = Annotated[WebParts, Depends(_parts_of)]
"""The parts, as a route asks for them."""
