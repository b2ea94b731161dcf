"""How long steps take, by what was seen so far. Pure."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta

QUANTILE = 0.95
"""Of a hundred runs of a step, so many took no longer than it is expected to."""

_KEPT = 50  # newest runs of a step that count


@dataclass(frozen=True, slots=True)
class Estimate:
    """How long something takes: as a rule, and (squared, in seconds) how much longer it may be at the quantile.

    One after the other they are not all slow at once: their times add up, and of what may be longer the squares.
    """

    typical: timedelta = timedelta(0)
    squared: float = 0.0

    @property
    def usual(self) -> timedelta:
        """At the quantile."""
        return self.typical + timedelta(seconds=math.sqrt(self.squared))

    def then(self, other: Estimate) -> Estimate:
        """This and the other, one after the other."""
        return Estimate(self.typical + other.typical, self.squared + other.squared)


class Durations:
    """Of each step, the time from when it could have begun (its inputs were there) until it had succeeded."""

    def __init__(self, known: Mapping[str, Iterable[float]] | None = None, *, quantile: float = QUANTILE) -> None:
        self._quantile = quantile
        self._seen: dict[str, deque[float]] = {}
        self._usual: dict[str, timedelta] = {}
        self._shortest: dict[str, timedelta] = {}
        self._estimates: dict[str, Estimate] = {}
        for step, seconds in (known or {}).items():
            self._seen[step] = deque(seconds, maxlen=_KEPT)
            self._sum_up(step)

    def add(self, step: str, seconds: float) -> bool:
        """Take in a run of a step; whether more time is to be expected from now on."""
        before = self._usual.get(step)
        self._seen.setdefault(step, deque(maxlen=_KEPT)).append(max(0.0, seconds))
        self._sum_up(step)
        return before is None or self._usual[step] > before

    def usual(self, step: str) -> timedelta | None:
        """How long it is expected to take, or None when it was never timed."""
        return self._usual.get(step)

    def estimate(self, step: str) -> Estimate:
        """The same, to be added up; nothing for what was never timed."""
        return self._estimates.get(step, Estimate())

    def shortest(self, step: str) -> timedelta:
        """The shortest that was seen."""
        return self._shortest.get(step, timedelta(0))

    def _sum_up(self, step: str) -> None:
        seen = sorted(self._seen[step])
        place = max(0, math.ceil(self._quantile * len(seen) - 1e-9) - 1)
        self._usual[step] = timedelta(seconds=seen[place])
        self._shortest[step] = timedelta(seconds=seen[0])
        typical = seen[(len(seen) - 1) // 2]
        self._estimates[step] = Estimate(timedelta(seconds=typical), (seen[place] - typical) ** 2)
