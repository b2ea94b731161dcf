"""What happens next in a run: what happened goes in, instructions come out; no I/O and no clock.

`RunState` is told what came of each step and answers with what to do about it. Whoever carries the instructions out
comes back with the outcome, so the whole course of a run can be tested by comparing lists.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Literal, TypeAlias, assert_never

from upwell.definitions.retry_policy import RetryPolicy
from upwell.events import CheckEvaluated, ErrorInfo, PlannedStep
from upwell.journal.views import StepView
from upwell.runtime.messages import StepReport

BLOCKING_CHECK_FAILED = "AssetCheckFailed"
"""`ErrorInfo.type` of a step that ended well but whose blocking check did not pass."""

PolicyOf: TypeAlias = Callable[[str], RetryPolicy | None]
"""The retry policy of a step key."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StepEnded:
    """An attempt came to its end at `at`; `chance` in [0, 1) decides the jitter of a retry."""

    step_id: str
    report: StepReport
    at: datetime
    chance: float = 0.5


@dataclass(frozen=True, kw_only=True, slots=True)
class RetryDue:
    """The instant of a retry has come."""

    step_id: str


@dataclass(frozen=True, kw_only=True, slots=True)
class InputsMissing:
    """A step was to start, but something that it reads from outside the run does not exist."""

    step_id: str
    reason: str


Stimulus: TypeAlias = StepEnded | RetryDue | InputsMissing


@dataclass(frozen=True, kw_only=True, slots=True)
class StartStep:
    step_id: str
    attempt: int


@dataclass(frozen=True, kw_only=True, slots=True)
class AcceptStep:
    """The step succeeded; record it."""

    step_id: str
    attempt: int


@dataclass(frozen=True, kw_only=True, slots=True)
class RetryAt:
    """The attempt failed; come back with `RetryDue` at this instant."""

    step_id: str
    attempt: int
    instant: datetime
    error: ErrorInfo | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class FailStep:
    """The last attempt failed; record it."""

    step_id: str
    attempt: int
    error: ErrorInfo


@dataclass(frozen=True, kw_only=True, slots=True)
class SkipStep:
    step_id: str
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Finish:
    """Nothing is left to do; `reason` says why a run failed."""

    status: Literal["SUCCESS", "FAILURE"]
    reason: str = ""


Instruction: TypeAlias = StartStep | AcceptStep | RetryAt | FailStep | SkipStep | Finish


class Phase(Enum):
    """Where a step stands; the last three are final."""

    WAITING = "waiting"
    RUNNING = "running"
    RETRYING = "retrying"
    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


FINAL = frozenset({Phase.PASSED, Phase.FAILED, Phase.SKIPPED})


def step_title(step: PlannedStep) -> str:
    """How people call a step: by what it makes or checks."""
    if step.assets:
        name = ", ".join(step.assets[:3]) + (", …" if len(step.assets) > 3 else "")
    else:
        name = f"check {', '.join(step.checks)}" if step.checks else step.step
    return f"{name} [{step.partition}]" if step.partition is not None else name


def failure_text(step: PlannedStep, error: ErrorInfo) -> str:
    """Why a step failed, as a sentence: "raw_orders failed: KeyError: 'status'"."""
    if error.type == BLOCKING_CHECK_FAILED:
        return error.message
    return f"{step_title(step)} failed: {error.type}: {error.message}"


class RunState:
    """The steps of one run and what may happen to each.

    A failure stops the steps that wait for it, directly or through others, and nothing else. The cost of an event
    follows the steps that it concerns.
    """

    def __init__(self, plan: Sequence[PlannedStep], policy_of: PolicyOf) -> None:
        self._policy_of = policy_of
        self._steps = {step.id: step for step in plan}
        self._phases = dict.fromkeys(self._steps, Phase.WAITING)
        self._attempts = dict.fromkeys(self._steps, 0)
        self._waiters: dict[str, list[str]] = {step_id: [] for step_id in self._steps}
        self._open_waits: dict[str, int] = {}
        self._failures: list[str] = []
        self._unfinished = len(self._steps)
        self._finished = False
        for step in plan:
            waits = set(step.waits_for) & self._steps.keys()
            self._open_waits[step.id] = len(waits)
            for wait in waits:
                self._waiters[wait].append(step.id)

    def step(self, step_id: str) -> PlannedStep:
        return self._steps[step_id]

    def phase(self, step_id: str) -> Phase:
        return self._phases[step_id]

    def attempt(self, step_id: str) -> int:
        """The newest attempt that began; 0 when none has."""
        return self._attempts[step_id]

    @property
    def finished(self) -> bool:
        return self._finished

    def begin(self, known: Iterable[StepView] = ()) -> list[Instruction]:
        """Start the run, or go on with one of which `known` had been recorded.

        Finished steps stay so, retries keep their instants, and a step that was under way is tried again under the
        same attempt number: its interruption was not its fault.
        """
        out: list[Instruction] = []
        for view in known:
            if view.step_id in self._steps:
                self._recall(view, out)
        for step_id in [key for key, phase in self._phases.items() if phase in (Phase.FAILED, Phase.SKIPPED)]:
            self._skip_below(step_id, out)
        for step_id, phase in self._phases.items():
            if phase is Phase.WAITING and not self._open_waits[step_id]:
                self._start(step_id, out)
        return self._closed(out)

    def handle(self, stimulus: Stimulus) -> list[Instruction]:
        """What to do now that this happened. A stimulus that comes too late for its step is ignored."""
        out: list[Instruction] = []
        phase = self._phases[stimulus.step_id]
        match stimulus:
            case StepEnded():
                if phase is Phase.RUNNING:
                    self._end_attempt(stimulus, out)
            case RetryDue(step_id=step_id):
                if phase is Phase.RETRYING:
                    self._start(step_id, out)
            case InputsMissing(step_id=step_id, reason=reason):
                if phase is Phase.RUNNING:
                    self._close(step_id, Phase.SKIPPED)
                    out.append(SkipStep(step_id=step_id, reason=reason))
                    self._skip_below(step_id, out)
            case _:
                assert_never(stimulus)
        return self._closed(out)

    def _recall(self, view: StepView, out: list[Instruction]) -> None:
        self._attempts[view.step_id] = view.attempt
        match view.status:
            case "SUCCESS":
                self._pass(view.step_id)
            case "FAILURE":
                error = view.error or ErrorInfo(type="Error", message="unknown")
                self._fail(view.step_id, error)
            case "SKIPPED":
                self._close(view.step_id, Phase.SKIPPED)
            case "RETRYING":
                self._phases[view.step_id] = Phase.RETRYING
                instant = view.retry_at or view.ended_at
                if instant is not None:
                    out.append(RetryAt(step_id=view.step_id, attempt=view.attempt, instant=instant))
            case "STARTED":
                self._attempts[view.step_id] = max(0, view.attempt - 1)
            case _:
                assert_never(view.status)

    def _start(self, step_id: str, out: list[Instruction]) -> None:
        self._phases[step_id] = Phase.RUNNING
        self._attempts[step_id] += 1
        out.append(StartStep(step_id=step_id, attempt=self._attempts[step_id]))

    def _end_attempt(self, ended: StepEnded, out: list[Instruction]) -> None:
        step_id, attempt = ended.step_id, self._attempts[ended.step_id]
        error = ended.report.error
        if error is not None and (pause := self._pause_before_retry(ended)) is not None:
            self._phases[step_id] = Phase.RETRYING
            out.append(RetryAt(step_id=step_id, attempt=attempt, instant=ended.at + pause, error=error))
            return
        error = error or _blocked_by_check(ended.report)
        if error is not None:
            self._fail(step_id, error)
            out.append(FailStep(step_id=step_id, attempt=attempt, error=error))
            self._skip_below(step_id, out)
            return
        out.append(AcceptStep(step_id=step_id, attempt=attempt))
        for ready in self._pass(step_id):
            self._start(ready, out)

    def _pause_before_retry(self, ended: StepEnded) -> timedelta | None:
        """How long to wait before the next attempt, or none when this was the last."""
        attempt, wish = self._attempts[ended.step_id], ended.report.retry
        if wish is not None:
            return timedelta(seconds=wish.seconds_to_wait or 0.0) if attempt <= wish.max_retries else None
        policy = self._policy_of(self._steps[ended.step_id].step)
        if policy is None or attempt > policy.max_retries:
            return None
        return timedelta(seconds=policy.delay_before(attempt, ended.chance))

    def _pass(self, step_id: str) -> list[str]:
        """Close a step that succeeded; return the steps that may start now."""
        self._close(step_id, Phase.PASSED)
        ready = []
        for waiter in self._waiters[step_id]:
            self._open_waits[waiter] -= 1
            if not self._open_waits[waiter] and self._phases[waiter] is Phase.WAITING:
                ready.append(waiter)
        return ready

    def _fail(self, step_id: str, error: ErrorInfo) -> None:
        self._close(step_id, Phase.FAILED)
        self._failures.append(failure_text(self._steps[step_id], error))

    def _close(self, step_id: str, phase: Phase) -> None:
        self._phases[step_id] = phase
        self._unfinished -= 1

    def _skip_below(self, step_id: str, out: list[Instruction]) -> None:
        cause = step_title(self._steps[step_id])
        verb = "failed" if self._phases[step_id] is Phase.FAILED else "was skipped"
        below = list(self._waiters[step_id])
        while below:
            waiter = below.pop()
            if self._phases[waiter] is not Phase.WAITING:
                continue
            self._close(waiter, Phase.SKIPPED)
            out.append(
                SkipStep(step_id=waiter, reason=f"{cause} {verb}, and {step_title(self._steps[waiter])} needs it")
            )
            below.extend(self._waiters[waiter])

    def _closed(self, out: list[Instruction]) -> list[Instruction]:
        """Add the end of the run once every step has come to its own."""
        if self._unfinished or self._finished:
            return out
        self._finished = True
        if self._failures:
            more = len(self._failures) - 1
            reason = self._failures[0] + (f" (and {more} more)" if more else "")
            out.append(Finish(status="FAILURE", reason=reason))
        else:
            out.append(Finish(status="SUCCESS"))
        return out

    def validate_state(self) -> None:
        """Check what must hold between any two stimuli; for tests."""
        unfinished = [key for key, phase in self._phases.items() if phase not in FINAL]
        assert len(unfinished) == self._unfinished
        assert self._finished == (not unfinished)
        for step_id, step in self._steps.items():
            waits = [self._phases[wait] for wait in set(step.waits_for) & self._steps.keys()]
            phase = self._phases[step_id]
            assert self._open_waits[step_id] == sum(other is not Phase.PASSED for other in waits)
            if phase in (Phase.RUNNING, Phase.RETRYING, Phase.PASSED, Phase.FAILED):
                assert not self._open_waits[step_id], f"{step_id} is {phase.value} before what it waits for"
                assert self._attempts[step_id] >= 1
            if phase is Phase.WAITING:
                assert self._open_waits[step_id], f"{step_id} could start but was not told to"
                assert not {Phase.FAILED, Phase.SKIPPED} & set(waits), f"{step_id} waits for what never comes"


def _blocked_by_check(report: StepReport) -> ErrorInfo | None:
    failed = [
        f"{result.asset}:{result.check}"
        for result in report.results
        if isinstance(result, CheckEvaluated) and not result.passed and result.blocking and result.severity == "ERROR"
    ]
    if not failed:
        return None
    names = f"check {failed[0]}" if len(failed) == 1 else f"checks {', '.join(failed)}"
    return ErrorInfo(type=BLOCKING_CHECK_FAILED, message=f"{names} failed, and what is below must not run without it")
