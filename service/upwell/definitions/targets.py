"""What a sensor or a schedule asks runs of: jobs, or assets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from upwell.definitions.assets import AssetsDefinition
from upwell.definitions.jobs import AssetJobDefinition, JobDeclaration
from upwell.definitions.selection import AssetSelection, CoercibleToAssetSelection
from upwell.definitions.signature import Place
from upwell.definitions.specs import AssetSpec

CoercibleToTarget: TypeAlias = CoercibleToAssetSelection | JobDeclaration

IMPLICIT_JOB = "__ASSET_JOB"
"""The job of run requests for assets that belong to no job of the user's (as in Dagster)."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """Jobs, or assets.

    Attributes:
        jobs: jobs as declared, or the names of jobs that are declared elsewhere.
        selection: assets, in place of jobs.
        anonymous: the job that Dagster makes of assets that are given as `target=`, not of `asset_selection=`; it
            exists in name only.
        assets: definitions among the assets given; they belong to the project without being listed once more.
    """

    jobs: tuple[JobDeclaration | str, ...] = ()
    selection: AssetSelection | None = None
    anonymous: AssetJobDefinition | None = None
    assets: tuple[AssetsDefinition | AssetSpec, ...] = field(default=(), compare=False)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the jobs that a run request may ask for."""
        if self.anonymous is not None:
            return (self.anonymous.name,)
        return tuple(job if isinstance(job, str) else job.name for job in self.jobs)

    @property
    def declared_jobs(self) -> tuple[JobDeclaration, ...]:
        """The jobs that are given as such, not by name."""
        return tuple(job for job in self.jobs if isinstance(job, JobDeclaration))


def target_of(
    what: str,
    name: str,
    place: Place,
    *,
    job: JobDeclaration | None = None,
    jobs: Sequence[JobDeclaration] | None = None,
    job_name: str | None = None,
    selection: CoercibleToAssetSelection | None = None,
    target: CoercibleToTarget | None = None,
) -> Target:
    """The one target that is given, or none.

    Raises:
        DagsterInvalidDefinitionError: there are several.
        TypeError: something that is no job.
    """
    given = {"job": job, "jobs": jobs, "job_name": job_name, "asset_selection": selection, "target": target}
    named = [key for key, value in given.items() if value is not None]
    if len(named) > 1:
        raise place.error(f"{what} has {' and '.join(named)}; give one of them")
    if isinstance(target, JobDeclaration):
        job = target
    elif target is not None:
        objects = target if isinstance(target, list | tuple) else [target]
        chosen = AssetSelection.from_coercible(target)
        return Target(
            selection=chosen,
            anonymous=AssetJobDefinition(name=f"__anonymous_asset_job_{name}", selection=chosen, place=place),
            assets=tuple(one for one in objects if isinstance(one, AssetsDefinition | AssetSpec)),
        )
    if selection is not None:
        return Target(selection=AssetSelection.from_coercible(selection))
    if job_name is not None:
        return Target(jobs=(job_name,))
    several = [job] if job is not None else list(jobs or ())
    for one in several:
        if not isinstance(one, JobDeclaration):
            raise TypeError(f"{what} is to ask for {one!r}, which is no job: define_asset_job(…), or use target=")
    return Target(jobs=tuple(several))
