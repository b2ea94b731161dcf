"""What the web station works with, put together by the composition root."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, TypeAlias

import anyio
from fastapi import Depends
from starlette.requests import Request

from upwell.clock import Clock
from upwell.definitions.project import Project
from upwell.journal.journal import Journal
from upwell.journal.queries import Queries
from upwell.web.auth import ApiToken

DEFAULT_MAX_BODY = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class WebParts:
    """The collaborators and limits of the web station.

    `locations` names every code location that should be loaded: until all are, an unknown webhook is "not yet"
    (503) and not "no such" (404), for many senders disable a hook that answers 404. `draining` is set when the
    service stops: nothing new is taken and streams end.
    """

    journal: Journal
    queries: Queries
    project: Project
    clock: Clock
    api_tokens: Sequence[ApiToken] = ()
    locations: Sequence[str] = ()
    max_body: int = DEFAULT_MAX_BODY
    max_streams: int = 100
    draining: anyio.Event = field(default_factory=anyio.Event)


def _parts_of(request: Request) -> WebParts:
    parts: WebParts = request.app.state.parts
    return parts


Parts: TypeAlias = Annotated[WebParts, Depends(_parts_of)]
"""The parts, as a route asks for them."""
