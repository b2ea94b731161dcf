"""Schedules: runs that are wanted at certain times."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import timedelta
from enum import Enum
from typing import Any, Literal, TypeAlias, get_args

from upwell.definitions.calling import called_function
from upwell.definitions.compute import UserFunction
from upwell.definitions.crons import checked_crons, checked_zone, plain_cron
from upwell.definitions.declaring import placed, seconds_of
from upwell.definitions.errors import DagsterInvalidInvocationError
from upwell.definitions.jobs import JobDeclaration
from upwell.definitions.run_config import RunConfig
from upwell.definitions.sensing import SensingDefinition
from upwell.definitions.sensors import DEFAULT_TIMEOUT
from upwell.definitions.signature import Place, caller_place
from upwell.definitions.targets import CoercibleToTarget, target_of

CatchUp: TypeAlias = Literal["latest", "all", "none"]
"""What becomes of ticks that were missed while the service was down: the last counts, each does, or none."""


class DefaultScheduleStatus(Enum):
    """Whether a schedule is switched on until somebody says otherwise."""

    RUNNING = "RUNNING"
    STOPPED = "STOPPED"


class ScheduleDefinition(SensingDefinition):
    """Runs of a job, or of assets, at the times of a cron expression.

    Args:
        name: by default the job's name with `_schedule`.
        cron_schedule: one expression of five fields, or several.
        execution_timezone: whose clocks count; UTC, where nobody says.
        execution_fn: a function of the context that says which runs are wanted; or else
        run_config, run_config_fn, tags, tags_fn, should_execute: of the one run that each tick wants.
        default_status: STOPPED has it rest until somebody switches it on; a schedule of which nobody says so is on.
        catch_up: which of the ticks that were missed count (Upwell's own).

    Raises:
        DagsterInvalidDefinitionError: something does not fit.
    """

    noun = "schedule"

    def __init__(
        self,
        name: str | None = None,
        *,
        cron_schedule: str | Sequence[str] | None = None,
        job_name: str | None = None,
        run_config: RunConfig | Mapping[str, Any] | None = None,
        run_config_fn: UserFunction | None = None,
        tags: Mapping[str, Any] | None = None,
        tags_fn: UserFunction | None = None,
        metadata: Mapping[str, object] | None = None,
        should_execute: UserFunction | None = None,
        environment_vars: Mapping[str, str] | None = None,
        execution_timezone: str | None = None,
        execution_fn: UserFunction | None = None,
        description: str | None = None,
        job: JobDeclaration | None = None,
        default_status: DefaultScheduleStatus | None = None,
        required_resource_keys: AbstractSet[str] | None = None,
        target: CoercibleToTarget | None = None,
        owners: Sequence[str] | None = None,
        catch_up: CatchUp = "latest",
        timeout: float | timedelta | None = None,
    ) -> None:
        place = caller_place() if execution_fn is None else called_function(execution_fn).place
        own = name or f"{job_name or getattr(job, 'name', '')}_schedule"
        what = f"schedule {own!r}"
        self.cron_schedule: str | Sequence[str] = cron_schedule or ""
        with placed(place):
            checked_crons(cron_schedule, what)
            self.execution_timezone = checked_zone(execution_timezone, what)
        aim = target_of(what, own, place, job=job, job_name=job_name, target=target)
        if not aim.names or (name is None and target is not None):
            raise place.error(f"{what} needs a job=, or assets as target= and a name=")
        given = {"run_config": run_config, "run_config_fn": run_config_fn, "tags": tags, "tags_fn": tags_fn}
        _check_alternatives(what, place, execution_fn, {**given, "should_execute": should_execute})
        super().__init__(
            name=own,
            called=called_function(execution_fn or _one_run, place),
            target=aim,
            description=description,
            required_resource_keys=required_resource_keys,
            tags=tags,
            metadata=metadata,
            owners=owners,
        )
        self.execution_fn = execution_fn
        self.decorated = False
        self.run_config = run_config
        self.run_config_fn = run_config_fn
        self.tags_fn = tags_fn
        self.should_execute = should_execute
        self.environment_vars = environment_vars
        self.timeout = seconds_of(timeout, place) or DEFAULT_TIMEOUT
        self.catch_up: CatchUp = _catch_up(catch_up, what, place)
        self._default_status = _status(default_status, what)

    @property
    def default_status(self) -> DefaultScheduleStatus:
        """As Dagster understands it: STOPPED, where nobody says anything (see `active`)."""
        return self._default_status or DefaultScheduleStatus.STOPPED

    @property
    def active(self) -> bool:
        """Whether it is switched on until somebody says otherwise: unless it is declared as STOPPED."""
        return self._default_status is not DefaultScheduleStatus.STOPPED

    @property
    def crons(self) -> tuple[str, ...]:
        """The cron expressions, as they were written."""
        return (self.cron_schedule,) if isinstance(self.cron_schedule, str) else tuple(self.cron_schedule)

    @property
    def plain_crons(self) -> tuple[str, ...]:
        """The same with five fields each."""
        return tuple(plain_cron(cron, self.what) for cron in self.crons)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the decorated function directly, in a test, with a context of `build_schedule_context`.

        Raises:
            DagsterInvalidInvocationError: no function was decorated.
        """
        if not self.decorated:
            raise DagsterInvalidInvocationError(
                f"{self.what} was not made by @schedule, so there is no function to call; use evaluate_tick(context)"
            )
        return super().__call__(*args, **kwargs)


def schedule(
    cron_schedule: str | Sequence[str],
    *,
    job_name: str | None = None,
    name: str | None = None,
    tags: Mapping[str, Any] | None = None,
    tags_fn: UserFunction | None = None,
    metadata: Mapping[str, object] | None = None,
    should_execute: UserFunction | None = None,
    environment_vars: Mapping[str, str] | None = None,
    execution_timezone: str | None = None,
    description: str | None = None,
    job: JobDeclaration | None = None,
    default_status: DefaultScheduleStatus | None = None,
    required_resource_keys: AbstractSet[str] | None = None,
    target: CoercibleToTarget | None = None,
    owners: Sequence[str] | None = None,
    catch_up: CatchUp = "latest",
    timeout: float | timedelta | None = None,
) -> Callable[[UserFunction], ScheduleDefinition]:
    """Declare that a function says, at each tick, which runs are wanted; arguments as of `ScheduleDefinition`.

    The function returns or yields `RunRequest`s or a `SkipReason`, or returns a list of them, a dict (the config of the
    one run, which gets `tags`) or nothing. Its first argument gets a `ScheduleEvaluationContext`.
    """

    def declare(function: UserFunction) -> ScheduleDefinition:
        called = called_function(function)
        if tags and tags_fn:
            raise called.place.error(f"schedule {name or called.name!r} has tags and tags_fn; give one of them")
        declared = ScheduleDefinition(
            name or called.name,
            cron_schedule=cron_schedule,
            job_name=job_name,
            execution_fn=function,
            tags=tags,
            metadata=metadata,
            environment_vars=environment_vars,
            execution_timezone=execution_timezone,
            description=description,
            job=job,
            default_status=default_status,
            required_resource_keys=required_resource_keys,
            target=target,
            owners=owners,
            catch_up=catch_up,
            timeout=timeout,
        )
        declared.decorated = True
        declared.tags_fn = tags_fn
        declared.should_execute = should_execute
        return functools.update_wrapper(declared, function)  # type: ignore[return-value]  # the same object

    return declare


def _one_run() -> None:
    """Stands for the function of a schedule that wants one run a tick, as its other fields say."""


def _check_alternatives(what: str, place: Place, execution_fn: object, given: Mapping[str, object]) -> None:
    named = [key for key, value in given.items() if value]
    if execution_fn and (beside := [key for key in named if key != "tags"]):
        raise place.error(f"{what} has execution_fn and {beside[0]}; the function says both, so leave {beside[0]} out")
    for one, other in (("run_config", "run_config_fn"), ("tags", "tags_fn")):
        if one in named and other in named:
            raise place.error(f"{what} has {one} and {other}; give one of them")


def _catch_up(policy: CatchUp, what: str, place: Place) -> CatchUp:
    if policy not in get_args(CatchUp):
        raise place.error(f"catch_up={policy!r} of {what} is none of {', '.join(get_args(CatchUp))}")
    return policy


def _status(given: object, what: str) -> DefaultScheduleStatus | None:
    if given is not None and not isinstance(given, DefaultScheduleStatus):
        raise TypeError(f"{what}: default_status is a DefaultScheduleStatus, not {given!r}")
    return given
