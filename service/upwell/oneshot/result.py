"""What `materialize()` answers with: the run, step by step, under Dagster's names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

from upwell.definitions.checks import AssetCheckEvaluation, AssetCheckSeverity
from upwell.definitions.compute import ComputeDefinition
from upwell.definitions.errors import DagsterInvariantViolationError
from upwell.definitions.event_records import DagsterEvent
from upwell.definitions.keys import AssetKey, CoercibleToAssetKey
from upwell.definitions.metadata import decode_metadata
from upwell.definitions.resources import IOManager
from upwell.definitions.results import DEFAULT_OUTPUT, AssetMaterialization, AssetObservation
from upwell.definitions.runs import DagsterRun
from upwell.events import (
    AssetMaterialized,
    AssetObserved,
    CheckEvaluated,
    Event,
    PlannedStep,
    RunFailed,
    RunId,
    RunStarted,
    RunSucceeded,
    StepFailed,
    StepStarted,
    StepSucceeded,
)


class KeptValues:
    """The values that went to IO managers in one run, so that the result can show them."""

    def __init__(self) -> None:
        self.by_output: dict[tuple[str, str], Any] = {}
        self.by_asset: dict[AssetKey, Any] = {}

    def watch(self, manager: IOManager) -> IOManager:
        """The same manager, watched."""
        return _WatchedIOManager(manager, self)


class _WatchedIOManager(IOManager):
    """Passes everything on, and keeps what was stored. (`Any`: values and contexts are whatever they are.)"""

    def __init__(self, manager: IOManager, kept: KeptValues) -> None:
        self._manager = manager
        self._kept = kept

    def handle_output(self, context: Any, obj: Any) -> None:
        self._manager.handle_output(context, obj)
        self._kept.by_output[context.step_key, context.name] = obj
        self._kept.by_asset[context.asset_key] = obj

    def load_input(self, context: Any) -> Any:
        return self._manager.load_input(context)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._manager, name)


class RunRecord:
    """The events of a run in the order in which they happened."""

    def __init__(self, run_id: RunId) -> None:
        self.run_id = run_id
        self.events: list[Event] = []

    def add(self, event: Event) -> None:
        self.events.append(event)

    @property
    def failure(self) -> StepFailed | None:
        """The first step that failed for good."""
        return next((event for event in self.events if isinstance(event, StepFailed) and event.retry_at is None), None)


class ExecuteInProcessResult:
    """How a run went, and the values that it made."""

    def __init__(
        self,
        *,
        run: DagsterRun,
        steps: Sequence[PlannedStep],
        computations: Mapping[str, ComputeDefinition],
        record: RunRecord,
        kept: KeptValues,
    ) -> None:
        self._run = run
        self.steps = steps
        self._planned = {step.step for step in steps}
        self._computations = computations
        self._record = record
        self._kept = kept

    @property
    def success(self) -> bool:
        """Whether nothing failed."""
        return self._run.is_success

    @property
    def run_id(self) -> RunId:
        """The id of the run."""
        return self._run.run_id

    @property
    def dagster_run(self) -> DagsterRun:
        """The run."""
        return self._run

    # Values.

    def output_for_node(self, node_str: str, output_name: str = DEFAULT_OUTPUT) -> Any:
        """The value of a step's output (`Any`: of the user's types); none where the function stores nothing.

        Raises:
            DagsterInvariantViolationError: no such step or output in this run, or it did not succeed.
        """
        compute = self._computations.get(node_str)
        if compute is None or node_str not in self._planned:
            known = ", ".join(sorted(self._planned))
            raise DagsterInvariantViolationError(f"this run has no step {node_str!r}; its steps are: {known}")
        if (node_str, output_name) in self._kept.by_output:
            return self._kept.by_output[node_str, output_name]
        if compute.output(output_name) is None:
            known = ", ".join(output.name for output in compute.outputs) or "none"
            raise DagsterInvariantViolationError(
                f"{node_str!r} has no output {output_name!r}; its outputs are: {known}"
            )
        if not self.is_node_success(node_str):
            raise DagsterInvariantViolationError(f"{node_str!r} did not succeed in this run, so it has no value")
        return None

    def asset_value(self, asset_key: CoercibleToAssetKey) -> Any:
        """The value that this run stored for an asset (`Any`: of the user's types).

        Raises:
            DagsterInvariantViolationError: it stored none.
        """
        key = AssetKey.from_coercible(asset_key)
        try:
            return self._kept.by_asset[key]
        except KeyError:
            raise DagsterInvariantViolationError(f"this run stored no value for {key.to_user_string()!r}") from None

    # Events.

    @cached_property
    def all_events(self) -> Sequence[DagsterEvent]:
        """Everything that happened, in order."""
        return [told for event in self._record.events for told in self._told(event)]

    def filter_events(self, *kinds: str) -> Sequence[DagsterEvent]:
        """The events of these types."""
        return [event for event in self.all_events if event.event_type_value in kinds]

    def events_for_node(self, node_name: str) -> Sequence[DagsterEvent]:
        """The events of one step."""
        return [event for event in self.all_events if event.step_key == node_name]

    def get_step_success_events(self) -> Sequence[DagsterEvent]:
        """One for each step that succeeded."""
        return self.filter_events("STEP_SUCCESS")

    def get_step_failure_events(self) -> Sequence[DagsterEvent]:
        """One for each step that failed for good."""
        return self.filter_events("STEP_FAILURE")

    def get_step_skipped_events(self) -> Sequence[DagsterEvent]:
        """One for each step that did not run because an output that it reads was left out."""
        return self.filter_events("STEP_SKIPPED")

    def get_run_success_event(self) -> DagsterEvent:
        """The event that the run succeeded.

        Raises:
            DagsterInvariantViolationError: it did not.
        """
        return self._ended_by("PIPELINE_SUCCESS")

    get_job_success_event = get_run_success_event

    def get_run_failure_event(self) -> DagsterEvent:
        """The event that the run failed.

        Raises:
            DagsterInvariantViolationError: it did not.
        """
        return self._ended_by("PIPELINE_FAILURE")

    get_job_failure_event = get_run_failure_event

    def _ended_by(self, kind: str) -> DagsterEvent:
        for event in self.filter_events(kind):
            return event
        raise DagsterInvariantViolationError(f"this run has no event {kind}; it is {self._run.status.value}")

    def get_asset_materialization_events(self) -> Sequence[DagsterEvent]:
        """One for each materialisation."""
        return self.filter_events("ASSET_MATERIALIZATION")

    def get_asset_observation_events(self) -> Sequence[DagsterEvent]:
        """One for each observation."""
        return self.filter_events("ASSET_OBSERVATION")

    def get_asset_check_evaluations(self) -> Sequence[AssetCheckEvaluation]:
        """Every result of a check."""
        return [event.check_evaluation for event in self.all_events if event.check_evaluation is not None]

    def asset_materializations(self) -> Iterable[AssetMaterialization]:
        """Every materialisation, in order."""
        return [event.materialization for event in self.all_events if event.materialization is not None]

    def asset_materializations_for_node(self, node_name: str) -> Sequence[AssetMaterialization]:
        """The materialisations of one step."""
        events = self.events_for_node(node_name)
        return [event.materialization for event in events if event.materialization is not None]

    def asset_observations_for_node(self, node_name: str) -> Sequence[AssetObservation]:
        """The observations of one step."""
        return [event.observation for event in self.events_for_node(node_name) if event.observation is not None]

    # Steps.

    def is_node_success(self, node_name: str) -> bool:
        """Whether the step succeeded."""
        return any(event.is_step_success for event in self.events_for_node(node_name))

    def is_node_failed(self, node_name: str) -> bool:
        """Whether the step failed for good."""
        return any(event.is_step_failure for event in self.events_for_node(node_name))

    def is_node_untouched(self, node_name: str) -> bool:
        """Whether the step never began."""
        return not self.events_for_node(node_name)

    def retry_attempts_for_node(self, node_name: str) -> int:
        """How often the step was tried again."""
        return sum(event.event_type_value == "STEP_RESTARTED" for event in self.events_for_node(node_name))

    def _values_read(self, step: str) -> int:
        return len(self._computations[step].inputs)

    def _values_made(self, step: str) -> int:
        return len(self._computations[step].outputs)

    def _of_run(self, kind: str, message: str) -> DagsterEvent:
        return DagsterEvent(event_type_value=kind, message=message, job_name=self._run.job_name)

    def _told(self, event: Event) -> Iterable[DagsterEvent]:
        match event:
            case RunStarted():
                yield self._of_run("PIPELINE_START", "the run began")
            case RunSucceeded():
                yield self._of_run("PIPELINE_SUCCESS", "the run succeeded")
            case RunFailed(reason=reason):
                yield self._of_run("PIPELINE_FAILURE", reason)
            case StepStarted(step_id=step, attempt=1):
                yield DagsterEvent(event_type_value="STEP_START", step_key=step)
                for _ in range(self._values_read(step)):
                    yield DagsterEvent(event_type_value="STEP_INPUT", step_key=step)
            case StepStarted(step_id=step):
                yield DagsterEvent(event_type_value="STEP_RESTARTED", step_key=step)
            case StepSucceeded(step_id=step):
                for _ in range(self._values_made(step)):
                    yield DagsterEvent(event_type_value="STEP_OUTPUT", step_key=step)
                yield DagsterEvent(event_type_value="STEP_SUCCESS", step_key=step)
            case StepFailed(step_id=step, error=error, retry_at=retry_at):
                kind = "STEP_FAILURE" if retry_at is None else "STEP_UP_FOR_RETRY"
                yield DagsterEvent(event_type_value=kind, step_key=step, error=error, message=error.message)
            case AssetMaterialized() | AssetObserved() | CheckEvaluated():
                yield _result(event)
            case _:
                pass


def _result(event: AssetMaterialized | AssetObserved | CheckEvaluated) -> DagsterEvent:
    key, metadata = AssetKey.from_user_string(event.asset), decode_metadata(event.metadata)
    if isinstance(event, CheckEvaluated):
        evaluation = AssetCheckEvaluation(
            asset_key=key,
            check_name=event.check,
            passed=event.passed,
            metadata=metadata,
            severity=AssetCheckSeverity(event.severity),
            description=event.description,
            blocking=event.blocking,
            partition=event.partition,
        )
        return DagsterEvent(
            event_type_value="ASSET_CHECK_EVALUATION",
            step_key=event.step_id,
            asset_key=key,
            partition=event.partition,
            check_evaluation=evaluation,
        )
    what: dict[str, Any] = {"description": event.description, "partition": event.partition, "tags": event.tags}
    if isinstance(event, AssetObserved):
        return DagsterEvent(
            event_type_value="ASSET_OBSERVATION",
            step_key=event.step_id,
            asset_key=key,
            partition=event.partition,
            observation=AssetObservation(key, metadata=metadata, **what),
        )
    return DagsterEvent(
        event_type_value="ASSET_MATERIALIZATION",
        step_key=event.step_id,
        asset_key=key,
        partition=event.partition,
        materialization=AssetMaterialization(key, metadata=metadata, **what),
    )
