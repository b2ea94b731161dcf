"""Which failures are one incident: of an asset, a check, a run, a sensor, a code location, set-aside events. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from upwell.alerts.incidents import Incident, Incidents, Place, incident_id
from upwell.events import (
    AssetFailed,
    AssetMaterialized,
    CheckEvaluated,
    ErrorInfo,
    EventDeadLettered,
    EventReplayed,
    IncidentChanged,
    IncidentStep,
    LocationFailed,
    LocationLoaded,
    Member,
    RunFailed,
    RunId,
    RunRequested,
    RunSucceeded,
    SensorEvaluated,
    SensorFailed,
    Severity,
    Trouble,
)
from upwell.journal.journal import Record
from upwell.journal.views import RunView

DEAD_LETTERS = "events"
"""What is to blame for events that were set aside, where no sensor and no run is."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Failure:
    """What happened to whom."""

    trouble: Trouble
    subject: str
    places: Sequence[Place]
    summary: str
    severity: Severity = "error"
    assets: tuple[str, ...] = ()
    run_id: RunId | None = None
    step_id: str | None = None
    error: ErrorInfo | None = None


class Failures:
    """Follows what fails and what succeeds again, and keeps the incidents of that.

    A failure that repeats goes on with its incident. The assets of a step that failed are one incident; a run that
    failed is part of the incident of the asset or the check that failed in it.
    """

    def __init__(self, incidents: Incidents, *, sensor_failures: int = 3) -> None:
        self._incidents = incidents
        self._sensor_failures = sensor_failures
        self._by_run: dict[RunId, str] = {}  # the newest run of each incident

    def restore(self) -> None:
        """Know which runs the incidents are of, after they were restored."""
        for incident in self._incidents:
            if incident.run_id is not None:
                self._by_run[incident.run_id] = incident.id

    def needs_run(self, record: Record) -> RunId | None:
        """The run that has to be known to take in this event."""
        match record.event:
            case RunFailed(run_id=run_id) if self._of_run(run_id) is None:
                return run_id
            case RunSucceeded(run_id=run_id) if any(one.trouble == "run" for one in self._incidents):
                return run_id
            case _:
                return None

    def take(self, record: Record, run: RunView | None = None) -> list[IncidentChanged]:
        """Something failed, or succeeded again."""
        match record.event:
            case AssetMaterialized() as made:
                return self._recovered("asset", _places_of(self._incidents.about("asset", made.asset), made), record)
            case SensorEvaluated(sensor=sensor):
                return self._recovered("sensor", [(sensor, None)], record)
            case LocationLoaded(location=location):
                return self._recovered("location", [(location, None)], record)
            case EventReplayed(event_ids=ids):
                return self._recovered("dead_letter", [(str(number), None) for number in ids], record)
            case RunRequested(cause="retry", event_ids=ids):
                return self._recovered("dead_letter", [(str(number), None) for number in ids], record)
            case CheckEvaluated(passed=True) as check:
                return self._recovered("check", [(f"{check.asset}:{check.check}", check.partition)], record)
            case RunSucceeded() if run is not None:
                return self._recovered("run", [(_subject_of(run), run.partition)], record)
            case _:
                failure = self._failure(record, run)
                return [] if failure is None else self._failed(failure, record)

    def _failure(self, record: Record, run: RunView | None) -> _Failure | None:
        match record.event:
            case AssetFailed() as event:
                return self._of_asset(event)
            case CheckEvaluated() as event:
                return _of_check(event)
            case RunFailed() as event if run is not None and self._of_run(event.run_id) is None:
                subject = _subject_of(run)
                return _Failure(
                    trouble="run",
                    subject=subject,
                    places=[(subject, run.partition)],
                    summary=f"a run of {subject} failed: {event.reason}",
                    assets=run.roots,
                    run_id=event.run_id,
                )
            case SensorFailed() as event if event.attempt >= self._sensor_failures or event.retry_at is None:
                return _Failure(
                    trouble="sensor",
                    subject=event.sensor,
                    places=[(event.sensor, None)],
                    summary=f"sensor {event.sensor} failed {event.attempt} times in a row"
                    if event.attempt > 1
                    else f"sensor {event.sensor} failed",
                    error=event.error,
                )
            case LocationFailed(location=location, error=error):
                return _Failure(
                    trouble="location",
                    subject=location,
                    places=[(location, None)],
                    summary=f"the code of {location} cannot be loaded",
                    error=error,
                )
            case EventDeadLettered() as event if event.run_id is None and event.sensor is None:
                return _Failure(
                    trouble="dead_letter",
                    subject=DEAD_LETTERS,
                    places=[(str(number), None) for number in event.event_ids],
                    summary=f"events were set aside: {event.reason}",
                    error=event.error,
                )
            case _:
                return None

    def _of_asset(self, event: AssetFailed) -> _Failure:
        """The failure of an asset is that of the whole step: the first of its assets stands for all."""
        same = None if event.run_id is None else self._of_run(event.run_id)
        with_it = same is not None and same.trouble == "asset" and same.step_id == event.step_id
        known = self._incidents.about("asset", event.asset) or self._incidents.of(
            "asset", (event.asset, event.partition)
        )
        subject = same.subject if same is not None and with_it else event.asset if known is None else known.subject
        return _Failure(
            trouble="asset",
            subject=subject,
            places=[(event.asset, event.partition)],
            summary=f"{subject} could not be made",
            assets=(event.asset,),
            run_id=event.run_id,
            step_id=event.step_id,
            error=event.error,
        )

    def _of_run(self, run_id: RunId) -> Incident | None:
        return self._incidents.get(self._by_run.get(run_id, ""))

    def _failed(self, failure: _Failure, record: Record) -> list[IncidentChanged]:
        known = self._incidents.about(failure.trouble, failure.subject)
        joined = [
            Member(name=name, partition=partition, since=record.at, severity=failure.severity)
            for name, partition in failure.places
        ]
        if known is None:
            opened = Incident(
                id=incident_id(failure.trouble, failure.subject, record.at, record.id),
                trouble=failure.trouble,
                subject=failure.subject,
                severity=failure.severity,
                opened_at=record.at,
                summary=failure.summary,
                assets=failure.assets,
                run_id=failure.run_id,
                step_id=failure.step_id,
                error=failure.error,
            )
            self._note_run(opened)
            return [*self._moved(failure, record), self._incidents.open(opened, joined, now=record.at)]
        step: IncidentStep = "changed"
        if known.severity != failure.severity:
            step = "worsened" if failure.severity == "error" else "eased"
        if step == "worsened":
            self._incidents.hush(known, record.at)
        moved = self._moved(failure, record)
        known.severity, known.summary, known.error = failure.severity, failure.summary, failure.error
        known.assets = tuple(dict.fromkeys((*known.assets, *failure.assets)))
        self._forget_run(known)
        known.run_id, known.step_id = failure.run_id, failure.step_id
        self._note_run(known)
        return [*moved, self._incidents.change(known, step, record.at, joined=joined)]

    def _moved(self, failure: _Failure, record: Record) -> list[IncidentChanged]:
        """Who fails in other company than before leaves the old one."""
        return [
            change
            for place in failure.places
            if (old := self._incidents.of(failure.trouble, place)) is not None and old.subject != failure.subject
            for change in self._left(old, [place], record)
        ]

    def _recovered(self, trouble: Trouble, places: Sequence[Place], record: Record) -> list[IncidentChanged]:
        found: dict[str, list[Place]] = {}
        for place in places:
            if (incident := self._incidents.of(trouble, place)) is not None:
                found.setdefault(incident.id, []).append(place)
        return [
            change
            for incident_id, inside in found.items()
            if (incident := self._incidents.get(incident_id)) is not None
            for change in self._left(incident, inside, record)
        ]

    def _left(self, incident: Incident, places: Sequence[Place], record: Record) -> Iterator[IncidentChanged]:
        left = [incident.members[place] for place in places]
        if len(left) < len(incident.members):
            yield self._incidents.change(incident, "changed", record.at, left=left)
            return
        incident.summary = f"{_NOUNS[incident.trouble]}{incident.subject} is well again"
        self._forget_run(incident)
        yield self._incidents.change(incident, "closed", record.at)

    def _note_run(self, incident: Incident) -> None:
        if incident.run_id is not None:
            self._by_run[incident.run_id] = incident.id

    def _forget_run(self, incident: Incident) -> None:
        if incident.run_id is not None and self._by_run.get(incident.run_id) == incident.id:
            del self._by_run[incident.run_id]


_NOUNS = {"sensor": "sensor ", "location": "the code of ", "check": "check ", "run": "", "asset": "", "dead_letter": ""}


def _of_check(event: CheckEvaluated) -> _Failure:
    subject = f"{event.asset}:{event.check}"
    why = f": {event.description}" if event.description else ""
    return _Failure(
        trouble="check",
        subject=subject,
        places=[(subject, event.partition)],
        summary=f"check {event.check} of {event.asset} failed{why}",
        severity="error" if event.severity == "ERROR" else "warning",
        assets=(event.asset,),
        run_id=event.run_id,
        step_id=event.step_id,
    )


def _places_of(incident: Incident | None, made: AssetMaterialized) -> Sequence[Place]:
    """What was made: the partition, or, of the whole asset, whatever of it had failed."""
    if made.partition is not None or incident is None:
        return [(made.asset, made.partition)]
    return [place for place in incident.members if place[0] == made.asset]


def _subject_of(run: RunView) -> str:
    """What a run is called: its job, or what it makes first."""
    if run.job is not None:
        return run.job
    first = ", ".join(run.roots[:3])
    return first if len(run.roots) <= 3 else f"{first} and {len(run.roots) - 3} more"
