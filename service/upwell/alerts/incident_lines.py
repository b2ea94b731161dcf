"""The lines of incidents and alerts; those of freshness are what alerting rules on the log listen to."""

from __future__ import annotations

from typing import TypeAlias, assert_never

from upwell.alerts.line import Level, LogLine, few, line, sentence
from upwell.events import (
    AlertDelivered,
    AlertFailed,
    AlertsSilenced,
    IncidentChanged,
    Json,
    Lateness,
    SilenceEnded,
)

AlertChange: TypeAlias = AlertDelivered | AlertFailed | AlertsSilenced | SilenceEnded

_MOST_NAMED = 1000  # of those folded in; `affected_count` has how many there are

_WORTH_A_FRESHNESS_LINE = ("opened", "worsened", "eased", "unsilenced", "closed")


def incident_line(event: IncidentChanged) -> LogLine:
    """The line of an incident's change: of lateness under the name of what the asset to blame has become."""
    if (
        event.lateness is not None
        and event.silenced is None
        and event.merged_into is None
        and _tells_a_state(event, event.lateness)
        and (told := _freshness_line(event, event.lateness)) is not None
    ):
        return told
    # Of checks, runs, assets and sensors that fail the log has their own lines already.
    return line(
        "info" if event.trouble == "freshness" else "debug",
        event,
        incident=event.incident,
        change=event.change,
        trouble=event.trouble,
        severity=event.severity,
        **{"asset" if event.trouble == "freshness" else "subject": event.subject},
        summary=event.summary,
        affected=few([member.name for member in event.joined if member.name != event.subject]) or None,
        affected_count=event.affected or None,
        run_id=event.run_id,
        silenced=event.silenced,
        silenced_until=event.silenced_until,
        closes_at=event.closes_at,
        merged_into=event.merged_into,
    )


def alert_line(event: AlertChange) -> LogLine:
    """The line of what became of an alert, or of a silence."""
    match event:
        case AlertDelivered():
            return line(
                "info", event, sink=event.sink, alert=event.alert, alerts=few(event.alerts), attempt=event.attempt
            )
        case AlertFailed():
            return line(
                "warning" if event.retry_at is not None else "error",
                event,
                sink=event.sink,
                alert=event.alert,
                alerts=few(event.alerts),
                attempt=event.attempt,
                error=sentence(event.error),
                retry_at=event.retry_at,
            )
        case AlertsSilenced():
            return line(
                "info",
                event,
                silence=event.silence,
                select=event.select,
                until=event.until,
                reason=event.reason,
                silenced_by=event.silenced_by,
            )
        case SilenceEnded():
            return line("info", event, silence=event.silence, ended_by=event.ended_by)
        case _:
            assert_never(event)


def _tells_a_state(event: IncidentChanged, lateness: Lateness) -> bool:
    """Whether the asset to blame became something else; `freshness.at_risk` has a line of its own."""
    if lateness.only_at_risk:
        return False
    if lateness.risk is not None and event.change in ("changed", "worsened"):
        # Its incident was opened when it was at risk, and goes on; or it warns already, and became at risk.
        return event.change == "changed" and any(member.name == event.subject for member in event.joined)
    return event.change in _WORTH_A_FRESHNESS_LINE


def _freshness_line(event: IncidentChanged, lateness: Lateness) -> LogLine | None:
    named = _named(lateness, over=event.change == "closed")
    if named is None:
        return None
    level, name = named
    # Every field is there on every line, null or not: alerting rules are written against them.
    fields: dict[str, Json] = {
        "asset": event.subject,
        "state": lateness.state,
        "previous_state": lateness.previous_state,
        "deadline": lateness.deadline,
        "last_materialized": lateness.last_materialized,
        "overdue_seconds": lateness.overdue_seconds,
        "cause": None,  # it is to blame itself: those that are late because of it are folded in
        "affected": sorted(member.name for member in event.joined if member.name != event.subject)[:_MOST_NAMED],
        "affected_count": event.affected,
        "incident": event.incident,
    }
    if lateness.caught_up:
        fields["caught_up"] = True
    return LogLine(level=level, event=name, fields=fields)


def _named(lateness: Lateness, *, over: bool) -> tuple[Level, str] | None:
    match lateness.state:
        case "WARN" if not over:
            return "warning", "freshness.warned"
        case "FAIL" if not over:
            return "error", "freshness.violated"
        case "PASS" if over:
            return "info", "freshness.recovered"
        case _:
            return None
