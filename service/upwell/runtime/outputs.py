"""What a user function returned or yielded, taken piece by piece: stored, checked and turned into events."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from upwell.definitions.annotations import violation
from upwell.definitions.checks import AssetCheckResult, AssetCheckSpec
from upwell.definitions.compute import ComputeDefinition, OutputDefinition
from upwell.definitions.data_times import data_time_in
from upwell.definitions.errors import (
    DagsterInvariantViolationError,
    DagsterStepOutputNotFoundError,
    DagsterTypeCheckDidNotPass,
)
from upwell.definitions.keys import AssetKey
from upwell.definitions.metadata import encode_metadata
from upwell.definitions.results import (
    DEFAULT_OUTPUT,
    AssetMaterialization,
    AssetObservation,
    DataVersion,
    MaterializeResult,
    ObserveResult,
    Output,
)
from upwell.definitions.specs import UNSET
from upwell.events import AssetMaterialized, AssetObserved, CheckEvaluated
from upwell.runtime.asset_records import recorded_asset
from upwell.runtime.code import Code
from upwell.runtime.contexts import StepContext
from upwell.runtime.io.contexts import OutputContext
from upwell.runtime.messages import StepResult, StepTask
from upwell.runtime.resources import OpenResources

_RESULTS = (Output, MaterializeResult, ObserveResult, AssetCheckResult, AssetMaterialization, AssetObservation)


class Outputs:
    """Takes results in the order in which they come; `results` are what happened so far, also when an error follows."""

    def __init__(
        self,
        task: StepTask,
        compute: ComputeDefinition,
        code: Code,
        context: StepContext,
        opened: OpenResources,
    ) -> None:
        self._opened = opened
        self._task = task
        self._compute = compute
        self._code = code
        self._context = context
        self._started_at = time.perf_counter()
        self._made: set[str] = set()
        self._evaluated: set[AssetCheckSpec] = set()
        self._results: list[StepResult] = []

    @property
    def results(self) -> tuple[StepResult, ...]:
        return tuple(self._results)

    def take_returned(self, value: Any) -> None:
        """Take what a function returned (`Any`: of the user's types), and see that nothing is missing."""
        outputs = self._context.selected_outputs
        if isinstance(value, tuple) and len(outputs) > 1 and len(value) == len(outputs):
            for output, part in zip(outputs, value, strict=True):
                self._take_as(output, part)
        elif isinstance(value, tuple | list) and value and all(isinstance(part, _RESULTS) for part in value):
            for part in value:
                self.take(part)
        elif isinstance(value, _RESULTS):
            self.take(value)
        elif value is not None or any(output.has_value for output in outputs):
            self._take_as(self._output_of_plain(value), value)
        self.finish()

    def take(self, value: Any) -> None:
        """Take one thing that a generator yielded (`Any`: of the user's types)."""
        self._flush_logged_events()
        match value:
            case Output():
                self._take_output(self._output_named(value.output_name), value)
            case MaterializeResult():
                self._take_result(value)
            case ObserveResult():
                self._observe(
                    self._key(value.asset_key),
                    value.metadata,
                    value.tags,
                    value.data_version,
                    data_time=value.data_time,
                )
                self._take_checks(value.check_results)
            case AssetCheckResult():
                self._take_check(value)
            case AssetMaterialization() | AssetObservation():
                self._record(value)
            case _:
                raise DagsterInvariantViolationError(
                    f"{self._compute.name!r} yielded {value!r}; a generator yields Output(value), "
                    "MaterializeResult(…), AssetCheckResult(…) and the like"
                )

    def finish(self) -> None:
        """Materialise what needs no result of its own, and complain of what is missing.

        Raises:
            DagsterStepOutputNotFoundError: a required output or check was not returned nor yielded.
        """
        self._flush_logged_events()
        for output in self._context.selected_outputs:
            if output.name in self._made or not output.required:
                continue
            if output.has_value:
                raise DagsterStepOutputNotFoundError(
                    f"{self._compute.name!r} did not return or yield its output {output.name!r} "
                    f"(asset {output.key.to_user_string()!r}); make it optional with is_required=False"
                )
            self._materialize(output)
        for check in self._context.selected_checks:
            if check not in self._evaluated:
                raise DagsterStepOutputNotFoundError(
                    f"{self._compute.name!r} did not return or yield an AssetCheckResult for "
                    f"{check.key.to_user_string()!r}"
                )

    # Which output?

    def _output_of_plain(self, value: Any) -> OutputDefinition:
        outputs = self._context.selected_outputs
        if len(outputs) == 1:
            return outputs[0]
        wanted = f"one value for each of {', '.join(output.name for output in outputs)}" if outputs else "no value"
        if self._compute.checks and not outputs:
            wanted = "an AssetCheckResult"
        raise DagsterInvariantViolationError(f"{self._compute.name!r} is to return {wanted}, and returned {value!r}")

    def _output_named(self, name: str) -> OutputDefinition:
        output = self._compute.output(name)
        if output is None and name == DEFAULT_OUTPUT and len(self._compute.outputs) == 1:
            output = self._compute.outputs[0]
        if output is None:
            known = ", ".join(one.name for one in self._compute.outputs) or "none"
            raise DagsterInvariantViolationError(
                f"{self._compute.name!r} has no output {name!r}; its outputs are: {known}. Output(value, output_name=…)"
            )
        return output

    def _output_for(self, key: AssetKey | None) -> OutputDefinition:
        output = self._compute.output_for(self._key(key))
        if output is None:
            raise DagsterInvariantViolationError(
                f"{self._compute.name!r} does not make asset {self._key(key).to_user_string()!r}; "
                "declare it as an output"
            )
        return output

    def _key(self, key: AssetKey | None) -> AssetKey:
        if key is not None:
            return key
        if len(self._compute.outputs) != 1:
            raise DagsterInvariantViolationError(
                f"{self._compute.name!r} has {len(self._compute.outputs)} assets: say which with asset_key=…"
            )
        return self._compute.outputs[0].key

    # Values.

    def _take_as(self, output: OutputDefinition, value: Any) -> None:
        match value:
            case Output(output_name=name) if name in (DEFAULT_OUTPUT, output.name):
                self._take_output(output, value)
            case _ if isinstance(value, _RESULTS):
                self.take(value)
            case None if not output.has_value:
                self._materialize(output)
            case _:
                self._take_output(output, Output(value))

    def _take_output(self, output: OutputDefinition, given: Output[Any]) -> None:
        if problem := violation(given.value, output.annotation if output.has_value else UNSET):
            raise DagsterTypeCheckDidNotPass(
                f"{self._compute.name!r} does not return what its annotation says for {output.name!r}: {problem}"
            )
        metadata = self._store(output, given.value, given.metadata)
        self._materialize(output, metadata, given.tags, given.data_version)

    def _take_result(self, given: MaterializeResult[Any]) -> None:
        output = self._output_for(given.asset_key)
        metadata = self._store(output, given.value, given.metadata) if given.has_value else given.metadata
        self._materialize(output, metadata, given.tags, given.data_version, given.data_time)
        self._take_checks(given.check_results)

    def _store(self, output: OutputDefinition, value: Any, metadata: Mapping[str, object]) -> Mapping[str, object]:
        """Hand the value to its IO manager; answers with the metadata that it and the caller have."""
        manager = self._code.io_manager(output.io_manager_key, self._opened, f"asset {output.key.to_user_string()!r}")
        partition = self._partition_of(output)
        context = OutputContext(
            asset_key=output.key,
            name=output.name,
            step_key=self._compute.name,
            run_id=self._task.run_id,
            log=self._context.log,
            resources=self._context.resources,
            partitions_def=output.spec.partitions_def,
            partition_keys=None if partition is None else [partition],
            run_partition=self._task.partition,
            definition_metadata=output.spec.metadata,
            annotation=output.annotation,
        )
        manager.handle_output(context, value)
        return {**context.added_metadata, **metadata}

    def _partition_of(self, output: OutputDefinition) -> str | None:
        # Materialising a partitioned asset without a key is only an error when somebody asks for the key.
        return self._task.partition if output.spec.partitions_def is not None else None

    # Events.

    def _materialize(
        self,
        output: OutputDefinition,
        metadata: Mapping[str, object] | None = None,
        tags: Mapping[str, str] | None = None,
        data_version: DataVersion | None = None,
        data_time: datetime | None = None,
    ) -> None:
        if output.name in self._made:
            raise DagsterInvariantViolationError(f"{self._compute.name!r} gave its output {output.name!r} twice")
        self._made.add(output.name)
        metadata = {**self._context.metadata_added_to(output.key), **(metadata or {})}
        event = AssetMaterialized(
            asset=output.key.to_user_string(),
            partition=self._partition_of(output),
            run_id=self._task.run_id,
            step_id=self._task.step_id,
            metadata=encode_metadata(metadata),
            tags=dict(tags or {}),
            code_version=output.spec.code_version,
            data_version=data_version.value if data_version else None,
            duration=time.perf_counter() - self._started_at,
            data_time=data_time or data_time_in(metadata, f"asset {output.key.to_user_string()!r}"),
        )
        self._results.append(event)

    def _observe(
        self,
        key: AssetKey,
        metadata: Mapping[str, object],
        tags: Mapping[str, str],
        data_version: DataVersion | None = None,
        description: str | None = None,
        partition: str | None = None,
        data_time: datetime | None = None,
    ) -> None:
        event = AssetObserved(
            asset=key.to_user_string(),
            partition=partition if partition is not None else self._task.partition,
            run_id=self._task.run_id,
            step_id=self._task.step_id,
            metadata=encode_metadata(metadata),
            description=description,
            tags=dict(tags),
            data_version=data_version.value if data_version else None,
            data_time=data_time or data_time_in(metadata, f"asset {key.to_user_string()!r}"),
        )
        self._results.append(event)

    def _record(self, given: AssetMaterialization | AssetObservation) -> None:
        self._results.append(recorded_asset(given, self._task))

    def _flush_logged_events(self) -> None:
        logged, self._context.logged_events = self._context.logged_events, []
        for event in logged:
            self._record(event)

    # Checks.

    def _take_checks(self, results: Iterable[AssetCheckResult]) -> None:
        for result in results:
            self._take_check(result)

    def _take_check(self, given: AssetCheckResult) -> None:
        check = self._check_of(given)
        if check in self._evaluated:
            raise DagsterInvariantViolationError(f"{check.key.to_user_string()!r} was evaluated twice in one step")
        self._evaluated.add(check)
        event = CheckEvaluated(
            asset=check.asset_key.to_user_string(),
            check=check.name,
            passed=given.passed,
            severity=given.severity.value,
            blocking=check.blocking,
            partition=self._task.partition,
            run_id=self._task.run_id,
            step_id=self._task.step_id,
            metadata=encode_metadata(given.metadata),
            description=given.description,
        )
        self._results.append(event)

    def _check_of(self, given: AssetCheckResult) -> AssetCheckSpec:
        found = [
            check
            for check in self._compute.checks
            if given.check_name in (None, check.name) and given.asset_key in (None, check.asset_key)
        ]
        if len(found) == 1:
            return found[0]
        known = ", ".join(check.key.to_user_string() for check in self._compute.checks) or "none"
        raise DagsterInvariantViolationError(
            f"{self._compute.name!r} returned a result for the check {given.check_name or '(no name)'!r}, which is "
            f"{'not one of its checks' if not found else 'one of several'} ({known}); give check_name and asset_key"
        )
