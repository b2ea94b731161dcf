"""What users declare: how recent an asset has to be. Plain data, checked where it is written."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from upwell.definitions.crons import checked_zone, plain_cron
from upwell.definitions.freshness.calendar import BusinessCalendar
from upwell.definitions.freshness.deadlines import shortest_interval
from upwell.errors import DefinitionError

Basis: TypeAlias = Literal["run", "data"]
Per: TypeAlias = Literal["asset", "partition"]

_SHORTEST = timedelta(seconds=1)
_NOTHING = timedelta(0)
_WHAT = "a freshness policy"


class FreshnessPolicy:
    """How recent an asset has to be; made by `FreshnessPolicy.time_window(…)`, `.cron(…)` or `.maximum_lag(…)`.

    What all of them take:
        grace: how long an asset that was never made stays `UNKNOWN`, counted from when the policy became known; then
            it fails. By default until the first deadline.
        basis: what has to be recent: the `run` that made the asset, or its `data`, which are as old as the oldest of
            what went into them (see `data_time` of `MaterializeResult`).
        per: what has to be there: the newest of the `asset`, or every `partition` that is due (of assets with time
            partitions; those that became due before the policy was known do not count). A cron policy or a maximum
            lag on such an asset means its partitions, a time window the asset, unless it says otherwise.
        calendar: the days on which a deadline may fall.
    """

    @staticmethod
    def time_window(
        fail_window: timedelta,
        warn_window: timedelta | None = None,
        *,
        grace: timedelta | None = None,
        basis: Basis = "run",
        per: Per | None = None,
        calendar: BusinessCalendar | None = None,
        timezone: str = "UTC",
    ) -> TimeWindowFreshnessPolicy:
        """The asset must have been materialised within the window that ends now.

        Per partition: each must be there so long after its end.

        Args:
            fail_window: its age, from one second, at which the asset fails.
            warn_window: its age, below `fail_window`, at which the asset warns.
            timezone: of the days of `calendar`.

        Raises:
            DefinitionError: a window under one second, or a warning that would come no earlier than the failure.
        """
        return TimeWindowFreshnessPolicy(
            type="time_window",
            fail_window=fail_window,
            warn_window=warn_window,
            grace=grace,
            basis=basis,
            per=per,
            calendar=calendar,
            timezone=timezone,
        )

    @staticmethod
    def cron(
        deadline_cron: str,
        lower_bound_delta: timedelta | None = None,
        timezone: str = "UTC",
        *,
        warn_before: timedelta | None = None,
        grace: timedelta | None = None,
        basis: Basis = "run",
        per: Per | None = None,
        calendar: BusinessCalendar | None = None,
    ) -> CronFreshnessPolicy:
        """The asset must have been materialised in the window before each deadline.

        Per partition: those that ended before the deadline must be there.

        Args:
            deadline_cron: when the deadlines are.
            lower_bound_delta: how long before its deadline the window opens; by default at the deadline before.
            timezone: of the deadlines.
            warn_before: how long before a deadline that will be missed unless something happens the asset warns.

        Raises:
            DefinitionError: an expression or zone that cannot be read, or a window that is longer than the time
                between two deadlines.
        """
        return CronFreshnessPolicy(
            type="cron",
            deadline_cron=deadline_cron,
            lower_bound_delta=lower_bound_delta,
            timezone=timezone,
            warn_before=warn_before,
            grace=grace,
            basis=basis,
            per=per,
            calendar=calendar,
        )

    @staticmethod
    def maximum_lag(
        maximum_lag: timedelta,
        cron_schedule: str | None = None,
        cron_schedule_timezone: str = "UTC",
        *,
        warn_lag: timedelta | None = None,
        grace: timedelta | None = None,
        per: Per | None = None,
        calendar: BusinessCalendar | None = None,
    ) -> MaximumLagFreshnessPolicy:
        """The data in the asset must never be older than this, or, with a cron schedule, not at its ticks.

        What Dagster's `FreshnessPolicy(maximum_lag_minutes, cron_schedule)` meant: it is about the data that went in,
        from however far upstream, not about the run that did it.

        Args:
            maximum_lag: the age of its data, from one second, at which the asset fails.
            cron_schedule: the instants at which that is asked; at any time by default.
            warn_lag: the age at which it warns.

        Raises:
            DefinitionError: a lag under one second, an expression or zone that cannot be read.
        """
        return MaximumLagFreshnessPolicy(
            type="maximum_lag",
            lag=maximum_lag,
            cron_schedule=cron_schedule,
            timezone=cron_schedule_timezone,
            warn_lag=warn_lag,
            grace=grace,
            per=per,
            calendar=calendar,
        )


@dataclass(frozen=True, kw_only=True)
class TimeWindowFreshnessPolicy(FreshnessPolicy):
    """Fails (and before that may warn) when the newest materialisation is too old."""

    type: Literal["time_window"]
    fail_window: timedelta
    warn_window: timedelta | None = None
    grace: timedelta | None = None
    basis: Basis = "run"
    per: Per | None = None
    calendar: BusinessCalendar | None = None
    timezone: str = "UTC"

    def __post_init__(self) -> None:
        _check_window("fail_window", self.fail_window)
        _check_earlier("warn_window", self.warn_window, "fail_window", self.fail_window)
        _check_common(self)
        if self.calendar is not None and self.calendar.roll != "next":
            raise DefinitionError(
                f"roll={self.calendar.roll!r} cannot be kept by a time window, which ends after what it counts from; "
                "its calendar needs roll='next'"
            )


@dataclass(frozen=True, kw_only=True)
class CronFreshnessPolicy(FreshnessPolicy):
    """Fails when a deadline passes and nothing was made in the window before it."""

    type: Literal["cron"]
    deadline_cron: str
    lower_bound_delta: timedelta | None = None
    timezone: str = "UTC"
    warn_before: timedelta | None = None
    grace: timedelta | None = None
    basis: Basis = "run"
    per: Per | None = None
    calendar: BusinessCalendar | None = None

    def __post_init__(self) -> None:
        plain_cron(self.deadline_cron, _WHAT)
        _check_common(self)
        longest = shortest_interval(self.deadline_cron)
        if self.lower_bound_delta is not None:
            _check_window("lower_bound_delta", self.lower_bound_delta)
            if self.lower_bound_delta > longest:
                raise DefinitionError(
                    f"lower_bound_delta ({self.lower_bound_delta}) is longer than the time between two deadlines of "
                    f"{self.deadline_cron!r} ({longest}); a run would count for two of them. Make it shorter, or leave "
                    "it out: then the window opens at the deadline before"
                )
        if self.warn_before is not None:
            _check_window("warn_before", self.warn_before)
            if self.warn_before > (window := self.lower_bound_delta or longest):
                raise DefinitionError(
                    f"warn_before ({self.warn_before}) is longer than the window ({window}): the warning would come "
                    "before anything that counts can be made"
                )


@dataclass(frozen=True, kw_only=True)
class MaximumLagFreshnessPolicy(FreshnessPolicy):
    """Fails when the data that went into the asset, from however far upstream, are too old."""

    type: Literal["maximum_lag"]
    lag: timedelta
    cron_schedule: str | None = None
    timezone: str = "UTC"
    warn_lag: timedelta | None = None
    grace: timedelta | None = None
    per: Per | None = None
    calendar: BusinessCalendar | None = None

    def __post_init__(self) -> None:
        _check_window("maximum_lag", self.lag)
        _check_earlier("warn_lag", self.warn_lag, "maximum_lag", self.lag)
        _check_common(self)
        if self.cron_schedule is not None:
            plain_cron(self.cron_schedule, _WHAT)
        elif self.calendar is not None:
            raise DefinitionError("a maximum lag has deadlines, and so a calendar, only with a cron_schedule")

    @property
    def basis(self) -> Basis:
        """Always the data."""
        return "data"


AnyFreshnessPolicy: TypeAlias = Annotated[
    TimeWindowFreshnessPolicy | CronFreshnessPolicy | MaximumLagFreshnessPolicy, Field(discriminator="type")
]


def _check_common(policy: AnyFreshnessPolicy) -> None:
    checked_zone(policy.timezone, _WHAT)
    if policy.grace is not None:
        _check_window("grace", policy.grace, shortest=_NOTHING)
    if policy.basis not in ("run", "data"):
        raise DefinitionError(f"basis is 'run' or 'data', not {policy.basis!r}")
    if policy.per not in (None, "asset", "partition"):
        raise DefinitionError(f"per is 'asset' or 'partition', not {policy.per!r}")
    if policy.calendar is not None and not isinstance(policy.calendar, BusinessCalendar):
        raise DefinitionError(f"calendar is a BusinessCalendar(…), not {policy.calendar!r}")


def _check_earlier(name: str, window: timedelta | None, failing: str, limit: timedelta) -> None:
    if window is None:
        return
    _check_window(name, window)
    if window >= limit:
        raise DefinitionError(
            f"{name} ({window}) must be shorter than {failing} ({limit}): an asset warns before it fails"
        )


def _check_window(name: str, window: object, *, shortest: timedelta = _SHORTEST) -> None:
    if not isinstance(window, timedelta):
        raise DefinitionError(f"{name} is a timedelta, for example timedelta(hours=1), not {window!r}")
    if window < shortest:
        raise DefinitionError(f"{name} is {window}; the shortest {'is zero' if not shortest else 'is one second'}")
