"""What events change in what is wrong: incidents, who is in them, who was told, and silences."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TypeAlias, assert_never

from upwell.events import AlertDelivered, AlertsSilenced, IncidentChanged, Member, SilenceEnded
from upwell.journal import tables
from upwell.journal.changes import Change, Remove, Upsert, as_text
from upwell.journal.journal import Record
from upwell.journal.tables import to_micros

AlertingEvent: TypeAlias = IncidentChanged | AlertDelivered | AlertsSilenced | SilenceEnded


def project(record: Record, event: AlertingEvent) -> Iterator[Change]:
    """Every change of state that the event makes."""
    match event:
        case IncidentChanged():
            yield from _incident(event)
        case AlertDelivered():
            for incident in event.incidents:
                yield Upsert(tables.incident_readers, (incident, event.sink), {"alert": event.alert})
        case AlertsSilenced():
            yield Upsert(
                tables.silences,
                (event.silence,),
                {
                    "select": event.select,
                    "since": to_micros(record.at),
                    "until": to_micros(event.until),
                    "reason": event.reason,
                    "silenced_by": event.silenced_by,
                },
            )
        case SilenceEnded():
            yield Remove(tables.silences, (event.silence,))
        case _:
            assert_never(event)


def _incident(event: IncidentChanged) -> Iterator[Change]:
    yield Upsert(
        tables.incidents,
        (event.incident,),
        {
            "number": event.number,
            "change": event.change,
            "trouble": event.trouble,
            "subject": event.subject,
            "severity": event.severity,
            "opened_at": to_micros(event.opened_at),
            "happened_at": to_micros(event.happened_at),
            "summary": event.summary,
            "affected": event.affected,
            "assets": as_text(event.assets),
            "lateness": None if event.lateness is None else as_text(event.lateness),
            "run_id": event.run_id,
            "step_id": event.step_id,
            "error": None if event.error is None else as_text(event.error),
            "closes_at": _micros(event.closes_at),
            "silenced": event.silenced,
            "silenced_until": _micros(event.silenced_until),
            "merged_into": event.merged_into,
            "open": event.change != "closed",
        },
    )
    for member in event.left:
        yield Remove(tables.incident_members, _place(event, member))
    for member in event.joined:
        lateness = None if member.lateness is None else as_text(member.lateness)
        values = {"since": to_micros(member.since), "severity": member.severity, "lateness": lateness}
        yield Upsert(tables.incident_members, _place(event, member), values)


def _place(event: IncidentChanged, member: Member) -> tuple[str, str, str]:
    return (event.incident, member.name, member.partition or "")


def _micros(instant: datetime | None) -> int | None:
    return None if instant is None else to_micros(instant)
