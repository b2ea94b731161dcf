"""What becomes of one event, followed through the journal: who answers it, and how that ended. Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal, TypeAlias

from upwell.events import (
    Event,
    EventDecided,
    FilterEvaluated,
    RunCanceled,
    RunFailed,
    RunId,
    RunSucceeded,
    SensorEvaluated,
    SensorFailed,
)

Ended: TypeAlias = Literal["SUCCESS", "FAILURE", "CANCELED"]

Key: TypeAlias = int | RunId
"""What records are looked up by: the id of an event, or of a run."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RunOutcome:
    """A run that answers the event; `status` is null while it goes on."""

    run_id: RunId
    status: Ended | None = None
    reason: str | None = None


class AwaitedEvent:
    """One event and what is known of its way; `take` is told of the records that follow it, in order."""

    def __init__(self, event_id: int) -> None:
        self.event_id = event_id
        self._decided = False
        self._asked = False  # the user's filters, and they have not answered
        self._gates: set[str] = set()  # it waits at
        self._sensors: set[str] = set()  # that are called about it
        self._ticks: set[int] = set()  # calls that asked for runs, which are not decided on
        self._runs: dict[RunId, RunOutcome] = {}

    @property
    def over(self) -> bool:
        """Whether nothing will come of the event any more than what did."""
        pending = self._asked or self._gates or self._sensors or self._ticks
        return self._decided and not pending and all(run.status for run in self._runs.values())

    @property
    def runs(self) -> tuple[RunOutcome, ...]:
        """The runs that answer it, those that did not succeed first."""
        return tuple(sorted(self._runs.values(), key=lambda run: (run.status == "SUCCESS", run.status is None)))

    @property
    def keys(self) -> Collection[Key]:
        """The keys of the records that concern it, so far."""
        return {self.event_id, *self._ticks, *self._runs}

    def take(self, record_id: int, event: Event) -> None:
        """Learn from a record."""
        match event:
            case EventDecided():
                self._take_decision(event)
            case FilterEvaluated(event_id=self.event_id):
                self._asked = False
                self._decided = False
            case SensorEvaluated() if self.event_id in event.event_ids:
                self._sensors.discard(event.sensor)
                if event.runs:
                    self._ticks.add(record_id)
            case SensorFailed(retry_at=None) if self.event_id in event.event_ids:
                self._sensors.discard(event.sensor)
            case RunSucceeded():
                self._end(event, "SUCCESS")
            case RunFailed():
                self._end(event, "FAILURE", event.reason)
            case RunCanceled():
                self._end(event, "CANCELED", event.reason)
            case _:
                pass  # tells nothing of it

    def _take_decision(self, event: EventDecided) -> None:
        ticks = self._ticks.intersection(event.event_ids)
        if self.event_id not in event.event_ids and not ticks:
            return
        self._ticks -= ticks
        self._decided = True
        if event.waits is not None:
            self._gates.discard(event.waits)
        match event.outcome:
            case "requested" | "joined" | "follows" if event.run_id is not None:
                self._runs.setdefault(event.run_id, RunOutcome(run_id=event.run_id))
            case "waiting" if event.waits is not None:
                self._gates.add(event.waits)
            case "asked":
                self._asked = True
            case "called" if event.sensor is not None:
                self._sensors.add(event.sensor)
            case _:
                pass  # nothing comes of it

    def _end(self, event: RunSucceeded | RunFailed | RunCanceled, status: Ended, reason: str | None = None) -> None:
        if event.run_id in self._runs or self.event_id in event.event_ids:
            self._runs[event.run_id] = RunOutcome(run_id=event.run_id, status=status, reason=reason)
