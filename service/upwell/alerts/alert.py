"""What a sink is told: an incident's change in words and as data. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from upwell.events import IncidentChanged, IncidentStep, Json, Lateness, Severity

_MOST_NAMED = 50  # assets in one message
_WORDS: Mapping[IncidentStep, str] = {
    "opened": "opened",
    "worsened": "worsened",
    "eased": "eased",
    "changed": "grew",
    "recovering": "recovering",
    "unsilenced": "opened",
    "closed": "closed",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Alert:
    """Something to be told. `id` is the same whenever the same thing is told again.

    `data` is what programs read; a summary of many has each of them in `alerts`.
    """

    id: str
    type: str
    severity: Severity
    over: bool
    at: datetime
    title: str
    text: str
    incidents: tuple[str, ...]
    data: Mapping[str, Json] = field(default_factory=dict)
    alerts: tuple[Alert, ...] = ()


def alert_of(event: IncidentChanged, clean: Callable[[str], str] = str) -> Alert:
    """The alert that tells a change of an incident; `clean` takes secrets out of what user code said."""
    event = _cleaned(event, clean)
    over = event.change == "closed"
    title = event.summary if event.affected == 0 else f"{event.summary}, and {_more(event.affected)} because of it"
    return Alert(
        id=f"{event.incident}.{event.number}",
        type=f"incident.{_WORDS[event.change]}",
        severity=event.severity,
        over=over,
        at=event.happened_at,
        title=title,
        text="\n".join(_facts(event)),
        incidents=(event.incident,),
        data={
            "incident": event.incident,
            "change": _WORDS[event.change],
            "trouble": event.trouble,
            "subject": event.subject,
            "severity": event.severity,
            "opened_at": event.opened_at.isoformat(),
            "happened_at": event.happened_at.isoformat(),
            "summary": event.summary,
            "assets": list(event.assets),
            "affected": _affected(event),
            "affected_count": event.affected,
            "freshness": None if event.lateness is None else _lateness(event.lateness),
            "run_id": event.run_id,
            "error": None if event.error is None else f"{event.error.type}: {event.error.message}",
            "merged_into": event.merged_into,
        },
    )


def summary_of(alerts: Sequence[Alert]) -> Alert:
    """One alert in the place of many, for a reader who would drown."""
    first, last = alerts[0], alerts[-1]
    wrong = [alert for alert in alerts if not alert.over]
    return Alert(
        id=f"{first.id}-{last.id}-{len(alerts)}",
        type="incidents.summary",
        severity="error" if any(alert.severity == "error" for alert in wrong) else "warning",
        over=not wrong,
        at=last.at,
        title=f"{len(wrong)} things went wrong, {len(alerts) - len(wrong)} are over",
        text="\n".join([*(alert.title for alert in alerts[:_MOST_NAMED]), *_rest(len(alerts) - _MOST_NAMED)]),
        incidents=tuple(dict.fromkeys(incident for alert in alerts for incident in alert.incidents)),
        data={"alerts": [{"id": alert.id, "type": alert.type, **alert.data} for alert in alerts]},
        alerts=tuple(alerts),
    )


def _cleaned(event: IncidentChanged, clean: Callable[[str], str]) -> IncidentChanged:
    error = None if event.error is None else replace(event.error, message=clean(event.error.message))
    return replace(event, summary=clean(event.summary), error=error)


def _facts(event: IncidentChanged) -> list[str]:
    facts: list[str] = []
    if (late := event.lateness) is not None:
        if not late.only_at_risk:
            facts.append(f"last made: {_instant(late.last_materialized) if late.last_materialized else 'never'}")
        if late.deadline is not None:
            facts.append(f"deadline: {_instant(late.deadline)}")
        if late.risk is not None:
            facts.append(f"at risk: {late.risk}; what takes the time is {late.slow_hop}")
        if late.caught_up:
            facts.append("found when the service was started: it was down at that time")
    if event.error is not None:
        facts.append(f"error: {event.error.type}: {event.error.message}"[:500])
    if event.run_id is not None:
        facts.append(f"run: {event.run_id}")
    if names := _affected(event):
        facts.append(f"affected: {', '.join([*names, *_rest(event.affected - len(names))])}")
    if event.merged_into is not None:
        facts.append("it is part of another incident, which is told of instead")
    return facts


def _affected(event: IncidentChanged) -> list[str]:
    return sorted({member.name for member in event.joined if member.name != event.subject})[:_MOST_NAMED]


def _lateness(late: Lateness) -> dict[str, Json]:
    return {
        "state": late.state,
        "previous_state": late.previous_state,
        "deadline": None if late.deadline is None else late.deadline.isoformat(),
        "last_materialized": None if late.last_materialized is None else late.last_materialized.isoformat(),
        "overdue_seconds": late.overdue_seconds,
        "caught_up": late.caught_up,
        "risk": late.risk,
        "slow_hop": late.slow_hop,
    }


def _instant(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def _more(count: int) -> str:
    return "1 more is" if count == 1 else f"{count} more are"


def _rest(count: int) -> list[str]:
    return [f"and {count} more"] if count > 0 else []
