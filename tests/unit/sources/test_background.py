from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from functools import partial

import anyio
import pytest

from upwell.sources.background import Background, first_of

pytestmark = pytest.mark.anyio


async def test_closing_a_generator_ends_its_background_without_an_error() -> None:
    ended = anyio.Event()

    async def forever() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            ended.set()

    async def numbers() -> AsyncIterator[int]:
        async with Background() as background:
            background.start_soon(forever)
            while True:
                yield 1

    async with aclosing(numbers()) as generator:  # type: ignore[type-var]
        async for _ in generator:
            break
    assert ended.is_set()


async def test_a_failure_in_the_background_ends_the_generator_with_it() -> None:
    async def fail() -> None:
        raise ConnectionError("gone")

    async def numbers() -> AsyncIterator[int]:
        async with Background() as background:
            background.start_soon(fail)
            await anyio.sleep_forever()
            yield 1

    with pytest.raises(ExceptionGroup) as caught:
        async for _ in numbers():
            pass
    assert caught.group_contains(ConnectionError, match="gone")


async def test_first_of_returns_the_first_answer_and_cancels_the_rest() -> None:
    async def after(seconds: float, answer: str) -> str:
        await anyio.sleep(seconds)
        return answer

    with anyio.fail_after(5):
        assert await first_of(partial(after, 100, "late"), partial(after, 0.01, "early")) == "early"
