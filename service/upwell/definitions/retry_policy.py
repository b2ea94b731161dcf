"""How often, and after which pauses, a failed step is tried again (names and formulas as in Dagster)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Backoff(Enum):
    """How the pause grows from attempt to attempt."""

    LINEAR = "LINEAR"
    EXPONENTIAL = "EXPONENTIAL"


class Jitter(Enum):
    """How the pause is spread, so that many retries do not come at one instant."""

    FULL = "FULL"
    PLUS_MINUS = "PLUS_MINUS"


@dataclass(frozen=True)
class RetryPolicy:
    """Try a failed step again.

    Args:
        max_retries: attempts after the first.
        delay: seconds before a retry; none means at once.
        backoff: growth of the delay: n * delay (linear) or (2^n - 1) * delay (exponential) before retry n.
        jitter: FULL picks from [0, delay], PLUS_MINUS from [0, 2 * delay].
    """

    max_retries: int = 1
    delay: float | None = None
    backoff: Backoff | None = None
    jitter: Jitter | None = None

    def delay_before(self, retry: int, chance: float) -> float:
        """Seconds to wait before retry number `retry` (from 1); `chance` in [0, 1) decides the jitter."""
        pause = self.delay or 0.0
        match self.backoff:
            case Backoff.LINEAR:
                pause *= retry
            case Backoff.EXPONENTIAL:
                pause *= 2**retry - 1
            case None:
                pass
        match self.jitter:
            case Jitter.FULL:
                return chance * pause
            case Jitter.PLUS_MINUS:
                return pause + (2 * chance - 1) * pause
            case None:
                return pause
