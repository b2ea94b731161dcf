"""A run in the supervisor's hands: its plan and state, and what of it is waiting or running right now."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from urllib.parse import quote

import anyio

from upwell.definitions.snapshot import StepNode
from upwell.events import ErrorInfo, Json, PlannedStep, RunId, RunRequested
from upwell.execution.inputs import Pair
from upwell.execution.limits import Ticket
from upwell.execution.run_state import PolicyOf, RunState
from upwell.journal.views import RunView
from upwell.runtime.messages import StepTask, TriggerEvent

_LONGEST_NAME = 180  # characters of a step in a file name; file systems allow 255 bytes


class RunPhase(Enum):
    """`STARTING`: that it starts has been posted, and not come back yet; until then events may join."""

    QUEUED = "queued"
    STARTING = "starting"
    STARTED = "started"
    STOPPING = "stopping"
    ENDED = "ended"


@dataclass(kw_only=True, eq=False)
class RunUnderWay:
    """All that the supervisor knows of an unfinished run."""

    run_id: RunId
    lane: str
    order: int  # id of its RunRequested event
    plan: tuple[PlannedStep, ...]
    state: RunState
    config: Json = None
    tags: Mapping[str, str] = field(default_factory=dict)
    event_ids: dict[int, None] = field(default_factory=dict)
    phase: RunPhase = RunPhase.QUEUED
    events: tuple[TriggerEvent, ...] = ()
    started_at: datetime | None = None
    planned: frozenset[Pair] = frozenset()
    newest_failure: tuple[ErrorInfo, int] | None = None  # of a step that failed for good, and at which attempt
    trouble: str | None = None  # why it is given up; without one, a run that is stopped was canceled
    waiting: dict[str, Ticket] = field(default_factory=dict)
    running: dict[str, anyio.CancelScope] = field(default_factory=dict)

    @classmethod
    def requested(cls, record_id: int, event: RunRequested, policy_of: PolicyOf) -> RunUnderWay:
        """A run as its request describes it."""
        return cls(
            run_id=event.run_id,
            lane=event.lane,
            order=record_id,
            plan=event.plan,
            state=RunState(event.plan, policy_of),
            config=event.config,
            tags=event.tags,
            event_ids=dict.fromkeys(event.event_ids),
            planned=planned_pairs(event.plan),
        )

    @classmethod
    def remembered(cls, view: RunView, policy_of: PolicyOf) -> RunUnderWay:
        """A run as the journal remembers it."""
        return cls(
            run_id=view.run_id,
            lane=view.lane,
            order=view.requested_id,
            plan=view.plan,
            state=RunState(view.plan, policy_of),
            config=view.config,
            tags=view.tags,
            event_ids=dict.fromkeys(view.event_ids),
            phase=RunPhase.STARTED if view.status == "STARTED" else RunPhase.QUEUED,
            started_at=view.started_at,
            planned=planned_pairs(view.plan),
        )

    def duration(self, now: datetime) -> float:
        """Seconds since it started; 0 when it has not."""
        return max(0.0, (now - self.started_at).total_seconds()) if self.started_at is not None else 0.0

    def task(
        self,
        step: PlannedStep,
        node: StepNode,
        location: str,
        attempt: int,
        now: datetime,
        dynamic: Mapping[str, Sequence[str]],
    ) -> StepTask:
        """One attempt of a step, as an executor wants it."""
        return StepTask(
            run_id=self.run_id,
            step_id=step.id,
            step=step.step,
            location=location,
            attempt=attempt,
            now=now,
            assets=step.assets,
            checks=step.checks,
            partition=step.partition,
            timeout=node.timeout,
            events=self.events,
            config=self.config,
            tags=self.tags,
            dynamic=dynamic,
            log=log_path(self.run_id, step.id, attempt),
        )


def planned_pairs(plan: Iterable[PlannedStep]) -> frozenset[Pair]:
    """What the run makes: each asset with its partition, and as a whole."""
    pairs = {(asset, step.partition) for step in plan for asset in step.assets}
    return frozenset(pairs | {(asset, None) for asset, _ in pairs})


def log_path(run_id: RunId, step_id: str, attempt: int) -> str:
    """Where the output of an attempt is captured, below the logs folder; safe as a file name, whatever the step."""
    name = quote(step_id, safe="@")
    if len(name) > _LONGEST_NAME:
        name = f"{name[: _LONGEST_NAME - 17]}-{hashlib.sha256(step_id.encode()).hexdigest()[:16]}"
    return f"{quote(run_id, safe='')}/{name}.{attempt}.log"
