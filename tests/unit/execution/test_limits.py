from __future__ import annotations

import time

from upwell.events import RunId
from upwell.execution.limits import Limits, RunQueue, StepSlots, Ticket


def run(name: str) -> RunId:
    return RunId(name)


def ticket(slots: StepSlots, name: str, *writes: str, pool: str | None = None) -> Ticket:
    return slots.ticket(run("r"), name, 1, pool=pool, writes=((asset, None) for asset in writes))


def test_the_oldest_run_whose_lane_is_free_starts_first() -> None:
    queue = RunQueue(max_runs=10)
    queue.add(run("b1"), "b", 2)
    queue.add(run("a1"), "a", 1)
    queue.add(run("a2"), "a", 3)
    assert [queue.start_next(), queue.start_next(), queue.start_next()] == ["a1", "b1", None]
    queue.remove(run("a1"))
    assert queue.start_next() == "a2"


def test_only_so_many_runs_start() -> None:
    queue = RunQueue(max_runs=1)
    queue.add(run("a"), "a", 1)
    queue.add(run("b"), "b", 2)
    assert queue.start_next() == "a"
    assert queue.start_next() is None
    assert len(queue) == 1
    queue.remove(run("a"))
    assert queue.start_next() == "b"


def test_a_run_that_was_cancelled_while_it_waited_is_passed_over() -> None:
    queue = RunQueue(max_runs=10)
    for order, name in enumerate(("r1", "r2", "r3")):
        queue.add(run(name), "lane", order)
    assert queue.start_next() == "r1"
    queue.remove(run("r2"))
    queue.remove(run("r1"))
    assert queue.start_next() == "r3"
    assert queue.start_next() is None


def test_a_run_found_under_way_holds_its_lane() -> None:
    queue = RunQueue(max_runs=10)
    queue.occupy(run("old"), "lane")
    queue.add(run("next"), "lane", 5)
    assert queue.start_next() is None
    queue.remove(run("old"))
    assert queue.start_next() == "next"


def test_steps_get_their_slots_in_the_order_they_came() -> None:
    slots = StepSlots(Limits(max_steps=1))
    first, second, third = (ticket(slots, name) for name in "abc")
    assert [slots.take(one) for one in (first, second, third)] == [True, False, False]
    assert slots.release(first) == [second]
    assert slots.release(second) == [third]


def test_a_full_pool_does_not_hold_up_steps_outside_of_it() -> None:
    slots = StepSlots(Limits(max_steps=10, pools={"db": 1}))
    assert slots.take(ticket(slots, "a", pool="db"))
    assert not slots.take(ticket(slots, "b", pool="db"))
    assert slots.take(ticket(slots, "c"))


def test_a_pool_that_nobody_limited_is_no_limit() -> None:
    slots = StepSlots(Limits())
    assert all(slots.take(ticket(slots, name, pool="any")) for name in "abc")


def test_one_asset_is_written_by_one_step_at_a_time() -> None:
    slots = StepSlots(Limits())
    first, second = ticket(slots, "a", "x", "y"), ticket(slots, "b", "y", "z")
    assert slots.take(first)
    assert not slots.take(second)
    assert slots.take(ticket(slots, "c", "z")), "a step that waits holds nothing"
    assert slots.release(first) == []


def test_a_step_that_lacks_two_things_gets_them_in_the_end() -> None:
    slots = StepSlots(Limits())
    first, second, both = ticket(slots, "a", "x"), ticket(slots, "b", "y"), ticket(slots, "c", "x", "y")
    assert slots.take(first)
    assert slots.take(second)
    assert not slots.take(both)
    assert slots.release(first) == []
    assert slots.release(second) == [both]


def test_a_ticket_that_was_given_up_is_not_handed_out() -> None:
    slots = StepSlots(Limits(max_steps=1))
    first, second, third = (ticket(slots, name) for name in "abc")
    for one in (first, second, third):
        slots.take(one)
    slots.discard(second)
    assert slots.release(first) == [third]


def test_handing_out_slots_does_not_look_at_everybody_who_waits() -> None:
    slots = StepSlots(Limits(max_steps=2, pools={"db": 1}))
    tickets = [ticket(slots, f"s{i}", f"s{i}", pool="db") for i in range(20_000)]
    began = time.perf_counter()
    running = [one for one in tickets if slots.take(one)]
    while running:
        running.extend(slots.release(running.pop()))
    assert time.perf_counter() - began < 1.0
