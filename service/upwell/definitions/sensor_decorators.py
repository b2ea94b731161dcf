"""`@sensor` and its kin."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import timedelta
from typing import Any, overload

from upwell.definitions.calling import called_function
from upwell.definitions.compute import UserFunction
from upwell.definitions.errors import DagsterInvalidDefinitionError
from upwell.definitions.jobs import JobDeclaration
from upwell.definitions.keys import AssetKey
from upwell.definitions.reactions import On
from upwell.definitions.runs import DagsterRunStatus, JobSelector
from upwell.definitions.selection import AssetSelection, CoercibleToAssetSelection
from upwell.definitions.sensors import (
    AssetSensorDefinition,
    DefaultSensorStatus,
    MultiAssetSensorDefinition,
    RunStatusSensorDefinition,
    SensorDefinition,
)
from upwell.definitions.targets import CoercibleToTarget


def sensor(
    job_name: str | None = None,
    *,
    name: str | None = None,
    minimum_interval_seconds: int | None = None,
    description: str | None = None,
    job: JobDeclaration | None = None,
    jobs: Sequence[JobDeclaration] | None = None,
    default_status: DefaultSensorStatus | None = None,
    asset_selection: CoercibleToAssetSelection | None = None,
    required_resource_keys: AbstractSet[str] | None = None,
    tags: Mapping[str, Any] | None = None,
    metadata: Mapping[str, object] | None = None,
    target: CoercibleToTarget | None = None,
    owners: Sequence[str] | None = None,
    on: On | Sequence[On] | None = None,
    timeout: float | timedelta | None = None,
) -> Callable[[UserFunction], SensorDefinition]:
    """Declare that a function says which runs are wanted; arguments as of `SensorDefinition`.

    The function returns or yields `RunRequest`s or a `SkipReason`, or returns a list of them, a `SensorResult` or
    nothing. Its first argument, whatever its name, gets a `SensorEvaluationContext`; others that are annotated with a
    resource get that.
    """

    if callable(job_name):
        raise DagsterInvalidDefinitionError("@sensor takes parentheses, @sensor(target=[…]), and the function below it")

    def declare(function: UserFunction) -> SensorDefinition:
        declared = SensorDefinition(
            name or called_function(function).name,
            evaluation_fn=function,
            job_name=job_name,
            minimum_interval_seconds=minimum_interval_seconds,
            description=description,
            job=job,
            jobs=jobs,
            default_status=default_status,
            asset_selection=asset_selection,
            required_resource_keys=required_resource_keys,
            tags=tags,
            metadata=metadata,
            target=target,
            owners=owners,
            on=on,
            timeout=timeout,
        )
        return functools.update_wrapper(declared, function)  # type: ignore[return-value]  # the same object

    return declare


def asset_sensor(
    asset_key: AssetKey,
    *,
    job_name: str | None = None,
    name: str | None = None,
    minimum_interval_seconds: int | None = None,
    description: str | None = None,
    job: JobDeclaration | None = None,
    jobs: Sequence[JobDeclaration] | None = None,
    default_status: DefaultSensorStatus | None = None,
    required_resource_keys: AbstractSet[str] | None = None,
    tags: Mapping[str, Any] | None = None,
    metadata: Mapping[str, object] | None = None,
    target: CoercibleToTarget | None = None,
    timeout: float | timedelta | None = None,
) -> Callable[[UserFunction], AssetSensorDefinition]:
    """Declare that a function is called about each materialisation of an asset; the journal tells it, at once.

    Its first argument gets a `SensorEvaluationContext`, its second the event. The cursor moves by itself.
    `minimum_interval_seconds` has no effect: nobody asks whether there is something new.
    """

    def declare(function: UserFunction) -> AssetSensorDefinition:
        return AssetSensorDefinition(
            name or called_function(function).name,
            asset_key,
            function,
            job_name=job_name,
            minimum_interval_seconds=minimum_interval_seconds,
            description=description,
            job=job,
            jobs=jobs,
            default_status=default_status,
            required_resource_keys=required_resource_keys,
            tags=tags,
            metadata=metadata,
            target=target,
            timeout=timeout,
        )

    return declare


def multi_asset_sensor(
    monitored_assets: Sequence[AssetKey] | AssetSelection,
    *,
    job_name: str | None = None,
    name: str | None = None,
    minimum_interval_seconds: int | None = None,
    description: str | None = None,
    job: JobDeclaration | None = None,
    jobs: Sequence[JobDeclaration] | None = None,
    default_status: DefaultSensorStatus | None = None,
    request_assets: AssetSelection | None = None,
    required_resource_keys: AbstractSet[str] | None = None,
    tags: Mapping[str, Any] | None = None,
    metadata: Mapping[str, object] | None = None,
    timeout: float | timedelta | None = None,
) -> Callable[[UserFunction], MultiAssetSensorDefinition]:
    """Declare that a function is called when any of several assets is materialised; the journal tells it, at once.

    Its first argument gets a `MultiAssetSensorEvaluationContext`, whose cursor it moves by `advance_cursor` or
    `advance_all_cursors`.
    """
    listed = isinstance(monitored_assets, Sequence) and all(isinstance(key, AssetKey) for key in monitored_assets)
    if not listed and not isinstance(monitored_assets, AssetSelection):
        raise TypeError(f"monitored_assets is an AssetSelection or a list of AssetKeys, not {monitored_assets!r}")

    def declare(function: UserFunction) -> MultiAssetSensorDefinition:
        declared = MultiAssetSensorDefinition(
            name or called_function(function).name,
            monitored_assets,
            function,
            request_assets=request_assets,
            job_name=job_name,
            minimum_interval_seconds=minimum_interval_seconds,
            description=description,
            job=job,
            jobs=jobs,
            default_status=default_status,
            required_resource_keys=required_resource_keys,
            tags=tags,
            metadata=metadata,
            timeout=timeout,
        )
        return functools.update_wrapper(declared, function)  # type: ignore[return-value]  # the same object

    return declare


def run_status_sensor(
    run_status: DagsterRunStatus,
    name: str | None = None,
    minimum_interval_seconds: int | None = None,
    description: str | None = None,
    monitored_jobs: Sequence[JobDeclaration | JobSelector] | None = None,
    job_selection: Sequence[JobDeclaration | JobSelector] | None = None,
    monitor_all_code_locations: bool | None = None,
    default_status: DefaultSensorStatus | None = None,
    request_job: JobDeclaration | None = None,
    request_jobs: Sequence[JobDeclaration] | None = None,
    monitor_all_repositories: bool | None = None,
    tags: Mapping[str, Any] | None = None,
    metadata: Mapping[str, object] | None = None,
    timeout: float | timedelta | None = None,
) -> Callable[[UserFunction], RunStatusSensorDefinition]:
    """Declare that a function is called about each run that reaches a status; the journal tells it, at once.

    Its first argument gets a `RunStatusSensorContext`. Without `monitored_jobs` it is called about every run.
    """

    def declare(function: UserFunction) -> RunStatusSensorDefinition:
        return RunStatusSensorDefinition(
            name or called_function(function).name,
            run_status,
            function,
            monitored_jobs=monitored_jobs or job_selection,
            monitor_all_code_locations=monitor_all_code_locations or monitor_all_repositories,
            request_job=request_job,
            request_jobs=request_jobs,
            minimum_interval_seconds=minimum_interval_seconds,
            description=description,
            default_status=default_status,
            tags=tags,
            metadata=metadata,
            timeout=timeout,
        )

    return declare


@overload
def run_failure_sensor(name: UserFunction) -> RunStatusSensorDefinition: ...


@overload
def run_failure_sensor(
    name: str | None = None,
    minimum_interval_seconds: int | None = ...,
    description: str | None = ...,
    monitored_jobs: Sequence[JobDeclaration | JobSelector] | None = ...,
    job_selection: Sequence[JobDeclaration | JobSelector] | None = ...,
    monitor_all_code_locations: bool | None = ...,
    default_status: DefaultSensorStatus | None = ...,
    request_job: JobDeclaration | None = ...,
    request_jobs: Sequence[JobDeclaration] | None = ...,
    monitor_all_repositories: bool | None = ...,
    tags: Mapping[str, Any] | None = ...,
    metadata: Mapping[str, object] | None = ...,
    timeout: float | timedelta | None = ...,
) -> Callable[[UserFunction], RunStatusSensorDefinition]: ...


def run_failure_sensor(
    name: UserFunction | str | None = None,
    minimum_interval_seconds: int | None = None,
    description: str | None = None,
    monitored_jobs: Sequence[JobDeclaration | JobSelector] | None = None,
    job_selection: Sequence[JobDeclaration | JobSelector] | None = None,
    monitor_all_code_locations: bool | None = None,
    default_status: DefaultSensorStatus | None = None,
    request_job: JobDeclaration | None = None,
    request_jobs: Sequence[JobDeclaration] | None = None,
    monitor_all_repositories: bool | None = None,
    tags: Mapping[str, Any] | None = None,
    metadata: Mapping[str, object] | None = None,
    timeout: float | timedelta | None = None,
) -> RunStatusSensorDefinition | Callable[[UserFunction], RunStatusSensorDefinition]:
    """Declare that a function is called about each run that fails: `run_status_sensor` for FAILURE.

    Its first argument gets a `RunFailureSensorContext`. May be used without parentheses.
    """

    def declare(function: UserFunction) -> RunStatusSensorDefinition:
        return RunStatusSensorDefinition(
            name if isinstance(name, str) else called_function(function).name,
            DagsterRunStatus.FAILURE,
            function,
            monitored_jobs=monitored_jobs or job_selection,
            monitor_all_code_locations=monitor_all_code_locations or monitor_all_repositories,
            request_job=request_job,
            request_jobs=request_jobs,
            for_failures=True,
            minimum_interval_seconds=minimum_interval_seconds,
            description=description,
            default_status=default_status,
            tags=tags,
            metadata=metadata,
            timeout=timeout,
        )

    return declare(name) if callable(name) else declare
