"""`context`: what user functions are told of the step that they run in, under Dagster's names."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime
from types import SimpleNamespace
from typing import Any, TypeAlias

from upwell.clock import SystemClock
from upwell.definitions.checks import AssetCheckSpec
from upwell.definitions.compute import ComputeDefinition, OutputDefinition
from upwell.definitions.errors import DagsterInvariantViolationError
from upwell.definitions.keys import AssetCheckKey, AssetKey
from upwell.definitions.metadata import MetadataValue, normalize_metadata
from upwell.definitions.results import AssetMaterialization, AssetObservation
from upwell.definitions.updates import Update
from upwell.events import RunId, new_run_id
from upwell.runtime.messages import StepTask, TriggerEvent
from upwell.runtime.partition_context import PartitionContext, PartitionsOf

LoggedEvent: TypeAlias = AssetMaterialization | AssetObservation


@dataclass(frozen=True, kw_only=True)
class RunInfo:
    """The run that the step belongs to."""

    run_id: RunId
    tags: Mapping[str, str] = field(default_factory=dict)
    run_config: Any = None  # whatever JSON the caller of the run gave


class StepContext(PartitionContext):
    """What every function is told; the base of the contexts below."""

    def __init__(
        self,
        *,
        task: StepTask,
        compute: ComputeDefinition,
        log: logging.Logger,
        resources: Mapping[str, object],
        op_config: Any = None,  # JSON, or what the config argument's type made of it
        partitions_read: PartitionsOf = lambda name: None,
    ) -> None:
        super().__init__(task, compute, partitions_read)
        self.log = log
        self.resources = SimpleNamespace(**resources)
        self.op_config = op_config
        self.logged_events: list[LoggedEvent] = []
        self._added_metadata: dict[AssetKey, dict[str, MetadataValue]] = {}

    # The run.

    @property
    def run_id(self) -> RunId:
        """The id of the run."""
        return self._task.run_id

    @property
    def run(self) -> RunInfo:
        """The run."""
        return RunInfo(run_id=self._task.run_id, tags=self._task.tags, run_config=self._task.config)

    dagster_run = run

    @property
    def run_tags(self) -> Mapping[str, str]:
        """The tags of the run."""
        return self._task.tags

    def has_tag(self, key: str) -> bool:
        """Whether the run has a tag of this name."""
        return key in self._task.tags

    def get_tag(self, key: str) -> str | None:
        """The value of a tag of the run."""
        return self._task.tags.get(key)

    @property
    def retry_number(self) -> int:
        """How many attempts there were before this one."""
        return self._task.attempt - 1

    @property
    def events(self) -> Sequence[TriggerEvent]:
        """The events that this materialisation answers; none for a run that somebody asked for."""
        return self._task.events

    @property
    def op_execution_context(self) -> StepContext:
        """This context (Dagster has another one inside)."""
        return self

    def log_event(self, event: LoggedEvent) -> None:
        """Record that an asset was materialised or looked at, beside what the function returns."""
        self.logged_events.append(event)

    # The assets.

    @property
    def selected_asset_keys(self) -> AbstractSet[AssetKey]:
        """The assets to be made."""
        return {output.key for output in self.selected_outputs}

    @property
    def selected_output_names(self) -> AbstractSet[str]:
        """The outputs to be made."""
        return {output.name for output in self.selected_outputs}

    @property
    def selected_outputs(self) -> Sequence[OutputDefinition]:
        """The outputs to be made: all, where a task asks for nothing; none, where it asks for checks alone."""
        asked = set(self._task.assets)
        everything = not asked and not self._task.checks
        return [output for output in self._compute.outputs if everything or output.key.to_user_string() in asked]

    @property
    def selected_checks(self) -> Sequence[AssetCheckSpec]:
        """The checks to be evaluated."""
        asked = set(self._task.checks)
        return [check for check in self._compute.checks if check.key.to_user_string() in asked]

    @property
    def selected_asset_check_keys(self) -> AbstractSet[AssetCheckKey]:
        """The keys of the checks to be evaluated."""
        return {check.key for check in self.selected_checks}

    @property
    def is_subset(self) -> bool:
        """Whether only part of the assets is to be made."""
        return len(self.selected_outputs) < len(self._compute.outputs)

    @property
    def asset_key(self) -> AssetKey:
        """The key of the only asset.

        Raises:
            DagsterInvariantViolationError: there are several, or none.
        """
        if len(self._compute.outputs) != 1:
            raise DagsterInvariantViolationError(
                f"step {self._task.step_id!r} has {len(self._compute.outputs)} assets; "
                "use selected_asset_keys or asset_key_for_output(name)"
            )
        return self._compute.outputs[0].key

    def asset_key_for_output(self, output_name: str = "result") -> AssetKey:
        """The asset that an output makes."""
        return self._output(output_name).key

    def output_for_asset_key(self, asset_key: AssetKey) -> str:
        """The name of the output that makes an asset."""
        output = self._compute.output_for(asset_key)
        if output is None:
            raise DagsterInvariantViolationError(f"this function does not make asset {asset_key.to_user_string()!r}")
        return output.name

    # Metadata.

    def add_output_metadata(self, metadata: Mapping[str, object], output_name: str | None = None) -> None:
        """Add entries to the metadata of the materialisation that follows."""
        output = self._sole_output() if output_name is None else self._output(output_name)
        self._add_metadata(output.key, metadata)

    def add_asset_metadata(self, metadata: Mapping[str, object], asset_key: AssetKey | str | None = None) -> None:
        """Add entries to the metadata of the materialisation of one asset that follows."""
        self._add_metadata(self.asset_key if asset_key is None else AssetKey.from_coercible(asset_key), metadata)

    def metadata_added_to(self, key: AssetKey) -> Mapping[str, MetadataValue]:
        """What has been added to the metadata of an asset so far."""
        return self._added_metadata.get(key, {})

    def _add_metadata(self, key: AssetKey, metadata: Mapping[str, object]) -> None:
        self._added_metadata.setdefault(key, {}).update(normalize_metadata(metadata))

    def _sole_output(self) -> OutputDefinition:
        if len(self._compute.outputs) != 1:
            names = ", ".join(output.name for output in self._compute.outputs)
            raise DagsterInvariantViolationError(
                f"say which output the metadata is for: output_name=one of {names or 'none'}"
            )
        return self._compute.outputs[0]

    def _output(self, name: str) -> OutputDefinition:
        output = self._compute.output(name)
        if output is None:
            names = ", ".join(output.name for output in self._compute.outputs)
            raise DagsterInvariantViolationError(f"there is no output {name!r}; the outputs are: {names or 'none'}")
        return output


class AssetExecutionContext(StepContext):
    """What a function that makes assets is told."""


class AssetCheckExecutionContext(StepContext):
    """What a function that checks an asset is told."""

    @property
    def asset_key(self) -> AssetKey:
        """The asset that is checked."""
        return self.check_specs[0].asset_key

    @property
    def check_specs(self) -> Sequence[AssetCheckSpec]:
        """The checks that the function evaluates."""
        return self._compute.checks

    @property
    def now(self) -> datetime:
        """The instant at which the step began."""
        return self._task.now

    def update_of(self, asset: AssetKey) -> Update:
        """When an asset that the check asks about was updated last, as the journal had it when the step began."""
        return next(update for update in self._task.updates if update.asset == asset.to_user_string())


def build_asset_context(
    *,
    partition_key: str | None = None,
    resources: Mapping[str, object] | None = None,
    asset_config: Any = None,  # JSON
    events: Sequence[TriggerEvent] = (),
    run_tags: Mapping[str, str] | None = None,
    now: datetime | None = None,
) -> AssetExecutionContext:
    """A context for calling an asset's function directly in a test."""

    def function() -> None: ...

    task = StepTask(
        run_id=new_run_id(),
        step_id="test",
        step="test",
        location="test",
        attempt=1,
        now=now or SystemClock().now(),
        partition=partition_key,
        events=tuple(events),
        tags=dict(run_tags or {}),
    )
    return AssetExecutionContext(
        task=task,
        compute=ComputeDefinition(name="test", function=function, style="function"),
        log=logging.getLogger("upwell.step"),
        resources=resources or {},
        op_config=asset_config,
    )
