"""The events that record what came of a step, for the journal or for whoever looks on. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import assert_never

from upwell.events import (
    AssetFailed,
    AssetMaterialized,
    AssetSkipped,
    Event,
    PlannedStep,
    RunId,
    StepFailed,
    StepSkipped,
    StepSucceeded,
)
from upwell.execution.run_state import (
    BLOCKING_CHECK_FAILED,
    AcceptStep,
    FailStep,
    Finish,
    Instruction,
    RetryAt,
    RunState,
    SkipStep,
    StartStep,
)
from upwell.runtime.messages import StepReport


def recorded(
    run_id: RunId, state: RunState, instructions: Iterable[Instruction], report: StepReport
) -> Iterator[Event]:
    """What to record of `report`, and of the instructions that it led to."""
    yield from report.results
    for instruction in instructions:
        match instruction:
            case AcceptStep(step_id=step_id, attempt=attempt):
                yield StepSucceeded(run_id=run_id, step_id=step_id, attempt=attempt, duration=report.duration)
            case RetryAt():
                yield from _retried(run_id, instruction, report.duration)
            case FailStep(step_id=step_id):
                yield from _failed(run_id, instruction, state.step(step_id), report)
            case SkipStep(step_id=step_id):
                yield from _skipped(run_id, instruction, state.step(step_id))
            case StartStep() | Finish():
                pass
            case _:
                assert_never(instruction)


def _retried(run_id: RunId, instruction: RetryAt, duration: float) -> Iterator[Event]:
    """An attempt failed and another one follows; nothing when a retry is only taken up after a restart."""
    if instruction.error is not None:
        yield StepFailed(
            run_id=run_id,
            step_id=instruction.step_id,
            attempt=instruction.attempt,
            duration=duration,
            error=instruction.error,
            retry_at=instruction.instant,
        )


def _failed(run_id: RunId, instruction: FailStep, step: PlannedStep, report: StepReport) -> Iterator[Event]:
    """The last attempt failed, and with it the assets that it did not make."""
    error = instruction.error
    yield StepFailed(run_id=run_id, step_id=step.id, attempt=instruction.attempt, duration=report.duration, error=error)
    if error.type == BLOCKING_CHECK_FAILED:
        return  # the asset was made; what is below it is skipped
    made = {result.asset for result in report.results if isinstance(result, AssetMaterialized)}
    for asset in [asset for asset in step.assets if asset not in made] or step.assets:
        yield AssetFailed(asset=asset, error=error, partition=step.partition, run_id=run_id, step_id=step.id)


def _skipped(run_id: RunId, instruction: SkipStep, step: PlannedStep) -> Iterator[Event]:
    """A step and its assets are left out of the run."""
    reason = instruction.reason
    yield StepSkipped(run_id=run_id, step_id=step.id, reason=reason)
    for asset in step.assets:
        yield AssetSkipped(asset=asset, reason=reason, partition=step.partition, run_id=run_id, step_id=step.id)
