from __future__ import annotations

from datetime import UTC, datetime, timedelta

import anyio
from hypothesis import given
from hypothesis import strategies as st

from upwell.clock import NEVER, Deadlines, FakeClock

START = datetime(2024, 1, 1, tzinfo=UTC)

KEYS = st.integers(0, 5)
SECONDS = st.integers(0, 50)
STEPS = st.one_of(
    st.tuples(st.just("set"), KEYS, SECONDS),
    st.tuples(st.just("discard"), KEYS, st.just(0)),
    st.tuples(st.just("pop"), st.just(0), SECONDS),
)


@given(st.lists(STEPS, max_size=300))
def test_deadlines_behave_as_a_plain_dict_searched_through(steps: list[tuple[str, int, int]]) -> None:
    deadlines: Deadlines[int] = Deadlines()
    model: dict[int, int] = {}
    for action, key, seconds in steps:
        if action == "set":
            deadlines.set(key, START + timedelta(seconds=seconds))
            model[key] = seconds
        elif action == "discard":
            deadlines.discard(key)
            model.pop(key, None)
        else:
            popped = list(deadlines.pop_due(START + timedelta(seconds=seconds)))
            due = {key: at for key, at in model.items() if at <= seconds}
            assert {key: at for at, key in popped} == {k: START + timedelta(seconds=at) for k, at in due.items()}
            assert [at for at, _ in popped] == sorted(at for at, _ in popped)
            model = {key: at for key, at in model.items() if at > seconds}
        assert len(deadlines) == len(model)
        assert deadlines.next() == (START + timedelta(seconds=min(model.values())) if model else NEVER)


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 100)), max_size=20), st.lists(st.integers(0, 40), max_size=5))
def test_every_sleeper_wakes_at_exactly_its_instant(sleeps: list[tuple[bool, int]], moves: list[int]) -> None:
    woken: list[tuple[int, datetime]] = []

    async def sleep(clock: FakeClock, by_instant: bool, seconds: int) -> None:
        if by_instant:
            await clock.sleep_until(START + timedelta(seconds=seconds))
        else:
            await clock.sleep(seconds)
        woken.append((seconds, clock.now()))

    async def simulate() -> None:
        clock = FakeClock(START)
        async with anyio.create_task_group() as tasks:
            for by_instant, seconds in sleeps:
                tasks.start_soon(sleep, clock, by_instant, seconds)
            for move in moves:
                await clock.advance(move)
                assert clock.now() == START + timedelta(seconds=clock.monotonic())
            await clock.advance()

    anyio.run(simulate)
    assert woken == [(seconds, START + timedelta(seconds=seconds)) for seconds, _ in sorted(woken)]
    assert len(woken) == len(sleeps)
