"""What the API says of incidents and silences."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import AwareDatetime, Field, model_validator

from upwell.events import ErrorInfo, FreshnessState, Severity, Trouble
from upwell.web.models import Answer, Request


class IncidentLateness(Answer):
    """How late the asset to blame is, as was told last."""

    state: FreshnessState
    previous_state: FreshnessState
    deadline: datetime | None
    last_materialized: datetime | None
    overdue_seconds: float
    caught_up: bool
    risk: str | None
    slow_hop: str | None


class Incident(Answer):
    """All that has one cause. `subject` is to blame, `affected` counts who is in trouble because of it.

    `closes_at` is when an asset that is fresh again will have proved it, or when one that is at risk has been made
    or is late; `silenced` is why nobody is told.
    """

    incident: str
    trouble: Trouble
    subject: str
    severity: Severity
    summary: str
    open: bool
    opened_at: datetime
    happened_at: datetime
    affected: int
    assets: tuple[str, ...]
    lateness: IncidentLateness | None
    run_id: str | None
    error: ErrorInfo | None
    closes_at: datetime | None
    silenced: str | None
    silenced_until: datetime | None
    merged_into: str | None


class IncidentMember(Answer):
    """Somebody who is in an incident now, and since when."""

    name: str
    partition: str | None
    severity: Severity
    since: datetime


class IncidentDetail(Incident):
    """An incident with who is in it, and the newest alert that each sink took."""

    members: tuple[IncidentMember, ...]
    told: dict[str, str]


class IncidentPage(Answer):
    incidents: tuple[Incident, ...]
    next: datetime | None


class SilenceRequest(Request):
    """`POST /silences`: of which assets, and until when or for how many seconds. `*` means everything."""

    select: Annotated[str, Field(min_length=1, max_length=10_000)]
    until: AwareDatetime | None = None
    seconds: Annotated[float | None, Field(gt=0, le=366 * 86_400)] = None
    reason: Annotated[str | None, Field(max_length=1_000)] = None
    by: Annotated[str | None, Field(max_length=200)] = None

    @model_validator(mode="after")
    def _has_one_end(self) -> SilenceRequest:
        if (self.until is None) == (self.seconds is None):
            raise ValueError("say until or seconds, one of them")
        return self


class Silence(Answer):
    """A silence that somebody asked for."""

    silence: str
    select: str
    since: datetime
    until: datetime
    reason: str | None
    silenced_by: str | None


class SilenceList(Answer):
    silences: tuple[Silence, ...]


class SilenceEnding(Request):
    """`POST /silences/{silence}/end`; `by` is who wants it, for the others."""

    by: Annotated[str | None, Field(max_length=200)] = None


class SilenceOver(Answer):
    silence: str
    event_id: int
