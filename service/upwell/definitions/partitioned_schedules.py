"""Schedules that run each partition of a job once it has ended."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from upwell.definitions.jobs import JobDeclaration
from upwell.definitions.partitions.definition import PartitionsDefinition
from upwell.definitions.partitions.multi import MultiPartitionsDefinition, newest_keys
from upwell.definitions.partitions.named import StaticPartitionsDefinition
from upwell.definitions.partitions.time_windows import TimeWindowPartitionsDefinition
from upwell.definitions.run_requests import RunRequest, SkipReason
from upwell.definitions.schedules import CatchUp, DefaultScheduleStatus, ScheduleDefinition, schedule
from upwell.definitions.sensing import checked_name
from upwell.definitions.signature import Place, caller_place
from upwell.definitions.specs import checked_owner


@dataclass(frozen=True, kw_only=True)
class UnresolvedPartitionedAssetScheduleDefinition:
    """A schedule whose times follow from the partitions of its job's assets, which are known once the graph is."""

    name: str
    job: JobDeclaration
    offsets: Mapping[str, int | None]
    options: Mapping[str, Any]  # of `schedule`
    tags: Mapping[str, str] | None = None
    place: Place = field(default_factory=Place, compare=False)

    def resolve(self, partitions: PartitionsDefinition | None) -> ScheduleDefinition:
        """The schedule itself.

        Raises:
            DagsterInvalidDefinitionError: the partitions do not say when.
        """
        windows = partitions
        if isinstance(partitions, MultiPartitionsDefinition) and partitions.time_dimension is not None:
            windows = partitions.by_name[partitions.time_dimension]
        if partitions is None or not isinstance(windows, TimeWindowPartitionsDefinition):
            raise self.place.error(
                f"schedule {self.name!r} follows the partitions of job {self.job.name!r}, which have no times: "
                f"{'it has none' if partitions is None else partitions}. Use time windows, or ScheduleDefinition"
            )
        cron = _cron_of(windows, self.offsets, self.name, self.place)
        times = {"cron_schedule": cron, "execution_timezone": windows.timezone}
        return _scheduled(self.name, self.job, partitions, self.tags, self.place, {**self.options, **times})


def build_schedule_from_partitioned_job(
    job: JobDeclaration,
    description: str | None = None,
    name: str | None = None,
    minute_of_hour: int | None = None,
    hour_of_day: int | None = None,
    day_of_week: int | None = None,
    day_of_month: int | None = None,
    default_status: DefaultScheduleStatus | None = None,
    tags: Mapping[str, str] | None = None,
    cron_schedule: str | None = None,
    execution_timezone: str | None = None,
    metadata: Mapping[str, object] | None = None,
    owners: Sequence[str] | None = None,
    catch_up: CatchUp = "latest",
) -> UnresolvedPartitionedAssetScheduleDefinition | ScheduleDefinition:
    """A schedule that ticks when a partition of the job ends, and runs it for that partition; where there are several
    dimensions, for each partition with the window that ended.

    With static partitions (which the job has to have by its `partitions_def`) each tick of `cron_schedule` runs it for
    every one of them.

    Args:
        minute_of_hour, hour_of_day, day_of_week, day_of_month: when to tick, where not as soon as a window ends.
        catch_up: "all" runs every partition whose tick was missed, "latest" the last of them (Upwell's own).

    Raises:
        DagsterInvalidDefinitionError: the arguments contradict each other or the partitions.
    """
    place = caller_place()
    offsets = {
        "minute_of_hour": minute_of_hour,
        "hour_of_day": hour_of_day,
        "day_of_week": day_of_week,
        "day_of_month": day_of_month,
    }
    own = checked_name(name or f"{job.name}_schedule", "schedule", place)
    what = f"schedule {own!r}"
    given = [key for key, value in offsets.items() if value is not None]
    if day_of_week and day_of_month:
        raise place.error(f"{what} has day_of_week and day_of_month; a window begins on one of them. Leave one out")
    if (cron_schedule or execution_timezone) and given:
        raise place.error(f"{what} has cron_schedule or execution_timezone, and {given[0]}; leave one of them out")
    options = {
        "description": description,
        "default_status": default_status,
        "metadata": metadata,
        "owners": [checked_owner(owner, what) for owner in owners or ()],
        "catch_up": catch_up,
    }
    if isinstance(job.partitions_def, StaticPartitionsDefinition):
        if not cron_schedule:
            raise place.error(f"{what} needs a cron_schedule=: static partitions do not say when to run")
        times = {"cron_schedule": cron_schedule, "execution_timezone": execution_timezone}
        return _scheduled(own, job, job.partitions_def, tags, place, {**options, **times})
    if cron_schedule or execution_timezone:
        raise place.error(
            f"{what} follows the windows of its job's partitions; leave cron_schedule and execution_timezone out, or "
            "give the job static partitions: define_asset_job(…, partitions_def=…)"
        )
    unresolved = UnresolvedPartitionedAssetScheduleDefinition(
        name=own, job=job, offsets=offsets, options=options, tags=tags, place=place
    )
    return unresolved if job.partitions_def is None else unresolved.resolve(job.partitions_def)


def _scheduled(
    name: str,
    job: JobDeclaration,
    partitions: PartitionsDefinition,
    tags: Mapping[str, str] | None,
    place: Place,
    options: Mapping[str, Any],
) -> ScheduleDefinition:
    made = schedule(name=name, job=job, **options)(_requests_of(job, partitions, tags))
    made.place = place
    return made


def _requests_of(
    job: JobDeclaration,
    partitions: PartitionsDefinition,
    tags: Mapping[str, str] | None,
) -> Callable[[Any], list[RunRequest] | SkipReason]:
    """What each tick asks for. The context is not typed: it is the runtime's."""

    def request(key: str) -> RunRequest:
        own = partitions.get_tags_for_partition_key(key)
        return RunRequest(run_key=key, job_name=job.name, partition_key=key, tags={**(tags or {}), **own})

    def requests(context: Any) -> list[RunRequest] | SkipReason:
        known = partitions.known_by(context.instance) if partitions.dynamic_names else partitions
        keys = newest_keys(known, context.scheduled_execution_time)
        return [request(key) for key in keys] or SkipReason(f"job {job.name!r} has no partition yet")

    return requests


def _cron_of(
    partitions: TimeWindowPartitionsDefinition, offsets: Mapping[str, int | None], name: str, place: Place
) -> str:
    """When the windows end, or as much later as was asked for."""
    given = {key: value for key, value in offsets.items() if value is not None}
    if not given:
        return partitions.cron_schedule
    minute, hour, day, month, weekday = partitions.cron_schedule.split()
    if not minute.isdigit() or month != "*":
        raise place.error(
            f"schedule {name!r}: windows of {partitions.cron_schedule!r} do not allow {next(iter(given))}"
        )
    allowed = {"minute_of_hour"}
    if hour.isdigit():
        allowed.add("hour_of_day")
        allowed |= {"day_of_week"} if weekday.isdigit() else {"day_of_month"} if day.isdigit() else set()
    if wrong := sorted(given.keys() - allowed):
        raise place.error(
            f"schedule {name!r} has {wrong[0]}, but the windows of {partitions.cron_schedule!r} allow only "
            f"{', '.join(sorted(allowed))}"
        )
    times = {"minute_of_hour": minute, "hour_of_day": hour, "day_of_month": day, "day_of_week": weekday, **given}
    return f"{times['minute_of_hour']} {times['hour_of_day']} {times['day_of_month']} {month} {times['day_of_week']}"
