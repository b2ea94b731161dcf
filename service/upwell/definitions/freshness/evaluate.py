"""What a policy says of an asset at an instant. Pure.

Windows are half-open: what was made at `t` is fresh in `[t, t + fail_window)`, and late from the instant
`t + fail_window` on, even if new data is committed at that very instant. A cron deadline `D` asks for what was made in
`[S, D)`, where `S` is when its window opened. A transition is dated at the instant it follows from, never at the
instant somebody looked.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import lru_cache
from typing import NamedTuple, assert_never
from zoneinfo import ZoneInfo

from upwell.clock import NEVER
from upwell.definitions.freshness.calendar import BusinessCalendar
from upwell.definitions.freshness.deadlines import EARLIEST, Deadlines, cron_deadlines, opened_at
from upwell.definitions.freshness.model import (
    AnyFreshnessPolicy,
    CronFreshnessPolicy,
    MaximumLagFreshnessPolicy,
    TimeWindowFreshnessPolicy,
)
from upwell.events import FreshnessState

_LEAST = timedelta(microseconds=1)


class Missing(NamedTuple):
    """The first of the partitions that are due, or will be, and are not there; `none` when no other will ever be due.

    Everything up to its start is there; it exists from `exists_at` on, mostly its end.
    """

    starts_at: datetime = NEVER
    exists_at: datetime = NEVER


class Known(NamedTuple):
    """What is known of an asset.

    Attributes:
        since: when its policy became known; the grace of an asset that was never made starts there.
        made_at: when the newest materialisation that counts was made.
        data_time: up to when its data are complete.
        missing: of an asset that is judged by its partitions, the first that is not there.
    """

    since: datetime
    made_at: datetime | None = None
    data_time: datetime | None = None
    missing: Missing | None = None


class Verdict(NamedTuple):
    """What a policy says at an instant.

    `since` is when the state began, `deadline` when the asset fails (or failed) unless it is materialised before,
    `changes_at` the next instant at which the state changes by itself: `NEVER` if only an event can change it.
    """

    state: FreshnessState
    since: datetime
    deadline: datetime
    changes_at: datetime


class _Outlook(NamedTuple):
    """What becomes of the asset if nothing happens. `begins_as` is the state before it warns or fails."""

    fails_at: datetime
    warns_at: datetime
    begins_as: FreshnessState = "PASS"


def evaluate(policy: AnyFreshnessPolicy, known: Known, now: datetime) -> Verdict:
    """How fresh an asset is at `now`.

    Instants after `now` count as `now`: no clock can make an asset fresher than it could be.
    """
    outlook, began = _outlook(policy, known, now)
    if now >= outlook.fails_at:
        return Verdict(state="FAIL", since=outlook.fails_at, deadline=outlook.fails_at, changes_at=NEVER)
    if now >= outlook.warns_at:
        return Verdict(state="WARN", since=outlook.warns_at, deadline=outlook.fails_at, changes_at=outlook.fails_at)
    changes_at = min(outlook.warns_at, outlook.fails_at)
    return Verdict(state=outlook.begins_as, since=began, deadline=outlook.fails_at, changes_at=changes_at)


def _outlook(policy: AnyFreshnessPolicy, known: Known, now: datetime) -> tuple[_Outlook, datetime]:
    """What will become of the asset, and since when that has been so."""
    made_at = known.made_at
    if made_at is None:
        return _never_made(policy, known), known.since
    began = min(made_at, now)
    if known.missing is not None:
        return _of_partitions(policy, known.missing), began
    if policy.basis == "run":
        return _of_age(policy, began, known.since), began
    if known.data_time is None:
        return _never_made(policy, known), known.since
    return _of_age(policy, min(known.data_time, now), known.since), began


def _never_made(policy: AnyFreshnessPolicy, known: Known) -> _Outlook:
    """Nothing that counts was ever made: unknown for a while, then late."""
    if policy.grace is not None:
        fails_at = _later(known.since, policy.grace)
    elif known.missing is not None:
        fails_at = _of_partitions(policy, known.missing).fails_at
    else:
        match policy:
            case TimeWindowFreshnessPolicy():
                fails_at = _moved(_later(known.since, policy.fail_window), policy)
            case CronFreshnessPolicy():
                fails_at = _deadlines_of(policy).after(known.since)
            case MaximumLagFreshnessPolicy():
                fails_at = _lagging_at(policy, known.since, known.since)
            case _:
                assert_never(policy)
    return _Outlook(fails_at, fails_at, "UNKNOWN")


def _of_age(policy: AnyFreshnessPolicy, counted_from: datetime, known_since: datetime) -> _Outlook:
    match policy:
        case TimeWindowFreshnessPolicy(fail_window=fail, warn_window=warn):
            fails_at = _moved(_later(counted_from, fail), policy)
            return _Outlook(fails_at, fails_at if warn is None else _later(counted_from, warn))
        case CronFreshnessPolicy():
            return _of_windows(policy, counted_from, known_since)
        case MaximumLagFreshnessPolicy(warn_lag=warn):
            late_at = _later(counted_from, policy.lag)
            fails_at = _lagging_at(policy, counted_from, known_since)
            warns_at = fails_at if warn is None else min(fails_at, _later(counted_from, warn))
            asked_before = policy.cron_schedule is not None and _deadlines_of(policy).up_to(known_since) > late_at
            return _Outlook(fails_at, warns_at, "UNKNOWN" if asked_before else "PASS")
        case _:
            assert_never(policy)


def _of_windows(policy: CronFreshnessPolicy, counted_from: datetime, known_since: datetime) -> _Outlook:
    """The first deadline whose window holds nothing; those before the policy was known ask for nothing."""
    deadlines = _deadlines_of(policy)
    deadline = deadlines.after(max(counted_from, known_since))
    opens_at = _opened_at(policy, deadline)
    if counted_from >= opens_at:
        deadline = deadlines.after(deadline)
        opens_at = _opened_at(policy, deadline)
    warns_at = deadline if policy.warn_before is None else max(deadline - policy.warn_before, opens_at)
    missed_before = counted_from < known_since and counted_from < _opened_at(policy, deadlines.up_to(known_since))
    return _Outlook(deadline, warns_at, "UNKNOWN" if missed_before else "PASS")


def _of_partitions(policy: AnyFreshnessPolicy, missing: Missing) -> _Outlook:
    exists_at = missing.exists_at
    match policy:
        case TimeWindowFreshnessPolicy(fail_window=fail, warn_window=warn, basis=basis):
            counted_from = exists_at if basis == "run" else missing.starts_at
            fails_at = _moved(_later(counted_from, fail), policy)
            warns_at = fails_at if warn is None else _later(counted_from, warn)
        case CronFreshnessPolicy(warn_before=warn):
            fails_at = _deadlines_of(policy).after(exists_at)
            warns_at = fails_at if warn is None or fails_at >= NEVER else max(fails_at - warn, exists_at)
        case MaximumLagFreshnessPolicy(warn_lag=warn):
            fails_at = _lagging_at(policy, missing.starts_at, EARLIEST)
            warns_at = fails_at if warn is None else min(fails_at, _later(missing.starts_at, warn))
        case _:
            assert_never(policy)
    return _Outlook(fails_at, warns_at)


def asks_for_after(policy: AnyFreshnessPolicy, since: datetime) -> datetime:
    """Partitions that exist only after this are due after `since`, when the policy became known; others were before.

    Of a policy about data it is their start that counts.
    """
    match policy:
        case TimeWindowFreshnessPolicy(fail_window=window) | MaximumLagFreshnessPolicy(lag=window, cron_schedule=None):
            return _earlier(since, window)
        case MaximumLagFreshnessPolicy(lag=window):
            return _earlier(_deadlines_of(policy).up_to(since), window + _LEAST)
        case CronFreshnessPolicy():
            return _earlier(_deadlines_of(policy).up_to(since), _LEAST)
        case _:
            assert_never(policy)


def _opened_at(policy: CronFreshnessPolicy, deadline: datetime) -> datetime:
    if deadline >= NEVER or deadline <= EARLIEST:
        return deadline
    before = _deadlines_of(policy).before(deadline)
    if policy.lower_bound_delta is None:
        return before
    # Never before the deadline before, also where clocks or a calendar bring the two close together.
    return max(opened_at(deadline, policy.lower_bound_delta, ZoneInfo(policy.timezone)), before)


def _lagging_at(policy: MaximumLagFreshnessPolicy, data_time: datetime, known_since: datetime) -> datetime:
    """When data of that time are too old; at a tick they may be exactly as old as the lag."""
    late_at = _later(data_time, policy.lag)
    return late_at if policy.cron_schedule is None else _deadlines_of(policy).after(max(late_at, known_since))


def _deadlines_of(policy: CronFreshnessPolicy | MaximumLagFreshnessPolicy) -> Deadlines:
    cron = policy.deadline_cron if isinstance(policy, CronFreshnessPolicy) else policy.cron_schedule
    assert cron is not None, "who asks has looked"
    return cron_deadlines(cron, policy.timezone, policy.calendar)


def _moved(deadline: datetime, policy: TimeWindowFreshnessPolicy) -> datetime:
    if policy.calendar is None or deadline >= NEVER:
        return deadline
    return _rolled(deadline, policy.calendar, policy.timezone)


@lru_cache(maxsize=1024)
def _rolled(deadline: datetime, calendar: BusinessCalendar, timezone: str) -> datetime:
    return calendar.rolled(deadline, ZoneInfo(timezone)) or NEVER


def _later(instant: datetime, window: timedelta) -> datetime:
    return instant + window if window < NEVER - instant else NEVER


def _earlier(instant: datetime, window: timedelta) -> datetime:
    return instant - window if window < instant - EARLIEST else EARLIEST
