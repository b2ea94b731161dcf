"""Which runs exactly are wanted: each request checked against what its sensor or schedule may ask for."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from functools import cached_property

from upwell.definitions.declarations import Declarations
from upwell.definitions.errors import (
    DagsterInvalidSubsetError,
    DagsterInvariantViolationError,
    DagsterUnknownPartitionError,
)
from upwell.definitions.jobs import JobDeclaration
from upwell.definitions.keys import AssetCheckKey, AssetKey
from upwell.definitions.partitions.definition import (
    PARTITION_TAG,
    DynamicPartitionsStore,
    PartitionsDefinition,
)
from upwell.definitions.run_requests import RunRequest
from upwell.definitions.selection import select, select_checks
from upwell.definitions.sensing import SensingDefinition
from upwell.definitions.sensor_nodes import assets_wanted, checks_wanted
from upwell.definitions.targets import IMPLICIT_JOB
from upwell.events import WantedRun


class Asker:
    """A sensor or schedule that asks for runs of what `project` has.

    `project` is none in a test that gave no definitions; then only what needs none can be asked for. A partition has to
    exist at `now`; none is the present. `store` knows the keys of dynamic partitions.
    """

    def __init__(
        self,
        asking: SensingDefinition,
        project: Declarations | None,
        now: datetime | None,
        store: DynamicPartitionsStore | None = None,
    ) -> None:
        self._asking = asking
        self._what = asking.what
        self._names = asking.target.names
        self._given_project = project
        self._now = now
        self._store = store
        self._assets_by_job: dict[str, set[str]] = {}

    def resolved(self, requests: Iterable[RunRequest]) -> list[RunRequest]:
        """The requests as they count: with the job or the assets that each is for, and with tags that say who asked.

        Raises:
            DagsterInvalidSubsetError: assets that the asker is not for.
            DagsterUnknownPartitionError: there is no such partition.
            DagsterInvariantViolationError: a job that the asker may not ask for, or nothing that it could be for.
        """
        listed = list(requests)
        if listed and not self._names and self._asking.target.selection is None:
            raise DagsterInvariantViolationError(
                f"{self._what} asks for a run and does not say of what; give it job=, jobs= or target="
            )
        return [self._resolved(request) for request in listed]

    def wanted_run(self, request: RunRequest) -> WantedRun:
        """A resolved request as the event that the service acts on.

        Raises:
            DagsterInvalidSubsetError: assets or checks that are not of the job.
        """
        job = (request.job_name or self._names[0]) if self._asking.target.selection is None else None
        asked = [key.to_user_string() for key in request.asset_selection or ()]
        checks = [key.to_user_string() for key in request.asset_check_keys or ()]
        if job is not None and asked:
            self._check_part(asked, self._assets_of(job), f"job {job!r}")
        if job is not None and checks:
            self._check_checks(checks, self._assets_of(job), self._checks_of(job), f"job {job!r}")
        if job is None:
            self._check_part(asked, self._own_assets, f"what {self._what} is for")
            self._check_checks(checks, self._own_assets, self._own_checks, f"what {self._what} is for")
        if job is None and not asked and not checks:
            asked, checks = sorted(self._own_assets), sorted(self._own_checks)
        return WantedRun(
            run_key=request.run_key,
            job=job,
            assets=tuple(self._project.graph.in_order(asked)) if asked else (),
            checks=tuple(dict.fromkeys(checks)),
            partition=request.partition_key,
            config=dict(request.run_config) or None,
            tags=request.tags,
        )

    def _resolved(self, request: RunRequest) -> RunRequest:
        if self._asking.target.selection is not None and not self._names:
            request = self._of_assets(request)
        elif request.job_name is None and len(self._names) > 1:
            raise DagsterInvariantViolationError(
                f"{self._what} has several jobs; say which: RunRequest(job_name=one of {', '.join(self._names)})"
            )
        elif request.job_name is not None and request.job_name not in self._names:
            raise DagsterInvariantViolationError(
                f"{self._what} asks for job {request.job_name!r}; it may ask for {', '.join(self._names)}. "
                "Add the other to jobs="
            )
        tags = {**request.tags, f"dagster/{self._asking.noun}_name": self._asking.name}
        if request.partition_key and PARTITION_TAG not in request.tags:
            tags |= self._checked_partition(request, request.partition_key).get_tags_for_partition_key(
                request.partition_key
            )
        return request.with_replaced_attrs(tags=tags)

    def _of_assets(self, request: RunRequest) -> RunRequest:
        keys, checks = request.asset_selection, request.asset_check_keys
        if not keys and not checks:
            keys = [AssetKey.from_user_string(key) for key in self._project.graph.in_order(self._own_assets)]
            checks = [AssetCheckKey.from_user_string(key) for key in sorted(self._own_checks)] or None
        whole = f"what {self._what} is for"
        self._check_part((key.to_user_string() for key in keys or ()), self._own_assets, whole)
        asked = [key.to_user_string() for key in checks or ()]
        self._check_checks(asked, self._own_assets, self._own_checks, whole)
        return request.with_replaced_attrs(
            job_name=IMPLICIT_JOB, asset_selection=list(keys or ()), asset_check_keys=checks
        )

    def _check_checks(self, checks: Iterable[str], assets: Collection[str], whole: Collection[str], of: str) -> None:
        """Each is one of `whole`, or a check of `assets`."""
        listed = list(checks)
        if listed:
            known = self._project.graph.checks
            self._check_part(listed, {*whole, *(key for key, node in known.items() if node.asset in assets)}, of)

    def _check_part(self, keys: Iterable[str], whole: Collection[str], of: str) -> None:
        if strange := sorted(key for key in keys if key not in whole):
            raise DagsterInvalidSubsetError(
                f"{self._what} asks for {', '.join(strange)}, which is no part of {of}; it may ask for "
                f"{', '.join(sorted(whole)) or 'nothing'}"
            )

    def _checked_partition(self, request: RunRequest, key: str) -> PartitionsDefinition:
        found, whose = self._partitions(request)
        if len(found) != 1:
            raise DagsterInvariantViolationError(
                f"{self._what} asks for partition {key!r}, but of {whose} there are "
                f"{'several kinds of partitions' if found else 'no partitions'}; leave partition_key out, or ask for "
                "other assets"
            )
        if not found[0].has_partition_key(key, self._now, self._store):
            raise DagsterUnknownPartitionError(f"{self._what} asks for partition {key!r}, and of {whose} there is none")
        return found[0]

    def _partitions(self, request: RunRequest) -> tuple[Sequence[PartitionsDefinition], str]:
        """The partitions that a request may be for, and whose they are."""
        if request.asset_selection or request.asset_check_keys:
            keys = [one.to_user_string() for one in request.asset_selection or ()]
            keys += [one.asset_key.to_user_string() for one in request.asset_check_keys or ()]
            self._check_part(keys, self._project.graph.assets, "the project")
            return self._project.partitions_of_assets(keys), "the assets asked for"
        if self._asking.target.selection is not None:
            return self._project.partitions_of_assets(self._own_assets), f"the assets of {self._what}"
        name = request.job_name or self._names[0]
        own = self._job(name).partitions_def
        return self._project.partitions_of_assets(self._assets_of(name)) if own is None else [own], f"job {name!r}"

    @cached_property
    def _project(self) -> Declarations:
        if self._given_project is None:
            raise DagsterInvariantViolationError(
                f"{self._what} asks for assets or a partition, which takes the definitions to check: give the context "
                "definitions= or repository_def="
            )
        return self._given_project

    @cached_property
    def _own_assets(self) -> set[str]:
        return assets_wanted(self._asking, self._project.graph)

    @cached_property
    def _own_checks(self) -> set[str]:
        return checks_wanted(self._asking, self._project.graph)

    def _checks_of(self, job: str) -> set[str]:
        return select_checks(self._project.graph, self._job(job).selection)

    def _assets_of(self, job: str) -> set[str]:
        if job not in self._assets_by_job:
            graph = self._project.graph
            chosen = select(graph, self._job(job).selection)
            self._assets_by_job[job] = {key for key in chosen if graph.assets[key].step is not None}
        return self._assets_by_job[job]

    def _job(self, name: str) -> JobDeclaration:
        for job in self._project.jobs:
            if job.name == name:
                return job
        known = ", ".join(job.name for job in self._project.jobs) or "none"
        raise DagsterInvariantViolationError(f"there is no job {name!r}; the jobs are: {known}")
