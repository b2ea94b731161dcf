"""Business days: which days of a place are worked on, and where a deadline goes that falls on another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from importlib import import_module
from typing import Literal, TypeAlias
from zoneinfo import ZoneInfo

from upwell.errors import DefinitionError

Roll: TypeAlias = Literal["next", "previous", "skip"]

_DAY = timedelta(days=1)
_LONGEST_BREAK = 366  # days; a calendar with more free days in a row has no business days worth the name


@dataclass(frozen=True, kw_only=True)
class BusinessCalendar:
    """Days on which a deadline may fall, and what becomes of one that falls on another.

    Attributes:
        weekdays: the days of the week that count; Monday is 0.
        holidays: days that do not count although their weekday does.
        country, subdivision: add the public holidays that the `holidays` package knows, e.g. `"DE"` and `"BY"`.
        roll: where such a deadline goes, at the same time of day: to the `next` or the `previous` business day, or it
            does not exist (`skip`).
    """

    weekdays: tuple[int, ...] = (0, 1, 2, 3, 4)
    holidays: tuple[date, ...] = ()
    country: str | None = None
    subdivision: str | None = None
    roll: Roll = "next"

    def __post_init__(self) -> None:
        object.__setattr__(self, "weekdays", tuple(self.weekdays))
        object.__setattr__(self, "holidays", tuple(sorted(self.holidays)))
        if not self.weekdays or not all(isinstance(day, int) and 0 <= day <= 6 for day in self.weekdays):
            raise DefinitionError(
                f"weekdays are numbers from 0 (Monday) to 6 (Sunday), at least one; not {self.weekdays}"
            )
        if wrong := [day for day in self.holidays if not isinstance(day, date) or isinstance(day, datetime)]:
            raise DefinitionError(f"holidays are dates, for example date(2025, 12, 25), not {wrong[0]!r}")
        if self.roll not in ("next", "previous", "skip"):
            raise DefinitionError(f"roll is 'next', 'previous' or 'skip', not {self.roll!r}")
        if self.subdivision is not None and self.country is None:
            raise DefinitionError(f"subdivision={self.subdivision!r} is part of a country: give country=, too")
        if self.country is not None:
            _public_holidays(self.country, self.subdivision)

    def is_business_day(self, day: date) -> bool:
        """Whether `day` counts."""
        if day.weekday() not in self.weekdays or day in self.holidays:
            return False
        return self.country is None or day not in _public_holidays(self.country, self.subdivision)

    def nearest(self, day: date, step: int) -> date | None:
        """The first business day from `day` on (itself included), forward (1) or back (-1)."""
        for _ in range(_LONGEST_BREAK):
            if self.is_business_day(day):
                return day
            day += step * _DAY
        return None

    def rolled(self, instant: datetime, zone: ZoneInfo) -> datetime | None:
        """The deadline that `instant` becomes, or none when there is none."""
        wall = instant.astimezone(zone)
        if self.is_business_day(wall.date()):
            return instant
        if self.roll == "skip":
            return None
        day = self.nearest(wall.date(), 1 if self.roll == "next" else -1)
        return None if day is None else datetime.combine(day, wall.time()).replace(tzinfo=zone).astimezone(UTC)


@cache
def _public_holidays(country: str, subdivision: str | None) -> Mapping[date, str]:
    try:
        package = import_module("holidays")
    except ImportError:
        raise DefinitionError(
            f"country={country!r} needs the package `holidays`: pip install 'upwell[calendars]', or list the holidays"
        ) from None
    try:
        found: Mapping[date, str] = package.country_holidays(country, subdiv=subdivision)
    except NotImplementedError as problem:
        raise DefinitionError(f"the package `holidays` does not know that place: {problem}") from None
    return found
