"""The arguments of a user function: context, config, resources, and the stored values of assets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from upwell.definitions.annotations import violation
from upwell.definitions.compute import ComputeDefinition, InputDefinition
from upwell.definitions.config.checking import check_parts
from upwell.definitions.config.classes import Config
from upwell.definitions.config.resolving import resolved_config
from upwell.definitions.errors import DagsterInvariantViolationError, DagsterTypeCheckDidNotPass
from upwell.definitions.partitions.dynamic import DynamicKeys
from upwell.definitions.partitions.mapping import (
    AllPartitionMapping,
    AnyPartitionMapping,
    LastPartitionMapping,
    upstream_partitions,
)
from upwell.definitions.partitions.union import AnyPartitionsDefinition
from upwell.definitions.run_config import config_of_op
from upwell.runtime.code import Code
from upwell.runtime.contexts import StepContext
from upwell.runtime.io.contexts import InputContext, OutputContext
from upwell.runtime.messages import StepTask
from upwell.runtime.partition_context import PartitionsRead
from upwell.runtime.resources import OpenResources


def op_config(task: StepTask, compute: ComputeDefinition) -> Any:
    """The part of the run's config that is for this function, as its schema makes it.

    Raises:
        DagsterInvalidConfigError: it does not fit.
    """
    check_parts(task.config)
    said = config_of_op(task.config, compute.name)
    return resolved_config(compute.schema, said, f"ops.{compute.name}.config")


def shown_config(config: Any) -> Any:
    """Config as `context.op_config` has it: plain data."""
    return dict(config) if isinstance(config, Config) else config


def arguments(
    task: StepTask, compute: ComputeDefinition, code: Code, context: StepContext, config: Any, opened: OpenResources
) -> dict[str, Any]:
    """Everything that the function is called with, by name. Loads the values that it reads."""
    found: dict[str, Any] = {}
    if compute.context_argument is not None:
        found[compute.context_argument] = context
    if compute.config_argument is not None:
        found[compute.config_argument] = config
    for name in compute.resource_arguments:
        found[name] = opened.get(name, f"step {compute.name!r}")
    for given in compute.inputs:
        found[given.name] = _load(task, compute, code, context, given, opened)
    return found


def _load(
    task: StepTask,
    compute: ComputeDefinition,
    code: Code,
    context: StepContext,
    given: InputDefinition,
    opened: OpenResources,
) -> Any:
    manager = code.input_manager_of(given, opened, f"argument {given.name!r} of step {compute.name!r}")
    keys = _partitions_read(task, compute, code, given)
    value = manager.load_input(_input_context(task, compute, code, context, given, keys))
    # Several partitions come as a dict, whatever one of them is.
    if (keys is None or len(keys) == 1) and (problem := violation(value, given.annotation)):
        raise DagsterTypeCheckDidNotPass(
            f"argument {given.name!r} of {compute.name!r} does not get what its annotation says: {problem}"
        )
    return value


def _partitions_read(
    task: StepTask, compute: ComputeDefinition, code: Code, given: InputDefinition
) -> Sequence[str] | None:
    """The partitions of the input's asset that the step reads; none when that has no partitions."""
    upstream = cast(AnyPartitionsDefinition | None, code.spec(given.key).partitions_def)
    if upstream is None:
        return None
    if not compute.outputs and task.partition is not None:
        return [task.partition]  # a check of one partition
    mapping = cast(AnyPartitionMapping | None, code.mapping(compute, given))
    downstream = cast(AnyPartitionsDefinition | None, compute.partitions_def)
    dynamic = DynamicKeys(task.dynamic)
    upstream = upstream.known_by(dynamic)
    downstream = None if downstream is None else downstream.known_by(dynamic)
    keys = upstream_partitions(mapping, upstream, downstream, task.partition, task.now)
    found = [key for key in keys if key is not None]
    if not isinstance(mapping, AllPartitionMapping | LastPartitionMapping):
        _check_existing(given, upstream, found, task)
    return found


def partitions_read(task: StepTask, compute: ComputeDefinition, code: Code, name: str) -> PartitionsRead | None:
    """The partitions that the argument of this name reads; none where its asset has none, or there is no such."""
    given = next((given for given in compute.inputs if given.name == name), None)
    keys = None if given is None else _partitions_read(task, compute, code, given)
    definition = None if given is None else code.spec(given.key).partitions_def
    return None if keys is None or definition is None else PartitionsRead(definition, keys)


def _check_existing(
    given: InputDefinition, upstream: AnyPartitionsDefinition, keys: Sequence[str], task: StepTask
) -> None:
    absent = [key for key in keys if not upstream.has_partition_key(key, task.now)]
    if absent and not given.metadata.get("allow_missing_partitions"):
        raise DagsterInvariantViolationError(
            f"argument {given.name!r} reads partitions that asset {given.key.to_user_string()!r} does not have: "
            f"{', '.join(absent[:5])}{' …' if len(absent) > 5 else ''}"
        )


def _input_context(
    task: StepTask,
    compute: ComputeDefinition,
    code: Code,
    context: StepContext,
    given: InputDefinition,
    keys: Sequence[str] | None,
) -> InputContext:
    spec, stored_by = code.spec(given.key), code.definitions.outputs.get(given.key)
    common: dict[str, Any] = {
        "asset_key": given.key,
        "step_key": compute.name,
        "run_id": task.run_id,
        "log": context.log,
        "resources": context.resources,
        "partitions_def": spec.partitions_def,
        "partition_keys": keys,
        "run_partition": task.partition,
    }
    return InputContext(
        **common,
        name=given.name,
        definition_metadata=given.metadata,
        annotation=given.annotation,
        upstream_output=OutputContext(
            **common, name=stored_by.name if stored_by else "result", definition_metadata=spec.metadata
        ),
    )
