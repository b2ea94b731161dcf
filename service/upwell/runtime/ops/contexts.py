"""What ops and hooks are told, under Dagster's names."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from upwell.clock import SystemClock
from upwell.definitions.compute import ComputeDefinition
from upwell.definitions.errors import DagsterInvariantViolationError
from upwell.definitions.metadata import MetadataValue, normalize_metadata
from upwell.definitions.results import DEFAULT_OUTPUT
from upwell.events import new_run_id
from upwell.runtime.contexts import StepContext
from upwell.runtime.messages import StepTask


class OpExecutionContext(StepContext):
    """What an op is told."""

    def __init__(
        self,
        *,
        task: StepTask,
        compute: ComputeDefinition,
        log: logging.Logger,
        resources: Mapping[str, object],
        op_config: Any = None,  # JSON, or what the config argument's type made of it
        job_name: str = "",
        op: Any = None,  # the OpDefinition
        mapping_key: str | None = None,
    ) -> None:
        super().__init__(task=task, compute=compute, log=log, resources=resources, op_config=op_config)
        self.job_name = job_name
        self.op = self.op_def = op
        self._mapping_key = mapping_key
        self._metadata_of_outputs: dict[str, dict[str, MetadataValue]] = {}

    @property
    def step_key(self) -> str:
        """The op's place in the job, with the key of a dynamic value that it runs for."""
        return self._task.step_id

    def get_mapping_key(self) -> str | None:
        """The key of the dynamic value that it runs for; none when it runs once."""
        return self._mapping_key

    def add_output_metadata(
        self, metadata: Mapping[str, object], output_name: str | None = None, mapping_key: str | None = None
    ) -> None:
        """Add entries to what the IO manager of an output is told."""
        known = self._metadata_of_outputs.setdefault(output_name or DEFAULT_OUTPUT, {})
        known.update(normalize_metadata(metadata))

    def metadata_of(self, output_name: str) -> Mapping[str, MetadataValue]:
        """What has been added for an output so far."""
        return self._metadata_of_outputs.get(output_name, {})


@dataclass(frozen=True, kw_only=True)
class HookContext:
    """What a hook is told of the op that ended."""

    op: Any = None  # the OpDefinition, under the name that it has in the job
    op_config: Any = None
    op_exception: BaseException | None = None
    op_output_values: Mapping[str, Any] = field(default_factory=dict)
    log: logging.Logger = field(default_factory=lambda: logging.getLogger("upwell.hook"))
    resources: SimpleNamespace = field(default_factory=SimpleNamespace)
    run_id: str = "EPHEMERAL"
    job_name: str = ""
    step_key: str = ""
    hook_def: Any = None  # the HookDefinition
    instance: Any = None  # of a test that gave one


def build_op_context(
    resources: Mapping[str, object] | None = None,
    op_config: Any = None,  # of the schema's type
    partition_key: str | None = None,
    run_tags: Mapping[str, str] | None = None,
    mapping_key: str | None = None,
    config: Any = None,  # another name of op_config
    instance: Any = None,  # accepted and not used
) -> OpExecutionContext:
    """A context for calling an op directly in a test."""

    def function() -> None: ...

    if op_config is not None and config is not None:
        raise DagsterInvariantViolationError("config and op_config are the same; give one of them")
    task = StepTask(
        run_id=new_run_id(),
        step_id="test",
        step="test",
        location="test",
        attempt=1,
        now=SystemClock().now(),
        partition=partition_key,
        tags=dict(run_tags or {}),
    )
    return OpExecutionContext(
        task=task,
        compute=ComputeDefinition(name="test", function=function, style="function"),
        log=logging.getLogger("upwell.step"),
        resources=resources or {},
        op_config=config if op_config is None else op_config,
        mapping_key=mapping_key,
    )


def build_hook_context(
    resources: Mapping[str, object] | None = None,
    op: Any = None,  # an OpDefinition
    run_id: str | None = None,
    job_name: str | None = None,
    op_exception: Exception | None = None,
    instance: Any = None,
) -> HookContext:
    """A context for calling a hook directly in a test."""
    return HookContext(
        op=op,
        op_exception=op_exception,
        resources=SimpleNamespace(**(resources or {})),
        run_id=run_id or "EPHEMERAL",
        job_name=job_name or "",
        instance=instance,
    )
