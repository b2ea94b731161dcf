"""What is wrong now, who was told of it, and what is to be told to nobody."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import select

from upwell.events import Member
from upwell.journal import rows, tables
from upwell.journal.listening_queries import ListeningQueries
from upwell.journal.tables import to_micros
from upwell.journal.views import IncidentView, SilenceView


class AlertingQueries(ListeningQueries):
    """Reads incidents and silences; a base of `Queries`."""

    async def open_incidents(self) -> list[IncidentView]:
        """Every incident that is not closed, with its members, oldest first."""
        incidents, members = tables.incidents, tables.incident_members
        query = select(incidents).where(incidents.c.open).order_by(incidents.c.opened_at, incidents.c.incident)
        found = await self._rows(query)
        inside: dict[str, list[Member]] = {}
        join = select(members).join(incidents, members.c.incident == incidents.c.incident).where(incidents.c.open)
        for row in await self._rows(join.order_by(members.c.name, members.c.partition)):
            inside.setdefault(row["incident"], []).append(rows.member(row))
        return [rows.incident_view(row, inside.get(row["incident"], ())) for row in found]

    async def incidents(
        self, *, open: bool | None = None, limit: int = 100, before: datetime | None = None
    ) -> list[IncidentView]:
        """Incidents, newest first, without their members; `before` is `opened_at` of the last of the page before."""
        incidents = tables.incidents
        query = select(incidents).order_by(incidents.c.opened_at.desc(), incidents.c.incident).limit(limit)
        if open is not None:
            query = query.where(incidents.c.open == open)
        if before is not None:
            query = query.where(incidents.c.opened_at < to_micros(before))
        return [rows.incident_view(row) for row in await self._rows(query)]

    async def incident(self, incident: str) -> IncidentView | None:
        """One incident with its members, or None when there is none of this id."""
        incidents, members = tables.incidents, tables.incident_members
        found = await self._rows(select(incidents).where(incidents.c.incident == incident))
        inside = select(members).where(members.c.incident == incident).order_by(members.c.name, members.c.partition)
        return rows.incident_view(found[0], map(rows.member, await self._rows(inside))) if found else None

    async def incident_readers(self, incident: str) -> Mapping[str, str]:
        """The sinks that took an alert about the incident, each with the newest."""
        readers = tables.incident_readers
        found = await self._rows(select(readers).where(readers.c.incident == incident))
        return {row["sink"]: row["alert"] for row in found}

    async def silences(self, now: datetime) -> list[SilenceView]:
        """The silences that somebody asked for and that are not over, the first to end first."""
        silences = tables.silences
        query = select(silences).where(silences.c.until > to_micros(now))
        return [rows.silence_view(row) for row in await self._rows(query.order_by(silences.c.until))]

    async def consumers(self, prefix: str) -> Mapping[str, int]:
        """The consumers whose names begin so, with how far each has come."""
        progress = tables.progress
        found = await self._rows(select(progress).where(progress.c.consumer.startswith(prefix, autoescape=True)))
        return {row["consumer"]: row["event_id"] for row in found}
