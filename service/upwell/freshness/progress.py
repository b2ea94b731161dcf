"""Runs that have not ended, as far as they have come, and when they will have made something. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from upwell.events import (
    Event,
    PlannedStep,
    RunCanceled,
    RunFailed,
    RunId,
    RunRequested,
    RunStarted,
    RunSucceeded,
    StepFailed,
    StepSkipped,
    StepStarted,
    StepSucceeded,
)
from upwell.journal.views import RunView, StepView
from upwell.planning.durations import Durations, Estimate
from upwell.planning.lead_times import SHARE_TO_SPARE, slowest, time_after

_NOTHING = timedelta(0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Forecast:
    """When a run under way will have made something, by what was seen.

    Attributes:
        expected_at: when.
        too_late: it cannot be expected to be in time.
        look_at: from this instant on it cannot, unless something ends before.
        hop: the step that takes the time.
        why: the same as a clause.
    """

    expected_at: datetime
    too_late: bool
    look_at: datetime
    hop: PlannedStep
    why: str


@dataclass(kw_only=True, slots=True)
class RunProgress:
    """A run and its steps: which have ended, since when the others could have begun, which will never be."""

    run_id: RunId
    plan: tuple[PlannedStep, ...]
    lane: str
    requested_at: datetime
    started_at: datetime | None = None
    remembered: bool = False  # it was under way before this process: what its steps take includes the time between
    ended: dict[str, datetime] = field(default_factory=dict)
    retry_at: dict[str, datetime] = field(default_factory=dict)
    dead: set[str] = field(default_factory=set)
    _steps: dict[str, PlannedStep] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._steps = {step.id: step for step in self.plan}

    @classmethod
    def of_view(cls, view: RunView, steps: Iterable[StepView]) -> RunProgress:
        """A run as the journal knows it."""
        run = cls(
            run_id=view.run_id,
            plan=view.plan,
            lane=view.lane,
            requested_at=view.requested_at,
            started_at=view.started_at,
            remembered=True,
        )
        for step in steps:
            match step.status:
                case "SUCCESS" if step.ended_at is not None:
                    run.ended[step.step_id] = step.ended_at
                case "RETRYING" if step.retry_at is not None:
                    run.retry_at[step.step_id] = step.retry_at
                case "FAILURE" | "SKIPPED":
                    run._die(step.step_id)
                case _:
                    pass
        return run

    def step(self, step_id: str) -> PlannedStep | None:
        return self._steps.get(step_id)

    def makes(self, asset: str, partition: str | None) -> list[str]:
        """The steps that make it, or will, or have; none when it is not going to be made."""
        found = [step.id for step in self.plan if asset in step.assets and step.partition == partition]
        return [step_id for step_id in found if step_id not in self.dead]

    def ready_at(self, step_id: str) -> datetime | None:
        """Since when the step could have begun; None when it could not yet."""
        if self.started_at is None:
            return None
        waits = [wait for wait in self._steps[step_id].waits_for if wait in self._steps]
        if any(wait not in self.ended for wait in waits):
            return None
        return max([self.started_at, *(self.ended[wait] for wait in waits)])

    def apply(self, event: Event, at: datetime) -> None:
        """Take in what became of the run."""
        match event:
            case RunStarted():
                self.started_at = at
            case StepStarted(step_id=step_id):
                self.retry_at.pop(step_id, None)
            case StepSucceeded(step_id=step_id):
                self.ended[step_id] = at
            case StepFailed(step_id=step_id, retry_at=retry_at) if retry_at is not None:
                self.retry_at[step_id] = retry_at
            case StepFailed(step_id=step_id) | StepSkipped(step_id=step_id):
                self._die(step_id)
            case _:
                pass

    def _die(self, step_id: str) -> None:
        """The step will never succeed, nor will those that wait for it."""
        self.dead.add(step_id)
        for step in self.plan:  # in order: whoever waits comes after
            if not self.dead.isdisjoint(step.waits_for):
                self.dead.add(step.id)

    def forecast(
        self, goals: Sequence[str], deadline: datetime, durations: Durations, now: datetime, *, starts_at: datetime
    ) -> Forecast:
        """When all the goals will have been made; `starts_at` is when a run that has not started may start."""
        after = time_after(self.plan, goals, durations)
        found = [
            self._by_step(step, after, deadline, durations, now, starts_at)
            for step in self.plan
            if step.id in after and step.id not in self.ended and not self._has_open_waits(step)
        ]
        if not found:  # all has ended, and what was made is about to be told
            return Forecast(
                expected_at=now,
                too_late=False,
                look_at=deadline,
                hop=self._steps[goals[0]],
                why="it is about to be done",
            )
        worst = max(found, key=lambda one: (one.too_late, one.expected_at))
        return replace(worst, look_at=min(one.look_at for one in found))

    def _has_open_waits(self, step: PlannedStep) -> bool:
        return any(wait in self._steps and wait not in self.ended for wait in step.waits_for)

    def _by_step(
        self,
        step: PlannedStep,
        after: Mapping[str, Estimate],
        deadline: datetime,
        durations: Durations,
        now: datetime,
        starts_at: datetime,
    ) -> Forecast:
        """When all will be made that waits for a step which is next."""
        own, ready = durations.estimate(step.step), self.ready_at(step.id)
        whole, rest = own.then(after[step.id]).usual, after[step.id].usual
        hop = slowest(self._way(step, after, durations), durations)
        if step.id in self.retry_at:
            hop, expected_at, latest = step, max(self.retry_at[step.id], now) + whole, deadline - whole
            why = f"{title(step)} failed and is tried again at {self.retry_at[step.id]:%H:%M:%S} (UTC)"
        elif ready is None:
            expected_at, latest = max(starts_at, now) + whole, deadline - whole
            why = f"the run has not started yet, and {title(hop)} usually takes {span(durations.usual(hop.step))}"
        elif now < ready + own.usual:
            expected_at, latest = ready + whole, _latest(ready, own.usual, deadline - rest)
            why = f"{title(hop)} usually takes {span(durations.usual(hop.step))}"
        else:
            hop, latest = step, _latest(ready, own.usual, deadline - rest)
            expected_at = now + (now - ready) * SHARE_TO_SPARE + rest
            why = f"{title(step)} has taken {span(now - ready)}, where {span(own.usual)} is usual"
        return Forecast(
            expected_at=expected_at,
            too_late=expected_at > deadline or now >= latest,
            look_at=latest,
            hop=hop,
            why=why,
        )

    def _way(self, step: PlannedStep, after: Mapping[str, Estimate], durations: Durations) -> list[PlannedStep]:
        """The step and those after it that make it take so long."""
        found = [step]
        for one in self.plan:
            if one.id not in after or found[-1].id not in one.waits_for:
                continue
            if after[one.id].then(durations.estimate(one.step)) == after[found[-1].id]:
                found.append(one)
        return found


def _latest(ready: datetime, usual: timedelta, must_end: datetime) -> datetime:
    """From when on a step that has not ended is going to end too late.

    Who takes longer than usual is expected to take longer still: by a share of what it has taken.
    """
    return max(ready + usual, ready + (must_end - ready) / (1 + SHARE_TO_SPARE))


def title(step: PlannedStep) -> str:
    """How people call a hop: by what it makes or checks."""
    return next(iter((*step.assets, *step.checks)), step.step)


def span(time: timedelta | None) -> str:
    """A time for people to read: "25 min", "1.5 s"."""
    seconds = (time or _NOTHING).total_seconds()
    for unit, size in (("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} s"


RUN_ENDED = (RunSucceeded, RunFailed, RunCanceled)
RUN_EVENTS = (RunRequested, RunStarted, *RUN_ENDED, StepStarted, StepSucceeded, StepFailed, StepSkipped)
