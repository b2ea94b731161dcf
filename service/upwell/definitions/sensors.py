"""Sensors: a function that looks around, or is told of something, and says which runs are wanted."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import timedelta
from enum import Enum
from typing import Any

from upwell.definitions.calling import CalledFunction, called_function, direct_context
from upwell.definitions.compute import UserFunction
from upwell.definitions.declaring import listeners_of, seconds_of
from upwell.definitions.errors import DagsterInvalidDefinitionError
from upwell.definitions.jobs import JobDeclaration
from upwell.definitions.keys import AssetKey
from upwell.definitions.reactions import On
from upwell.definitions.runs import DagsterRunStatus, JobSelector
from upwell.definitions.selection import AssetSelection, CoercibleToAssetSelection
from upwell.definitions.sensing import SensingDefinition
from upwell.definitions.snapshot import SensorKind
from upwell.definitions.targets import CoercibleToTarget, target_of

DEFAULT_INTERVAL = 30
"""Seconds between two calls of a sensor that looks around by itself (as in Dagster)."""

DEFAULT_TIMEOUT = 60.0
"""Seconds that one call may take (as in Dagster)."""


class DefaultSensorStatus(Enum):
    """Whether a sensor is switched on until somebody says otherwise."""

    RUNNING = "RUNNING"
    STOPPED = "STOPPED"


class SensorDefinition(SensingDefinition):
    """A function that is called by its interval, or (with `on`) once for each event, and says which runs are wanted.

    Args:
        name: by default that of the function.
        evaluation_fn: the function; it gets a `SensorEvaluationContext`, if it takes an argument.
        minimum_interval_seconds: between two calls; 30, where nobody says.
        default_status: STOPPED has it rest until somebody switches it on; a sensor of which nobody says so is on.
        on: sources whose events it is called about, in place of an interval (Upwell's own).
        timeout: seconds, or a timedelta, that one call may take (Upwell's own).

    Raises:
        DagsterInvalidDefinitionError: something does not fit; with the function's file and line.
    """

    kind: SensorKind = "polling"

    def __init__(
        self,
        name: str | None = None,
        *,
        evaluation_fn: UserFunction | None = None,
        job_name: str | None = None,
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
    ) -> None:
        if evaluation_fn is None:
            raise DagsterInvalidDefinitionError("SensorDefinition needs evaluation_fn=, the function to be called")
        called = called_function(evaluation_fn)
        own = name or called.name
        what = f"sensor {own!r}"
        aim = {"job": job, "jobs": jobs, "job_name": job_name, "selection": asset_selection, "target": target}
        super().__init__(
            name=own,
            called=called,
            target=target_of(what, own, called.place, **aim),  # type: ignore[arg-type]  # each as it came in
            description=description,
            required_resource_keys=required_resource_keys,
            tags=tags,
            metadata=metadata,
            owners=owners,
        )
        self.on = listeners_of(on, self.place)
        if self.on:
            self.kind = "event"
        if self.on and minimum_interval_seconds is not None:
            raise self.place.error(
                f"{what} has on= and minimum_interval_seconds=; it is called by events or by an interval. Leave one out"
            )
        self.minimum_interval_seconds = _interval(minimum_interval_seconds, what)
        self.timeout = seconds_of(timeout, self.place) or DEFAULT_TIMEOUT
        self._default_status = _status(default_status, what)
        self.asset_selection: AssetSelection | None = None if target is not None else self.target.selection

    @property
    def default_status(self) -> DefaultSensorStatus:
        """As Dagster understands it: STOPPED, where nobody says anything (see `active`)."""
        return self._default_status or DefaultSensorStatus.STOPPED

    @property
    def active(self) -> bool:
        """Whether it is switched on until somebody says otherwise: unless it is declared as STOPPED."""
        return self._default_status is not DefaultSensorStatus.STOPPED


class AssetSensorDefinition(SensorDefinition):
    """A function that is called about each materialisation of an asset."""

    kind: SensorKind = "asset"

    def __init__(self, name: str, asset_key: AssetKey, asset_materialization_fn: UserFunction, **options: Any) -> None:
        super().__init__(name, evaluation_fn=asset_materialization_fn, **options)
        if not isinstance(asset_key, AssetKey):
            raise self.place.error(f"{self.what} watches {asset_key!r}; give it asset_key=AssetKey({asset_key!r})")
        self.asset_key = asset_key

    def __call__(self, *args: Any, **kwargs: Any) -> Generator[Any, None, None]:
        """Call the function about the newest materialisation that the instance of the context knows."""
        taking_context = CalledFunction(
            function=self.called.function,
            name=self.name,
            style=self.called.style,
            place=self.place,
            arguments=("context",),
            resources=self.called.resources,
        )
        context, resources = direct_context(taking_context, args, kwargs, self.noun)
        if resources:
            context = context.merge_resources(resources)
        answers: Generator[Any, None, None] = context.answers_of(self)
        return answers


class MultiAssetSensorDefinition(SensorDefinition):
    """A function that is called when any of several assets is materialised, with all that is new of them."""

    kind: SensorKind = "multi_asset"

    def __init__(
        self,
        name: str,
        monitored_assets: Sequence[AssetKey] | AssetSelection,
        asset_materialization_fn: UserFunction,
        request_assets: AssetSelection | None = None,
        **options: Any,
    ) -> None:
        super().__init__(name, evaluation_fn=asset_materialization_fn, asset_selection=request_assets, **options)
        listed = [] if isinstance(monitored_assets, AssetSelection) else list(monitored_assets)
        if not all(isinstance(key, AssetKey) for key in listed):
            raise self.place.error(f"{self.what}: monitored_assets is an AssetSelection or a list of AssetKeys")
        self.monitored_assets: Sequence[AssetKey] | AssetSelection = (
            monitored_assets if isinstance(monitored_assets, AssetSelection) else listed
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function with a context of `build_multi_asset_sensor_context`; its cursor moves as it says."""
        context, resources = direct_context(self.called, args, kwargs, "multi_asset_sensor")
        answer = self.called.function(**self._arguments(context, resources))
        if context is not None:
            context.update_cursor_after_evaluation()
        return answer


class RunStatusSensorDefinition(SensorDefinition):
    """A function that is called about each run that reaches a status."""

    kind: SensorKind = "run_status"

    def __init__(
        self,
        name: str,
        run_status: DagsterRunStatus,
        run_status_sensor_fn: UserFunction,
        monitored_jobs: Sequence[JobDeclaration | JobSelector] | None = None,
        monitor_all_code_locations: bool | None = None,
        request_job: JobDeclaration | None = None,
        request_jobs: Sequence[JobDeclaration] | None = None,
        for_failures: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(name, evaluation_fn=run_status_sensor_fn, job=request_job, jobs=request_jobs, **options)
        if not isinstance(run_status, DagsterRunStatus):
            raise TypeError(f"{self.what}: run_status is a DagsterRunStatus, not {run_status!r}")
        if monitored_jobs and monitor_all_code_locations:
            raise self.place.error(
                f"{self.what} has monitored_jobs and monitor_all_code_locations; it watches these jobs or all. "
                "Leave one out"
            )
        for job in monitored_jobs or ():
            if not isinstance(job, JobDeclaration | JobSelector):
                raise TypeError(
                    f"{self.what} watches {job!r}, which is no job; give define_asset_job(…) or JobSelector"
                )
        self.run_status = run_status
        self.monitored_jobs = list(monitored_jobs or ())
        self.for_failures = for_failures

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function with a context of `build_run_status_sensor_context`."""
        context, resources = direct_context(self.called, args, kwargs, "run_status_sensor")
        if self.for_failures and hasattr(context, "for_run_failure"):
            context = context.for_run_failure()
        return self.called.function(**self._arguments(context, resources))


def _interval(seconds: object, what: str) -> int:
    if seconds is None:
        return DEFAULT_INTERVAL
    if not isinstance(seconds, int) or isinstance(seconds, bool):
        raise TypeError(f"{what}: minimum_interval_seconds is a whole number, not {seconds!r}")
    return seconds


def _status(given: object, what: str) -> DefaultSensorStatus | None:
    if given is not None and not isinstance(given, DefaultSensorStatus):
        raise TypeError(f"{what}: default_status is a DefaultSensorStatus, not {given!r}")
    return given
