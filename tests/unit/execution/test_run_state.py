from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

from upwell.definitions.retry_policy import Backoff, RetryPolicy
from upwell.events import CheckEvaluated, CheckSeverity, ErrorInfo, PlannedStep, RunId
from upwell.execution.run_state import (
    AcceptStep,
    FailStep,
    Finish,
    InputsMissing,
    Instruction,
    Phase,
    RetryAt,
    RetryDue,
    RunState,
    SkipStep,
    StartStep,
    StepEnded,
)
from upwell.journal.views import StepView
from upwell.runtime.messages import RetryWish, StepReport

NOW = datetime(2024, 1, 1, tzinfo=UTC)
BOOM = ErrorInfo(type="KeyError", message="'status'")
RUN = RunId("run")


def step(key: str, *waits_for: str, checks: tuple[str, ...] = ()) -> PlannedStep:
    return PlannedStep(id=key, step=key, assets=() if checks else (key,), checks=checks, waits_for=waits_for)


def state(*plan: PlannedStep, retry: RetryPolicy | None = None) -> RunState:
    return RunState(plan, lambda _: retry)


def ended(key: str, error: ErrorInfo | None = None, retry: RetryWish | None = None, **more: object) -> StepEnded:
    return StepEnded(step_id=key, report=StepReport(error=error, retry=retry), at=NOW, **more)  # type: ignore[arg-type]


def evaluated(key: str, *, passed: bool, severity: CheckSeverity, blocking: bool) -> StepEnded:
    result = CheckEvaluated(asset="raw", check="gate", passed=passed, severity=severity, blocking=blocking)
    return StepEnded(step_id=key, report=StepReport(results=(result,)), at=NOW)


def tell(run: RunState, *stimuli: StepEnded | RetryDue | InputsMissing) -> list[Instruction]:
    """The instructions that the last stimulus gave; the state is checked after each."""
    out: list[Instruction] = []
    for stimulus in stimuli:
        out = run.handle(stimulus)
        run.validate_state()
    return out


def names(instructions: list[Instruction]) -> list[str]:
    return [f"{type(out).__name__} {getattr(out, 'step_id', '')}".strip() for out in instructions]


def test_steps_start_when_everything_before_them_succeeded() -> None:
    run = state(step("raw"), step("other"), step("joined", "raw", "other"))
    assert names(run.begin()) == ["StartStep raw", "StartStep other"]
    assert tell(run, ended("raw")) == [AcceptStep(step_id="raw", attempt=1)]
    assert tell(run, ended("other")) == [
        AcceptStep(step_id="other", attempt=1),
        StartStep(step_id="joined", attempt=1),
    ]
    assert tell(run, ended("joined"))[-1] == Finish(status="SUCCESS")


def test_a_run_without_steps_succeeds_at_once() -> None:
    assert state().begin() == [Finish(status="SUCCESS")]


def test_a_failure_stops_what_is_below_it_and_nothing_else() -> None:
    run = state(
        step("root"), step("bad", "root"), step("child", "bad"), step("grand", "child"), step("sibling", "root")
    )
    run.begin()
    assert names(tell(run, ended("root"))) == ["AcceptStep root", "StartStep bad", "StartStep sibling"]
    out = tell(run, ended("bad", BOOM))
    assert out[0] == FailStep(step_id="bad", attempt=1, error=BOOM)
    assert out[1] == SkipStep(step_id="child", reason="bad failed, and child needs it")
    assert out[2].step_id == "grand"  # type: ignore[union-attr]
    assert tell(run, ended("sibling")) == [
        AcceptStep(step_id="sibling", attempt=1),
        Finish(status="FAILURE", reason="bad failed: KeyError: 'status'"),
    ]


def test_the_reason_counts_further_failures() -> None:
    run = state(step("a"), step("b"))
    run.begin()
    out = tell(run, ended("a", BOOM), ended("b", BOOM))
    assert out[-1] == Finish(status="FAILURE", reason="a failed: KeyError: 'status' (and 1 more)")


def test_a_failure_names_assets_and_partition_and_not_the_step() -> None:
    made = PlannedStep(id="both@p", step="both", assets=("a", "b"), partition="p")
    run = RunState([made], lambda _: None)
    run.begin()
    assert tell(run, ended("both@p", BOOM))[-1].reason == "a, b [p] failed: KeyError: 'status'"  # type: ignore[union-attr]


def test_a_failed_blocking_error_check_stops_what_waits_for_it_and_fails_the_run() -> None:
    run = state(step("raw"), step("gate", "raw", checks=("raw:gate",)), step("below", "raw", "gate"))
    run.begin()
    tell(run, ended("raw"))
    out = tell(run, evaluated("gate", passed=False, severity="ERROR", blocking=True))
    assert names(out) == ["FailStep gate", "SkipStep below", "Finish"]
    assert out[-1].reason.startswith("check raw:gate failed")  # type: ignore[union-attr]


def test_a_failed_check_that_only_warns_or_does_not_block_stops_nothing() -> None:
    for severity, blocking in (("WARN", True), ("ERROR", False)):
        run = state(step("raw"), step("gate", "raw", checks=("raw:gate",)), step("below", "raw", "gate"))
        run.begin()
        tell(run, ended("raw"))
        result = evaluated("gate", passed=False, severity=severity, blocking=blocking)  # type: ignore[arg-type]
        assert names(tell(run, result)) == ["AcceptStep gate", "StartStep below"]
        assert tell(run, ended("below"))[-1] == Finish(status="SUCCESS")


def test_a_failed_blocking_check_is_not_tried_again() -> None:
    run = state(step("gate", checks=("raw:gate",)), retry=RetryPolicy(max_retries=5))
    run.begin()
    assert names(tell(run, evaluated("gate", passed=False, severity="ERROR", blocking=True)))[0] == "FailStep gate"


def test_a_check_that_raises_fails_the_run_and_stops_only_what_waits_for_it() -> None:
    run = state(step("raw"), step("watch", "raw", checks=("raw:watch",)), step("below", "raw"))
    run.begin()
    out = tell(run, ended("raw"), ended("watch", BOOM), ended("below"))
    assert out[-1] == Finish(status="FAILURE", reason="check raw:watch failed: KeyError: 'status'")


def test_retries_follow_the_policy_and_then_end() -> None:
    run = state(step("raw"), retry=RetryPolicy(max_retries=2, delay=10, backoff=Backoff.EXPONENTIAL))
    run.begin()
    assert tell(run, ended("raw", BOOM)) == [
        RetryAt(step_id="raw", attempt=1, instant=NOW + timedelta(seconds=10), error=BOOM)
    ]
    assert tell(run, RetryDue(step_id="raw")) == [StartStep(step_id="raw", attempt=2)]
    assert tell(run, ended("raw", BOOM))[0].instant == NOW + timedelta(seconds=30)  # type: ignore[union-attr]
    assert names(tell(run, RetryDue(step_id="raw"), ended("raw", BOOM))) == ["FailStep raw", "Finish"]


def test_what_waits_goes_on_waiting_while_a_step_is_retried() -> None:
    run = state(step("raw"), step("below", "raw"), retry=RetryPolicy(max_retries=1))
    run.begin()
    assert names(tell(run, ended("raw", BOOM))) == ["RetryAt raw"]
    assert names(tell(run, RetryDue(step_id="raw"), ended("raw"))) == ["AcceptStep raw", "StartStep below"]


def test_the_users_own_word_on_retrying_overrides_the_policy() -> None:
    run = state(step("raw"), retry=RetryPolicy(max_retries=5, delay=60))
    run.begin()
    wish = RetryWish(max_retries=1, seconds_to_wait=2)
    assert tell(run, ended("raw", BOOM, wish))[0].instant == NOW + timedelta(seconds=2)  # type: ignore[union-attr]
    assert names(tell(run, RetryDue(step_id="raw"), ended("raw", BOOM, wish)))[0] == "FailStep raw"
    never = state(step("raw"), retry=RetryPolicy(max_retries=5))
    never.begin()
    assert names(tell(never, ended("raw", BOOM, RetryWish(max_retries=0))))[0] == "FailStep raw"


def test_missing_inputs_skip_the_step_and_what_is_below_and_the_run_succeeds() -> None:
    run = state(step("raw"), step("mart", "raw"), step("report", "mart"))
    run.begin()
    tell(run, ended("raw"))
    out = tell(run, InputsMissing(step_id="mart", reason="mart reads other, which was never materialised"))
    assert out[0] == SkipStep(step_id="mart", reason="mart reads other, which was never materialised")
    assert out[1] == SkipStep(step_id="report", reason="mart was skipped, and report needs it")
    assert out[2] == Finish(status="SUCCESS")


def test_a_stimulus_that_comes_too_late_changes_nothing() -> None:
    run = state(step("raw"), step("other"))
    run.begin()
    tell(run, ended("raw"))
    for late in (ended("raw", BOOM), RetryDue(step_id="raw"), InputsMissing(step_id="raw", reason="")):
        assert tell(run, late) == []


def view(key: str, status: str, attempt: int = 1, **more: object) -> StepView:
    return StepView(run_id=RUN, step_id=key, status=status, attempt=attempt, **more)  # type: ignore[arg-type]


def test_finished_steps_stay_so_and_one_under_way_is_tried_again_without_counting() -> None:
    run = state(step("done"), step("cut", "done"), step("below", "cut"), retry=RetryPolicy(max_retries=1))
    assert run.begin([view("done", "SUCCESS"), view("cut", "STARTED")]) == [StartStep(step_id="cut", attempt=1)]
    run.validate_state()
    assert names(tell(run, ended("cut", BOOM))) == ["RetryAt cut"]


def test_a_retry_keeps_its_instant_over_a_restart() -> None:
    due = NOW + timedelta(minutes=5)
    run = state(step("raw"), retry=RetryPolicy(max_retries=2))
    assert run.begin([view("raw", "RETRYING", 2, retry_at=due)]) == [RetryAt(step_id="raw", attempt=2, instant=due)]
    assert tell(run, RetryDue(step_id="raw")) == [StartStep(step_id="raw", attempt=3)]
    assert names(tell(run, ended("raw", BOOM)))[0] == "FailStep raw"


def test_a_failure_before_a_restart_still_stops_what_is_below() -> None:
    run = state(step("bad"), step("below", "bad"), step("gone", "below"))
    out = run.begin([view("bad", "FAILURE", error=BOOM), view("below", "SKIPPED", 0)])
    assert names(out) == ["SkipStep gone", "Finish"]
    assert out[-1].reason == "bad failed: KeyError: 'status'"  # type: ignore[union-attr]
    run.validate_state()


def test_a_run_whose_last_step_ended_just_before_a_restart_only_finishes() -> None:
    assert state(step("raw")).begin([view("raw", "SUCCESS")]) == [Finish(status="SUCCESS")]


def test_thousands_of_steps_take_their_time_and_not_its_square() -> None:
    wide = [
        step("root"),
        *(step(f"s{i}", "root") for i in range(10_000)),
        step("all", *(f"s{i}" for i in range(10_000))),
    ]
    run = state(*wide)
    began = time.perf_counter()
    run.begin()
    run.handle(ended("root"))
    for i in range(10_000):
        run.handle(ended(f"s{i}"))
    assert run.phase("all") is Phase.RUNNING
    assert time.perf_counter() - began < 1.0
