"""How the API says instants, ages and lists in its sentences. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta

from upwell.logs import spoken

_RUN_ID = re.compile(r"\b([0-9a-f]{8})[0-9a-f]{24}\b")
_MOST = 3  # names in one sentence


def ago(instant: datetime | None, now: datetime) -> str:
    """How long ago, roughly; a dash for never."""
    if instant is None:
        return "-"
    seconds = max(0.0, (now - instant).total_seconds())
    return "just now" if seconds < 1 else f"{_roughly(seconds)} ago"


def ahead(instant: datetime | None, now: datetime) -> str:
    """In how long, roughly; a dash for never, `now` for what is due."""
    if instant is None:
        return "-"
    seconds = (instant - now).total_seconds()
    return "now" if seconds <= 0 else f"in {_roughly(seconds)}"


def _roughly(seconds: float) -> str:
    for unit, size in (("d", 86_400), ("h", 3_600)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return spoken(seconds)


def clock_time(instant: datetime, now: datetime) -> str:
    """The time of day in UTC, with the date where it is another than today's."""
    instant, now = instant.astimezone(UTC), now.astimezone(UTC)
    form = (
        "%H:%M:%S" if abs(instant - now) < timedelta(days=1) and instant.date() == now.date() else "%Y-%m-%d %H:%M:%S"
    )
    return f"{instant:{form}} UTC"


def named(names: Collection[str]) -> str:
    """The names as in a sentence: `a`, `a and b`, `a, b and c`, `a, b, c and 4 more`."""
    shown = list(names)
    if len(shown) > _MOST:
        shown = [*shown[:_MOST], f"{len(shown) - _MOST} more"]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}" if shown else "nothing"


def events(ids: Sequence[int]) -> str:
    """The events as the subject of a sentence: `event 7`, `events 7 and 9`, `412 events (7 to 511)`."""
    if len(ids) == 1:
        return f"event {ids[0]}"
    if len(ids) <= _MOST:
        return f"events {named([str(each) for each in ids])}"
    return f"{len(ids)} events ({min(ids)} to {max(ids)})"


def short_runs(text: str) -> str:
    """The text with ids of runs as people write them: the first eight characters."""
    return _RUN_ID.sub(r"\1", text)


def sentence(text: str) -> str:
    """The text on one line, with a full stop at its end."""
    text = " ".join(text.split())
    return text if text.endswith((".", "!", "?", "…")) else f"{text}."
