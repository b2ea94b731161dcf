from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from upwell.definitions.retry_policy import RetryPolicy
from upwell.events import ErrorInfo, PlannedStep, RunId
from upwell.execution.run_state import (
    AcceptStep,
    FailStep,
    Finish,
    InputsMissing,
    Instruction,
    RetryAt,
    RetryDue,
    RunState,
    SkipStep,
    StartStep,
    StepEnded,
)
from upwell.journal.views import StepView
from upwell.runtime.messages import StepReport

NOW = datetime(2024, 1, 1, tzinfo=UTC)
BOOM = ErrorInfo(type="ValueError", message="no")


@st.composite
def plans(draw: st.DrawFn) -> tuple[PlannedStep, ...]:
    steps = []
    for index in range(draw(st.integers(0, 12))):
        waits = draw(st.sets(st.integers(0, index - 1), max_size=3)) if index else set()
        name = f"s{index}"
        steps.append(
            PlannedStep(id=name, step=name, assets=(name,), waits_for=tuple(f"s{wait}" for wait in sorted(waits)))
        )
    return tuple(steps)


class Machine:
    """Carries out instructions by chance, keeps what a journal would, and can be killed between any two of them."""

    def __init__(self, plan: tuple[PlannedStep, ...], draw: st.DrawFn) -> None:
        self.plan = plan
        self.draw = draw
        self.views: dict[str, StepView] = {}
        self.started: list[tuple[str, int]] = []
        self.accepted: list[str] = []
        self.finish: Finish | None = None

    def run(self) -> None:
        for deaths_left in range(4, -1, -1):
            self.one_life(mortal=deaths_left > 0)
            if self.finish is not None:
                return

    def one_life(self, *, mortal: bool) -> None:
        run = RunState(self.plan, lambda _: RetryPolicy(max_retries=1))
        todo: list[StartStep | RetryAt] = []
        out = run.begin(list(self.views.values()))
        while True:
            run.validate_state()
            self.carry_out(run, out, todo)
            if self.finish is not None or (mortal and self.draw(st.integers(0, 9)) == 9):
                return
            assert todo, "nothing to do, and not finished"
            out = run.handle(self.stimulus(todo.pop(self.draw(st.integers(0, len(todo) - 1)))))

    def stimulus(self, doing: StartStep | RetryAt) -> StepEnded | RetryDue | InputsMissing:
        if isinstance(doing, RetryAt):
            return RetryDue(step_id=doing.step_id)
        match self.draw(st.sampled_from(["good", "good", "good", "bad", "missing"])):
            case "good":
                return StepEnded(step_id=doing.step_id, report=StepReport(), at=NOW)
            case "bad":
                return StepEnded(step_id=doing.step_id, report=StepReport(error=BOOM), at=NOW)
            case _:
                return InputsMissing(step_id=doing.step_id, reason="missing")

    def carry_out(self, run: RunState, out: list[Instruction], todo: list[StartStep | RetryAt]) -> None:
        for instruction in out:
            if isinstance(instruction, StartStep):
                self.start(run, instruction)
            if isinstance(instruction, StartStep | RetryAt):
                todo.append(instruction)
            self.remember(instruction)

    def start(self, run: RunState, instruction: StartStep) -> None:
        waits = run.step(instruction.step_id).waits_for
        assert all(self.views[wait].status == "SUCCESS" for wait in waits)
        assert instruction.step_id not in self.accepted, "a finished step was repeated"
        self.started.append((instruction.step_id, instruction.attempt))

    def remember(self, instruction: Instruction) -> None:
        run_id = RunId("run")
        match instruction:
            case StartStep(step_id=key, attempt=attempt):
                view = StepView(run_id=run_id, step_id=key, status="STARTED", attempt=attempt)
            case AcceptStep(step_id=key, attempt=attempt):
                self.accepted.append(key)
                view = StepView(run_id=run_id, step_id=key, status="SUCCESS", attempt=attempt)
            case RetryAt(step_id=key, attempt=attempt):
                view = StepView(run_id=run_id, step_id=key, status="RETRYING", attempt=attempt, retry_at=NOW)
            case FailStep(step_id=key, attempt=attempt, error=error):
                view = StepView(run_id=run_id, step_id=key, status="FAILURE", attempt=attempt, error=error)
            case SkipStep(step_id=key, reason=reason):
                view = StepView(run_id=run_id, step_id=key, status="SKIPPED", reason=reason)
            case Finish():
                self.finish = instruction
                return
        self.views[view.step_id] = view


@given(st.data())
def test_every_run_ends_whatever_happens_and_however_often_it_is_killed(data: st.DataObject) -> None:
    machine = Machine(data.draw(plans()), data.draw)
    machine.run()
    assert machine.finish is not None
    final = {step.id: machine.views[step.id].status for step in machine.plan}
    assert set(final.values()) <= {"SUCCESS", "FAILURE", "SKIPPED"}
    assert (machine.finish.status == "FAILURE") == ("FAILURE" in final.values())
    for step in machine.plan:
        stopped = any(final[wait] != "SUCCESS" for wait in step.waits_for)
        assert not stopped or final[step.id] == "SKIPPED"
    assert len(machine.accepted) == len(set(machine.accepted))
    assert all(attempt <= 2 for _, attempt in machine.started), "an interruption counted as a failed attempt"
