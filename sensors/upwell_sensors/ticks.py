"""When a timer ticks: by an interval, by cron schedules in a time zone, at given instants. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Literal, TypeAlias, get_args
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from upwell.clock import NEVER
from upwell.definitions import cron_ticks
from upwell.durations import parse_duration
from upwell.errors import DefinitionError

CatchUp: TypeAlias = Literal["latest", "all", "none"]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_NICKNAMES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}


def catch_up_policy(catch_up: CatchUp) -> CatchUp:
    """The policy, if it is one.

    Raises:
        DefinitionError: it is none.
    """
    if catch_up not in get_args(CatchUp):
        raise DefinitionError(f'catch_up={catch_up!r} is unknown; choose "latest", "all" or "none"')
    return catch_up


def spread_of(jitter: str | timedelta | None) -> timedelta | None:
    """Over how long `jitter` spreads timers; none where they are not to be spread."""
    return None if jitter is None else parse_duration(jitter, what="jitter")


def interval_tick_after(instant: datetime, interval: timedelta) -> datetime:
    """The first multiple of `interval` since 1970 that is later than `instant`, or NEVER."""
    try:
        return EPOCH + ((instant - EPOCH) // interval + 1) * interval
    except OverflowError:
        return NEVER


class CronTicks:
    """The ticks of cron schedules in a time zone; where several coincide it is one tick.

    Raises:
        DefinitionError: a schedule or the zone cannot be read.
    """

    def __init__(self, schedules: Sequence[str], timezone: str) -> None:
        self._schedules = [cron_ticks.CronTicks(_readable(schedule), zone(timezone)) for schedule in schedules]

    def after(self, instant: datetime) -> datetime:
        """The first tick later than `instant`, or NEVER."""
        return min(schedule.after(instant) for schedule in self._schedules)


def zone(name: str) -> ZoneInfo:
    """The IANA zone of that name.

    Raises:
        DefinitionError: there is none.
    """
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError, TypeError):
        raise DefinitionError(f"timezone={name!r} is unknown; write an IANA name such as 'Europe/Paris'") from None


def in_order(given: Iterable[str | datetime], timezone: tzinfo | None = None) -> list[datetime]:
    """Instants as users write them, in UTC and in order, each once.

    Args:
        timezone: that of those without an offset.

    Raises:
        DefinitionError: there is none, or one cannot be read, or has no offset.
    """
    read = sorted({_instant(each, timezone) for each in given})
    if not read:
        raise DefinitionError('at(): name an instant, for example "2025-01-01T06:00:00+01:00"')
    return read


def instant_after(instant: datetime, ordered: Sequence[datetime]) -> datetime:
    """The first of `ordered` that is later than `instant`, or NEVER."""
    place = bisect_right(ordered, instant)
    return ordered[place] if place < len(ordered) else NEVER


def _readable(schedule: str) -> str:
    text = _NICKNAMES.get(schedule.strip().lower(), schedule)
    try:
        CronSim(text, EPOCH)
    except CronSimError as error:
        raise DefinitionError(
            f"cron({schedule!r}): {error}; write minute hour day month weekday, for example '0 6 * * 1-5'"
        ) from None
    return text


def _instant(given: str | datetime, timezone: tzinfo | None) -> datetime:
    try:
        read = given if isinstance(given, datetime) else datetime.fromisoformat(given)
        read = read if read.tzinfo is not None else read.replace(tzinfo=timezone)
        if read.tzinfo is not None:
            return read.astimezone(UTC)
    except (ValueError, TypeError, OverflowError):
        raise DefinitionError(
            f'at({given!r}) is no instant; write it as "2025-01-01T06:00:00+01:00" or as a datetime'
        ) from None
    raise DefinitionError(f"at({given!r}) leaves open where; write an offset as in +01:00, or timezone='Europe/Paris'")
