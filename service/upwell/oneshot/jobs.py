"""Jobs that run here and now, in this process: `defs.resolve_job_def("daily").execute_in_process()`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from upwell.definitions.definitions import Definitions as DeclaredDefinitions
from upwell.definitions.jobs import JobDeclaration
from upwell.definitions.ops.graphs import OpJobDeclaration
from upwell.definitions.run_config import RunConfig, plain_config
from upwell.oneshot.instance import DagsterInstance
from upwell.oneshot.job import JobDefinition
from upwell.oneshot.ops import OpJob
from upwell.oneshot.result import ExecuteInProcessResult
from upwell.oneshot.running import execute


class AssetJob(JobDefinition):
    """A job of assets together with the definitions that it runs on."""

    def __init__(self, job: JobDeclaration, definitions: Definitions) -> None:
        self.name = job.name
        self._job = job
        self._definitions = definitions

    def execute_in_process(
        self,
        run_config: RunConfig | Mapping[str, Any] | None = None,
        instance: DagsterInstance | None = None,
        partition_key: str | None = None,
        raise_on_error: bool = True,
        tags: Mapping[str, str] | None = None,
        resources: Mapping[str, object] | None = None,
    ) -> ExecuteInProcessResult:
        return execute(
            [*self._definitions.assets, *self._definitions.asset_checks],
            job_name=self.name,
            selection=self._job.selection,
            partition_key=partition_key,
            resources={**self._definitions.resources, **(resources or {})},
            run_config=plain_config(run_config) or self._job.config,
            tags={**self._job.tags, **(tags or {})},
            instance=instance,
            raise_on_error=raise_on_error,
        )


class Definitions(DeclaredDefinitions):
    """Assets, checks, jobs, and the resources that they use, by key.

    Whether they fit together is found out when the project is loaded, or by `Definitions.validate_loadable(defs)`.

    Raises:
        DagsterInvalidDefinitionError: something else than a definition is among them.
    """

    def resolve_job_def(self, name: str) -> JobDefinition:
        """The job of this name, ready to run in this process.

        Raises:
            DagsterInvariantViolationError: there is none.
        """
        job = self.job(name)
        return OpJob.bound(job, self.resources) if isinstance(job, OpJobDeclaration) else AssetJob(job, self)

    def resolve_all_job_defs(self) -> Sequence[JobDefinition]:
        """Every job that is declared, ready to run in this process."""
        return [self.resolve_job_def(job.name) for job in self.jobs]

    get_all_job_defs = resolve_all_job_defs
    get_job_def = resolve_job_def
    get_job = resolve_job_def
