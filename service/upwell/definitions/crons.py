"""Cron expressions that people write for schedules: five fields, read by cronsim, told from what never comes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from upwell.definitions.errors import DagsterInvalidDefinitionError

_SHORT = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_BOUNDS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 6))
_RANGE = re.compile(r"(\d+)-(\d+)(/\d+)?", re.ASCII)
_ANY_YEAR = datetime(2024, 1, 1, tzinfo=UTC)


def checked_crons(crons: object, what: str) -> str | tuple[str, ...]:
    """One cron expression or several, if a schedule can have them.

    Raises:
        DagsterInvalidDefinitionError: there are none, or one cannot be read or never comes.
    """
    if isinstance(crons, str):
        plain_cron(crons, what)
        return crons
    if not isinstance(crons, Sequence) or not crons or not all(isinstance(cron, str) for cron in crons):
        raise DagsterInvalidDefinitionError(
            f"{what} needs cron_schedule=, an expression such as '0 6 * * *' or a list of them; not {crons!r}"
        )
    for cron in crons:
        plain_cron(cron, what)
    return tuple(crons)


def plain_cron(cron: str, what: str) -> str:
    """The expression that means the same in the words of cronsim: `@daily`, `?` and `22-2` written out.

    Raises:
        DagsterInvalidDefinitionError: it cannot be read or never comes.
    """
    fields = _SHORT.get(cron.strip().lower(), cron).split()
    plain = " ".join(_plain_field(field, bounds) for field, bounds in zip(fields, _BOUNDS, strict=False))
    problem = "" if len(fields) == 5 else f"{len(fields)} fields"
    if fields[2:4] in (["30", "2"], ["31", "2"]):
        problem = "no date is like that"
    try:
        next(CronSim(plain, _ANY_YEAR))
    except StopIteration:
        problem = problem or "no date is like that"
    except CronSimError as error:
        problem = problem or str(error)
    if problem:
        raise DagsterInvalidDefinitionError(
            f"invalid cron schedule {cron!r} of {what} ({problem}): its five fields are minute, hour, day, month and "
            "weekday, e.g. '0 6 * * *'; '@daily' and the like are short for such"
        )
    return plain


def _plain_field(field: str, bounds: tuple[int, int]) -> str:
    parts = ("*" if part == "?" else _last_weekday(part) for part in field.split(","))
    return ",".join(_without_wrap(part, *bounds) for part in parts)


def _last_weekday(part: str) -> str:
    """`L5`, the last Friday, is `5L` for cronsim."""
    return f"{part[1:]}L" if len(part) == 2 and part[0] == "L" and part[1].isdigit() else part


def _without_wrap(part: str, first: int, last: int) -> str:
    """A range that goes over the end, `22-2`, as the two that it means."""
    found = _RANGE.fullmatch(part)
    if found is None or int(found[1]) <= int(found[2]):
        return part
    step = found[3] or ""
    return f"{found[1]}-{last}{step},{first}-{found[2]}{step}"


def checked_zone(name: str | None, what: str) -> str | None:
    """The name of a time zone, if there is one of it.

    Raises:
        DagsterInvalidDefinitionError: there is none.
    """
    if name is not None:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, TypeError, OSError):
            raise DagsterInvalidDefinitionError(
                f"execution_timezone={name!r} of {what} is no time zone; use a name such as 'Europe/Berlin'"
            ) from None
    return name
