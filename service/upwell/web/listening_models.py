"""What the API takes and gives about what listens: sources, sensors, schedules, their ticks, replays, dead letters.

The conventions are those of `upwell.web.models`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Literal, TypeAlias

from pydantic import AwareDatetime, Field, model_validator

from upwell.definitions.snapshot import SensorKind, WatchedRunStatus
from upwell.events import ErrorInfo, Json, Listening, Outcome
from upwell.journal.views import SensorStatus
from upwell.web.models import Answer, Metadata, Request

Name: TypeAlias = Annotated[str, Field(min_length=1, max_length=1_000)]

MAX_REPLAYED = 10_000
"""Events in one replay: who wants more says from when until when, and once more."""


class Switch(Answer):
    """Whether it is switched on; null `switched_at`: nobody ever touched it, and it is as the code says."""

    active: bool
    switched_at: datetime | None = None
    switched_by: str | None = None


SourceCondition: TypeAlias = Literal["active", "paused", "failing"]


class Source(Switch):
    """A declared event source; `params` name secrets, they never hold one.

    `lag` is how many seconds passed between the newest event and its being stored, where the event says when it
    occurred. It is `failing` while it cannot tell anything, with the error and since when; it is tried again.
    """

    name: str
    kind: str
    state: SourceCondition
    error: ErrorInfo | None
    failing_since: datetime | None
    params: Mapping[str, Json]
    assets: tuple[str, ...]
    sensors: tuple[str, ...]
    last_event_id: int | None
    last_event_at: datetime | None
    lag: float | None


class SourceList(Answer):
    sources: tuple[Source, ...]


class Sensor(Switch):
    """A sensor, or a schedule, with its newest call. `waiting` calls are still to be made.

    `interval` and `timeout` are seconds. `next_tick` is when a schedule that is not paused is called next.
    """

    name: str
    kind: SensorKind
    description: str | None
    location: str | None
    sources: tuple[str, ...]
    interval: float | None
    watched_assets: tuple[str, ...]
    watched_statuses: tuple[WatchedRunStatus, ...]
    watched_jobs: tuple[str, ...] | None
    jobs: tuple[str, ...]
    assets: tuple[str, ...]
    checks: tuple[str, ...]
    timeout: float
    cron: tuple[str, ...]
    timezone: str | None
    next_tick: datetime | None
    tags: Mapping[str, str]
    status: SensorStatus | None
    called_at: datetime | None
    tick_id: int | None
    reason: str | None
    error: ErrorInfo | None
    failures: int
    waiting: int


class SensorList(Answer):
    sensors: tuple[Sensor, ...]


class ScheduleList(Answer):
    schedules: tuple[Sensor, ...]


class TickRun(Answer):
    """A run that a call asked for. `suppressed`: its key was taken, by the run that is named; nothing was started."""

    run_id: str | None
    run_key: str | None
    job: str | None
    assets: tuple[str, ...]
    partition: str | None
    suppressed: bool = False


class Tick(Answer):
    """One call of a sensor or a schedule. `cursor` is null where it did not change; `rejected` says what could not be
    of what it asked for."""

    event_id: int
    sensor: str
    at: datetime
    status: SensorStatus
    runs: tuple[TickRun, ...] = ()
    rejected: tuple[str, ...] = ()
    skip_reason: str | None = None
    error: ErrorInfo | None = None
    attempt: int
    retry_at: datetime | None = None
    duration: float
    cursor: str | None = None
    event_ids: tuple[int, ...]
    log: str | None


class TickPage(Answer):
    """Newest first; `next` goes into `before`."""

    ticks: tuple[Tick, ...]
    next: int | None


class SensorDetail(Sensor):
    cursor: str | None
    run_key: str | None
    metadata: Metadata
    file: str | None
    line: int | None
    ticks: tuple[Tick, ...]


class Switching(Request):
    """`POST …/pause` and `…/resume`; `by` is who wants it, for the others."""

    by: Annotated[str | None, Field(max_length=200)] = None


class Switched(Answer):
    """How it is now. Where it was so already, `changed` is false and there is no event."""

    what: Listening
    name: str
    active: bool
    changed: bool
    event_id: int | None


class PreviewRequest(Request):
    """`POST /sensors/{name}/preview`. Without a cursor the sensor gets the one that it remembers."""

    cursor: Annotated[str | None, Field(max_length=1_000_000)] = None


class PreviewedEvent(Answer):
    """An event as it would be written."""

    kind: str
    data: Mapping[str, Json]


class Foreseen(Answer):
    """A decision as it would be made: `sentence` says it, `makes` are all assets of the run that it would request."""

    event_ids: tuple[int, ...]
    outcome: Outcome
    reason: str
    sentence: str
    assets: tuple[str, ...]
    makes: tuple[str, ...]
    partition: str | None
    sensor: str | None
    job: str | None
    run_key: str | None
    until: datetime | None


class Preview(Answer):
    """What a call of the sensor would write, and what the service would decide on that. Nothing was written."""

    sensor: str
    events: tuple[PreviewedEvent, ...]
    decisions: tuple[Foreseen, ...]


class DeadLetter(Answer):
    """An event whose consequences failed to the last. `source` and `kind` are null when the event itself is gone."""

    event_id: int
    dead_id: int
    at: datetime
    reason: str
    error: ErrorInfo | None
    attempts: int
    run_id: str | None
    sensor: str | None
    source: str | None
    kind: str | None
    replayable: bool


class DeadLetterPage(Answer):
    """Newest first; `next` goes into `before`."""

    dead_letters: tuple[DeadLetter, ...]
    next: str | None


class ReplayRequest(Request):
    """`POST /events/replay`: these events, those of a source in a stretch of time, or all dead letters."""

    event_ids: Annotated[tuple[int, ...] | None, Field(min_length=1, max_length=MAX_REPLAYED)] = None
    source: Name | None = None
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    dead_letters: Literal[True] | None = None
    dry_run: bool = False
    by: Annotated[str | None, Field(max_length=200)] = None

    @model_validator(mode="after")
    def _says_one_thing(self) -> ReplayRequest:
        given = [name for name in ("event_ids", "source", "dead_letters") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError("say one of event_ids, source or dead_letters")
        if self.source is None and (self.since or self.until):
            raise ValueError("since and until go with source")
        if self.source is not None and self.since is None:
            raise ValueError("say since when the events of the source are to be replayed")
        return self


class Replay(Answer):
    """What is replayed. With `dry_run` nothing was written, and `decisions` has what would be decided.

    `event_ids` are the events that ask for it; `left_out` are dead letters whose events cannot be replayed.
    """

    dry_run: bool
    replayed: tuple[int, ...]
    left_out: tuple[int, ...] = ()
    event_ids: tuple[int, ...] = ()
    decisions: tuple[Foreseen, ...] = ()
