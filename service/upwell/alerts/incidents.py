"""What is wrong at present, one incident for each cause, and what to tell when that changes. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeAlias

from upwell.clock import NEVER
from upwell.events import (
    ErrorInfo,
    IncidentChanged,
    IncidentStep,
    Lateness,
    Member,
    RunId,
    Severity,
    Trouble,
)
from upwell.journal.views import IncidentView

CATCHING_UP = "what it reads has just become fresh, so it may be soon"
"""Why nobody is told yet of an asset that was late because of another, which is late no more."""

_LONGEST_CATCH_UP = timedelta(hours=1)

_TOLD_ANEW: frozenset[IncidentStep] = frozenset({"opened", "worsened", "eased", "unsilenced"})

Place: TypeAlias = tuple[str, str | None]  # a member's name and partition


@dataclass(frozen=True, kw_only=True, slots=True)
class Quiet:
    """Why nobody is told, and until when."""

    reason: str
    until: datetime = NEVER


QuietFor: TypeAlias = Callable[[Sequence[str], datetime], Quiet | None]
"""Whether nobody is to be told, at an instant, of what these assets are to blame for."""


def never_quiet(assets: Sequence[str], now: datetime) -> Quiet | None:
    """Everybody is always told."""
    return None


@dataclass(kw_only=True, slots=True, eq=False)
class Incident:
    """One that is open. `told` is false while a silence keeps it back."""

    id: str
    trouble: Trouble
    subject: str
    severity: Severity
    opened_at: datetime
    summary: str
    assets: tuple[str, ...] = ()
    members: dict[Place, Member] = field(default_factory=dict)
    number: int = 0
    lateness: Lateness | None = None
    run_id: RunId | None = None
    step_id: str | None = None
    error: ErrorInfo | None = None
    closes_at: datetime | None = None
    quiet: Quiet | None = None

    @property
    def affected(self) -> int:
        """How many are in it beside what is to blame."""
        return sum(1 for name, _ in self.members if name != self.subject)


class Incidents:
    """The open ones. Whoever changes one tells it at once: each method answers with the event, numbered in order.

    A member is in one incident of a kind of trouble at a time: `of` finds it.

    Args:
        grace: how long an asset that was late because of another may take to follow it before it is told by itself.
    """

    def __init__(self, quiet_for: QuietFor = never_quiet, *, grace: timedelta = timedelta(0)) -> None:
        self.quiet_for = quiet_for
        self._grace = grace
        self._open: dict[str, Incident] = {}
        self._by_subject: dict[tuple[Trouble, str], Incident] = {}
        self._by_member: dict[tuple[Trouble, Place], Incident] = {}

    def __iter__(self) -> Iterator[Incident]:
        return iter(self._open.values())

    def __len__(self) -> int:
        return len(self._open)

    def get(self, incident: str) -> Incident | None:
        """The open incident of this id."""
        return self._open.get(incident)

    def about(self, trouble: Trouble, subject: str) -> Incident | None:
        """The open incident in which `subject` is to blame."""
        return self._by_subject.get((trouble, subject))

    def of(self, trouble: Trouble, place: Place) -> Incident | None:
        """The open incident that this member is in."""
        return self._by_member.get((trouble, place))

    def restore(self, views: Iterable[IncidentView]) -> None:
        """Go on with what was told before a restart."""
        for view in views:
            incident = Incident(
                id=view.incident,
                trouble=view.trouble,
                subject=view.subject,
                severity=view.severity,
                opened_at=view.opened_at,
                summary=view.summary,
                assets=view.assets,
                members={(member.name, member.partition): member for member in view.members},
                number=view.number,
                lateness=view.lateness,
                run_id=view.run_id,
                step_id=view.step_id,
                error=view.error,
                closes_at=view.closes_at,
                quiet=_quiet_of(view),
            )
            self._admit(incident)

    def open(
        self, incident: Incident, members: Sequence[Member], *, now: datetime, follows: bool = False
    ) -> IncidentChanged:
        """Something went wrong; or (`follows`) was part of another trouble that is over, and may be over soon too."""
        self._admit(incident)
        self.hush(incident, now)
        if follows and self._grace and incident.quiet is None:
            incident.quiet = Quiet(reason=CATCHING_UP, until=now + self._grace)
        return self.change(incident, "opened", incident.opened_at, joined=members)

    def change(
        self,
        incident: Incident,
        change: IncidentStep,
        happened_at: datetime,
        *,
        joined: Sequence[Member] = (),
        left: Sequence[Member] = (),
        merged_into: str | None = None,
    ) -> IncidentChanged:
        """It grew, became worse, or is over; who closes one has everybody leave it.

        What people are told of anew names everybody who is in it.
        """
        if change == "closed":
            left = [*left, *incident.members.values()]
            self._dismiss(incident)
        for member in left:
            self._take_out(incident, member)
        for member in joined:
            incident.members[member.name, member.partition] = member
            self._by_member[incident.trouble, (member.name, member.partition)] = incident
        if change in _TOLD_ANEW:
            joined = list(incident.members.values())
        incident.number += 1
        quiet = incident.quiet
        return IncidentChanged(
            incident=incident.id,
            number=incident.number,
            change=change,
            trouble=incident.trouble,
            subject=incident.subject,
            severity=incident.severity,
            opened_at=incident.opened_at,
            happened_at=max(happened_at, incident.opened_at),
            summary=incident.summary,
            joined=tuple(joined),
            left=tuple(left),
            affected=incident.affected,
            assets=incident.assets,
            lateness=incident.lateness,
            run_id=incident.run_id,
            step_id=incident.step_id,
            error=incident.error,
            closes_at=incident.closes_at if change != "closed" else None,
            silenced=None if quiet is None else quiet.reason,
            silenced_until=None if quiet is None or quiet.until >= NEVER else quiet.until,
            merged_into=merged_into,
        )

    def hush(self, incident: Incident, now: datetime) -> None:
        """Keep back what is told of it next, if there is a silence now."""
        incident.quiet = self.quiet_for(incident.assets, now)

    def review(self, now: datetime, busy: Collection[str] = ()) -> list[IncidentChanged]:
        """Tell what was kept back until now; of what follows another, `busy` are the assets that are being made."""
        told = []
        for incident in self._open.values():
            if incident.quiet is None:
                continue
            incident.quiet = self.quiet_for(incident.assets, now) or self._still_catches_up(incident, now, busy)
            if incident.quiet is None:
                told.append(self.change(incident, "unsilenced", now))
        return told

    def catching_up(self, now: datetime) -> bool:
        """Whether it matters to a review what is being made."""
        return any(one.quiet is not None and _follows(one.quiet) and one.quiet.until <= now for one in self)

    def _still_catches_up(self, incident: Incident, now: datetime, busy: Collection[str]) -> Quiet | None:
        quiet = incident.quiet
        if quiet is None or not _follows(quiet):
            return None
        if now < quiet.until:
            return quiet
        goes_on = incident.subject in busy and now < incident.opened_at + _LONGEST_CATCH_UP
        return Quiet(reason=CATCHING_UP, until=now + self._grace) if goes_on and self._grace else None

    def next_review(self) -> datetime:
        """When the first silence ends that keeps something back."""
        return min((one.quiet.until for one in self._open.values() if one.quiet is not None), default=NEVER)

    def _admit(self, incident: Incident) -> None:
        self._open[incident.id] = incident
        self._by_subject[incident.trouble, incident.subject] = incident
        for place in incident.members:
            self._by_member[incident.trouble, place] = incident

    def _dismiss(self, incident: Incident) -> None:
        del self._open[incident.id]
        if self._by_subject.get((incident.trouble, incident.subject)) is incident:
            del self._by_subject[incident.trouble, incident.subject]

    def _take_out(self, incident: Incident, member: Member) -> None:
        place = (member.name, member.partition)
        incident.members.pop(place, None)
        if self._by_member.get((incident.trouble, place)) is incident:
            del self._by_member[incident.trouble, place]

    def validate(self) -> None:
        """Raise where the indexes and the incidents do not say the same; for tests."""
        inside = {(one.trouble, place): one for one in self for place in one.members}
        assert inside == self._by_member, "a member is in no incident, or in several"
        assert {(one.trouble, one.subject): one for one in self} == self._by_subject, "two incidents have one subject"


def incident_id(trouble: Trouble, subject: str, opened_at: datetime, event_id: int) -> str:
    """An id that is the same whenever it is made of the same event."""
    text = f"{trouble}|{subject}|{opened_at.isoformat()}|{event_id}"
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def _follows(quiet: Quiet) -> bool:
    return quiet.reason == CATCHING_UP


def _quiet_of(view: IncidentView) -> Quiet | None:
    return None if view.silenced is None else Quiet(reason=view.silenced, until=view.silenced_until or NEVER)
