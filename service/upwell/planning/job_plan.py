"""The plan of a job of ops: one step. Pure."""

from __future__ import annotations

from datetime import datetime

from upwell.definitions.snapshot import JobNode
from upwell.errors import PartitionError
from upwell.events import PlannedStep


def op_job_plan(job: JobNode, partition: str | None, now: datetime) -> tuple[PlannedStep, ...]:
    """The step that runs the job.

    Raises:
        PartitionError: the partition does not exist, or is missing or in vain.
    """
    if job.step is None:
        raise ValueError(f"job {job.name!r} is one of assets")
    if job.partitions is None and partition is not None:
        raise PartitionError(f"job {job.name} has no partitions. Leave out the partition {partition!r}")
    if job.partitions is not None and partition is None:
        raise PartitionError(f"job {job.name} is partitioned. Say which partition")
    if job.partitions is not None and partition is not None and not job.partitions.has_partition_key(partition, now):
        raise PartitionError(f"job {job.name} has no partition {partition!r}")
    id = job.step if partition is None else f"{job.step}@{partition}"
    return (PlannedStep(id=id, step=job.step, partition=partition, asked=True),)


def lane_of_job(job: JobNode, partition: str | None) -> str:
    """The lane of a run of ops: runs of one job and partition go one after the other."""
    return f"job:{job.name}" if partition is None else f"job:{job.name}@{partition}"
