"""So many in a period, and no more: a few at once, then one after the other."""

from __future__ import annotations

from upwell.clock import Clock


class Pace:
    """Gives `most` turns in each `period` (seconds); whoever asks for more waits."""

    def __init__(self, most: int, period: float, clock: Clock) -> None:
        self._most = float(most)
        self._each = period / most
        self._clock = clock
        self._there = self._most
        self._at = clock.monotonic()

    async def turn(self) -> None:
        """Return when it is this one's turn."""
        self._gather()
        if self._there < 1.0:
            await self._clock.sleep((1.0 - self._there) * self._each)
            self._gather()
        self._there -= 1.0

    def _gather(self) -> None:
        now = self._clock.monotonic()
        self._there = min(self._most, self._there + max(0.0, now - self._at) / self._each)
        self._at = now
