"""Which runs exactly are wanted: each request checked against what its sensor or schedule may ask for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from upwell.definitions.declarations import Declarations
from upwell.definitions.errors import (
    DagsterInvalidSubsetError,
    DagsterInvariantViolationError,
    DagsterUnknownPartitionError,
)
from upwell.definitions.keys import AssetKey
from upwell.definitions.run_requests import PARTITION_TAG, RunRequest
from upwell.definitions.selection import select
from upwell.definitions.sensing import SensingDefinition
from upwell.definitions.sensor_nodes import assets_wanted
from upwell.definitions.targets import IMPLICIT_JOB
from upwell.events import WantedRun


def resolved(
    requests: Iterable[RunRequest], asker: SensingDefinition, project: Declarations | None, now: datetime | None
) -> list[RunRequest]:
    """The requests as they count: with the job or the assets that each is for, and with tags that say who asked.

    `project` is none in a test that gave no definitions; then only what needs none can be asked for. A partition has to
    exist at `now` (or at present).

    Raises:
        DagsterInvalidSubsetError: assets that the asker is not for.
        DagsterUnknownPartitionError: there is no such partition.
        DagsterInvariantViolationError: a job that the asker may not ask for, or nothing that it could be for.
    """
    listed = list(requests)
    if listed and not asker.target.names and asker.target.selection is None:
        raise DagsterInvariantViolationError(
            f"{asker.what} asks for a run and does not say of what; give it job=, jobs= or target="
        )
    return [_resolved(request, asker, project, now) for request in listed]


def wanted_run(request: RunRequest, asker: SensingDefinition, project: Declarations) -> WantedRun:
    """A resolved request as the event that the service acts on.

    Raises:
        DagsterInvalidSubsetError: assets that are not of the job.
    """
    names = asker.target.names
    job = (request.job_name or names[0]) if asker.target.selection is None else None
    asked = None if request.asset_selection is None else [key.to_user_string() for key in request.asset_selection]
    if job is not None and asked is not None:
        _check_part(asked, _assets_of_job(job, project), f"job {job!r}", asker)
    if asker.target.selection is not None:
        everything = assets_wanted(asker, project.graph)
        _check_part(asked or (), everything, f"what {asker.what} is for", asker)
        asked = asked or sorted(everything)
    return WantedRun(
        run_key=request.run_key,
        job=job,
        assets=tuple(project.graph.in_order(asked or ())),
        partition=request.partition_key,
        config=dict(request.run_config) or None,
        tags=request.tags,
    )


def _resolved(
    request: RunRequest, asker: SensingDefinition, project: Declarations | None, now: datetime | None
) -> RunRequest:
    names = asker.target.names
    if asker.target.selection is not None and not names:
        request = _of_assets(request, asker, _needed(project, asker))
    elif request.job_name is None and len(names) > 1:
        raise DagsterInvariantViolationError(
            f"{asker.what} has several jobs; say which: RunRequest(job_name=one of {', '.join(names)})"
        )
    elif request.job_name is not None and request.job_name not in names:
        raise DagsterInvariantViolationError(
            f"{asker.what} asks for job {request.job_name!r}; it may ask for {', '.join(names)}. Add it to jobs="
        )
    tags = {**request.tags, f"dagster/{asker.noun}_name": asker.name}
    if request.partition_key and PARTITION_TAG not in request.tags:
        _check_partition(request, request.partition_key, asker, _needed(project, asker), now)
        tags[PARTITION_TAG] = request.partition_key
    return request.with_replaced_attrs(tags=tags)


def _of_assets(request: RunRequest, asker: SensingDefinition, project: Declarations) -> RunRequest:
    everything = assets_wanted(asker, project.graph)
    if request.asset_selection is None:
        keys: Sequence[AssetKey] = [AssetKey.from_user_string(key) for key in project.graph.in_order(everything)]
    else:
        keys = request.asset_selection
        _check_part([key.to_user_string() for key in keys], everything, f"what {asker.what} is for", asker)
    return request.with_replaced_attrs(job_name=IMPLICIT_JOB, asset_selection=list(keys))


def _check_part(keys: Iterable[str], whole: Iterable[str], of: str, asker: SensingDefinition) -> None:
    if strange := sorted(set(keys) - set(whole)):
        raise DagsterInvalidSubsetError(
            f"{asker.what} asks for {', '.join(strange)}, which is no part of {of}; it may ask for "
            f"{', '.join(sorted(whole)) or 'nothing'}"
        )


def _check_partition(
    request: RunRequest, key: str, asker: SensingDefinition, project: Declarations, now: datetime | None
) -> None:
    if request.asset_selection is not None:
        _check_part(
            [one.to_user_string() for one in request.asset_selection], project.graph.assets, "the project", asker
        )
        found = project.partitions_of_assets(one.to_user_string() for one in request.asset_selection)
        whose = "the assets asked for"
    elif asker.target.selection is not None:
        found, whose = project.partitions_of_assets(assets_wanted(asker, project.graph)), "its assets"
    else:
        name = request.job_name or asker.target.names[0]
        job = next((job for job in project.jobs if job.name == name), None)
        own = None if job is None else job.partitions_def
        found = project.partitions_of_assets(_assets_of_job(name, project)) if own is None else [own]
        whose = f"job {name!r}"
    if len(found) != 1:
        raise DagsterInvariantViolationError(
            f"{asker.what} asks for partition {key!r}, but {whose} has "
            f"{'several kinds of partitions' if found else 'no partitions'}; leave partition_key out, or ask for others"
        )
    if not found[0].has_partition_key(key, now):
        raise DagsterUnknownPartitionError(f"{asker.what} asks for partition {key!r}, which {whose} does not have")


def _assets_of_job(name: str, project: Declarations) -> set[str]:
    for job in project.jobs:
        if job.name == name:
            graph = project.graph
            return {key for key in select(graph, job.selection) if graph.assets[key].step is not None}
    known = ", ".join(job.name for job in project.jobs) or "none"
    raise DagsterInvariantViolationError(f"there is no job {name!r}; the jobs are: {known}")


def _needed(project: Declarations | None, asker: SensingDefinition) -> Declarations:
    if project is None:
        raise DagsterInvariantViolationError(
            f"{asker.what} asks for assets or a partition, which takes the definitions to check: give the context "
            "definitions= or repository_def="
        )
    return project
