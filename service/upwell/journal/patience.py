"""Waiting for a journal that refuses for now."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from upwell.clock import Clock
from upwell.errors import JournalUnavailable

T = TypeVar("T")

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0  # seconds


async def until_it_answers(
    call: Callable[[], Awaitable[T]], clock: Clock, refused: Callable[[JournalUnavailable, float], object]
) -> T:
    """What `call` answers, made again after growing pauses while the journal is unavailable.

    Args:
        refused: told of each refusal, and of the seconds until the next try.
    """
    pause = FIRST_PAUSE
    while True:
        try:
            return await call()
        except JournalUnavailable as error:
            refused(error, pause)
        await clock.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)
