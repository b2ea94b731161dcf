"""Time for intervals and pauses: it goes on evenly when the wall clock is set."""

from __future__ import annotations

from datetime import datetime, timedelta

from upwell.clock import Clock


class SteadyClock:
    """A clock that began with another's wall clock and follows that one's elapsed time since.

    Its instants are for comparing with each other only; they are not written down.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._began = clock.now() - timedelta(seconds=clock.monotonic())

    def now(self) -> datetime:
        return self._began + timedelta(seconds=self._clock.monotonic())

    def monotonic(self) -> float:
        return self._clock.monotonic()

    async def sleep_until(self, deadline: datetime) -> None:
        await self._clock.sleep((deadline - self.now()).total_seconds())

    async def sleep(self, seconds: float) -> None:
        await self._clock.sleep(seconds)
