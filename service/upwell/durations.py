"""Durations as users write them: `"500ms"`, `"2s"`, `"10m"`, `"1h"`, `"1d"`, or a timedelta."""

from __future__ import annotations

import re
from datetime import timedelta

from upwell.errors import DefinitionError

_UNITS = {
    "ms": timedelta(milliseconds=1),
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)", re.ASCII)


def parse_duration(text: str | timedelta, *, what: str = "duration") -> timedelta:
    """The duration that `text` says; never negative.

    Args:
        what: the name of the argument, for the error.

    Raises:
        DefinitionError: it is neither a timedelta nor a number with a unit.
    """
    duration = _read(text)
    if duration is None or duration < timedelta(0):
        raise DefinitionError(f'{what}={text!r} is no duration; write "500ms", "2s", "10m", "1h", "1d" or a timedelta')
    return duration


def format_duration(duration: timedelta) -> str:
    """The shortest text that `parse_duration` reads back as the same: `"90s"`, `"2h"`."""
    for unit in ("d", "h", "m", "s", "ms"):
        if duration % _UNITS[unit] == timedelta(0):
            return f"{duration // _UNITS[unit]}{unit}"
    return f"{duration / _UNITS['ms']:.3f}ms"


def _read(text: object) -> timedelta | None:
    if isinstance(text, timedelta):
        return text
    match = _DURATION.fullmatch(text.strip()) if isinstance(text, str) else None
    if match is None:
        return None
    try:
        return float(match[1]) * _UNITS[match[2]]
    except OverflowError:
        return None
