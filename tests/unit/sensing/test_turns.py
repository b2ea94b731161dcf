from __future__ import annotations

import anyio
import pytest

from upwell.sensing.turns import Turns

pytestmark = pytest.mark.anyio


async def test_no_more_than_so_many_are_under_way_and_all_have_their_turn_in_order() -> None:
    under_way, most, begun = 0, 0, list[int]()

    async def work(number: int) -> None:
        nonlocal under_way, most
        begun.append(number)
        under_way += 1
        most = max(most, under_way)
        await anyio.sleep(0)
        under_way -= 1

    turns = Turns(3)
    async with anyio.create_task_group() as tasks:
        for number in range(10):
            turns.start(work, number)
        turns.begin(tasks)
    assert (most, begun) == (3, list(range(10)))


async def test_a_stop_waits_for_what_is_under_way_and_starts_nothing_else() -> None:
    begun, ended = [], []

    async def work(number: int) -> None:
        begun.append(number)
        await anyio.sleep(0.01)
        ended.append(number)

    turns = Turns(2)
    async with anyio.create_task_group() as tasks:
        turns.begin(tasks)
        for number in range(5):
            turns.start(work, number)
        await anyio.sleep(0)
        await turns.stop()
        turns.start(work, 9)
    assert begun == ended == [0, 1]
