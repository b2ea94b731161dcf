"""Time as an event source: `every` so often, `cron` by the wall clock of a time zone, `at` given instants."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Unpack

from upwell.clock import NEVER
from upwell.definitions.reactions import On, SourceSpec
from upwell.durations import format_duration, parse_duration
from upwell.errors import DefinitionError
from upwell.sources.reaction import Reaction, listener
from upwell_sensors.ticks import EPOCH, CatchUp, CronTicks, catch_up_policy, in_order, spread_of, zone

_SHORTEST = timedelta(milliseconds=10)
_SHOWN = 3  # schedules or instants in a name


def every(
    interval: str | timedelta,
    *,
    catch_up: CatchUp = "latest",
    jitter: str | timedelta | None = None,
    **reaction: Unpack[Reaction],
) -> On:
    """An event each `interval`, at its multiples since 1970 in UTC: `every("10s")` ticks at :00, :10, :20 …

    A restart keeps the phase, and two services tick together.

    Args:
        interval: `"500ms"`, `"10s"`, `"5m"`, `"1h"`, `"1d"` or a timedelta; from 10 ms.
        catch_up: which of the ticks missed while the service was down still come: the `latest`, `all` or `none`.
        jitter: spread timers over so long: each is late by a part of it that its name decides, always the same.
        reaction: `partition`, `filter`, `debounce`, `batch` and `throttle`, as every source takes them.

    Raises:
        DefinitionError: the interval or an option cannot be read, or it is too short.
    """
    length = parse_duration(interval, what="every(interval)")
    if length < _SHORTEST:
        raise DefinitionError(f"every({interval!r}): the shortest interval is {format_duration(_SHORTEST)}")
    spread = spread_of(jitter)
    if spread is not None and spread > length:
        raise DefinitionError(f"every({interval!r}): jitter={jitter!r} is longer than the interval")
    text = format_duration(length)
    params = {"interval": text, **_stated(catch_up, spread)}
    return listener(SourceSpec(kind="every", name=f"every:{text}", params=params), **reaction)


def cron(
    schedule: str | Sequence[str],
    *,
    timezone: str = "UTC",
    catch_up: CatchUp = "latest",
    jitter: str | timedelta | None = None,
    **reaction: Unpack[Reaction],
) -> On:
    """An event at each tick of a cron schedule, as cron(8) understands it, also on days when the clock changes.

    Args:
        schedule: five fields (`"0 6 * * 1-5"`), six with the seconds first, or `@hourly`, `@daily`, `@weekly` …; or a
            list of these, whose ticks come in turn, and once where they coincide.
        timezone: the IANA zone in which the schedule is read.
        catch_up: which of the ticks missed while the service was down still come: the `latest`, `all` or `none`.
        jitter: spread timers over so long: each is late by a part of it that its name decides, always the same.
        reaction: `partition`, `filter`, `debounce`, `batch` and `throttle`, as every source takes them.

    Raises:
        DefinitionError: a schedule, the zone or an option cannot be read, or a schedule never comes.
    """
    given = [schedule] if isinstance(schedule, str) else list(schedule)
    texts = list(dict.fromkeys(" ".join(each.split()) for each in given))
    if not texts:
        raise DefinitionError("cron([]): name a schedule, for example '0 6 * * *'")
    for text in texts:
        if CronTicks([text], timezone).after(EPOCH) >= NEVER:
            raise DefinitionError(f"cron({text!r}): no such day exists; the schedule would never come")
    plain: str | list[str] = texts[0] if len(texts) == 1 else texts
    params = {"schedule": plain, "timezone": timezone, **_stated(catch_up, spread_of(jitter))}
    return listener(SourceSpec(kind="cron", name=f"cron:{_named(texts)}@{timezone}", params=params), **reaction)


def at(
    *when: str | datetime,
    timezone: str | None = None,
    catch_up: CatchUp = "latest",
    **reaction: Unpack[Reaction],
) -> On:
    """An event at each of some instants: `at("2025-01-01T06:00:00+01:00")`.

    Args:
        when: each as ISO 8601 or as a datetime. What has been when the source is first started does not come.
        timezone: the IANA zone of those without an offset.
        catch_up: which of the instants missed while the service was down still come: the `latest`, `all` or `none`.
        reaction: `partition`, `filter`, `debounce`, `batch` and `throttle`, as every source takes them.

    Raises:
        DefinitionError: an instant, the zone or an option cannot be read, or an instant has neither offset nor zone.
    """
    texts = [each.isoformat() for each in in_order(when, None if timezone is None else zone(timezone))]
    params = {"instants": texts, **_stated(catch_up, None)}
    return listener(SourceSpec(kind="at", name=f"at:{_named(texts)}", params=params), **reaction)


def _stated(catch_up: CatchUp, jitter: timedelta | None) -> dict[str, str]:
    """Those options that differ from what they are without being stated."""
    stated = {} if catch_up_policy(catch_up) == "latest" else {"catch_up": str(catch_up)}
    return stated if jitter is None else {**stated, "jitter": format_duration(jitter)}


def _named(texts: Sequence[str]) -> str:
    """A name that is short to read and another for other texts."""
    if len(texts) <= _SHOWN:
        return ", ".join(texts)
    digest = hashlib.blake2b("\n".join(texts).encode(), digest_size=4).hexdigest()
    return f"{', '.join(texts[:_SHOWN])} and {len(texts) - _SHOWN} more ({digest})"
