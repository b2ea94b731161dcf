"""What a run of ops begins with: its config, its resources, and what all of its ops have in common."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from upwell.clock import Clock
from upwell.definitions.compute import DEFAULT_IO_MANAGER
from upwell.definitions.errors import DagsterInvariantViolationError, DagsterUnknownPartitionError
from upwell.definitions.ops.config import ConfigMapping
from upwell.definitions.ops.graphs import OpJobDeclaration
from upwell.definitions.ops.partitioned_config import PartitionedConfig
from upwell.definitions.ops.run_config import OpsConfig, ops_config
from upwell.definitions.run_config import RunConfig, merged_config, plain_config
from upwell.events import RunId
from upwell.runtime.blocking import Blocking
from upwell.runtime.messages import StepTask
from upwell.runtime.ops.calls import Surroundings
from upwell.runtime.resources import OpenResources, said_of, with_needed


@dataclass(frozen=True, kw_only=True)
class JobConfig:
    """Run config as a whole, what it says of each op, and the resources that the run uses."""

    run_config: Mapping[str, Any]
    of_ops: OpsConfig
    resources: Mapping[str, object]


def job_config(
    job: OpJobDeclaration, said: RunConfig | Mapping[str, Any] | None, partition: str | None, now: datetime
) -> JobConfig:
    """The config of a run of this job: what was said for it, over the job's own.

    Raises:
        DagsterInvalidConfigError: it does not fit.
        DagsterUnknownPartitionError: there is no such partition.
        DagsterInvalidDefinitionError: a resource is not there.
    """
    _check_partition(job, partition, now)
    own = job.config
    if isinstance(own, PartitionedConfig):
        if partition is None:
            raise DagsterInvariantViolationError(f"job {job.name!r} has config by partition; give partition_key=")
        own = own.run_config_for(partition)
    if isinstance(own, ConfigMapping):
        run_config = dict(own.run_config_for(plain_config(said)))
    else:
        run_config = merged_config(plain_config(own), plain_config(said))
    keys = set(job.required_resource_keys)
    if DEFAULT_IO_MANAGER in job.resource_defs:
        keys.add(DEFAULT_IO_MANAGER)
    used = with_needed(job.resource_defs, keys, f"job {job.name!r}")
    schemas = {key: said_of(resource) for key, resource in used.items()}
    return JobConfig(
        run_config=run_config,
        of_ops=ops_config(job.graph, run_config, schemas, job.input_values),
        resources=used,
    )


def _check_partition(job: OpJobDeclaration, partition: str | None, now: datetime) -> None:
    if partition is None:
        return
    if job.partitions_def is None:
        raise DagsterInvariantViolationError(f"job {job.name!r} has no partitions; leave partition_key out")
    if not job.partitions_def.has_partition_key(partition, now):
        raise DagsterUnknownPartitionError(f"job {job.name!r} has no partition {partition!r}")


@contextlib.contextmanager
def opened_resources(job: OpJobDeclaration, config: JobConfig, run_id: RunId) -> Iterator[OpenResources]:
    """The resources of the run, all open; put away at the end.

    Raises:
        DagsterError: one could not be opened.
    """
    said = config.run_config.get("resources")
    with contextlib.closing(OpenResources(config.resources, said, run_id=run_id)) as opened:
        opened.namespace(config.resources, f"job {job.name!r}")
        yield opened


def surroundings_of(
    job: OpJobDeclaration,
    config: JobConfig,
    opened: OpenResources,
    *,
    run_id: RunId,
    partition: str | None,
    clock: Clock,
    blocking: Blocking,
    log: logging.Logger | None = None,
    tags: Mapping[str, str] | None = None,
) -> Surroundings:
    """What all ops of the run have in common."""
    task = StepTask(
        run_id=run_id,
        step_id=job.name,
        step=job.name,
        location="",
        attempt=1,
        now=clock.now(),
        partition=partition,
        config=dict(config.run_config),
        tags={**job.tags, **(tags or {})},
    )
    return Surroundings(
        task=task,
        job_name=job.name,
        config=config.of_ops,
        opened=opened,
        log=log or logging.getLogger("upwell.step"),
        clock=clock,
        blocking=blocking,
        partitions_def=job.partitions_def,
        hooks=job.hooks,
        retry_policy=job.retry_policy,
    )
