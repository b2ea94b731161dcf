"""A bound on how often something happens: a token bucket. Its whole state is the instant at which it is full again."""

from __future__ import annotations

import math

from upwell.definitions.reactions import Rate

_ROUNDING = 1e-6  # seconds: sums of floats must not refuse who comes exactly in time


def taken(full_at: float, now: float, rate: Rate) -> tuple[float, float]:
    """Take a token at `now` from a bucket that is full at `full_at`.

    The bucket holds `rate.count` tokens and gets as many in `rate.seconds`, evenly: so many may come at once, and so
    many in each period in the long run.

    Returns:
        When it is full now, and 0; or, when it is empty, `full_at` and the seconds until there is a token.
    """
    after = max(full_at, now) + rate.seconds / rate.count
    over = after - now - rate.seconds
    return (full_at, over) if over > _ROUNDING else (after, 0.0)


class RateLimit:
    """The bucket of one endpoint. Instants are seconds of a clock that never goes back."""

    def __init__(self, rate: Rate) -> None:
        self.rate = rate
        self._full_at = -math.inf

    def take(self, now: float) -> float:
        """Take a token; 0, or the seconds after which it is worth trying again."""
        self._full_at, wait = taken(self._full_at, now, self.rate)
        return wait
