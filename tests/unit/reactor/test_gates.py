"""When events that wait are answered: after quiet, after a stretch, when it is their turn."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from upwell.clock import NEVER
from upwell.definitions.reactions import Rate
from upwell.reactor.gates import Gates
from upwell.reactor.matching import Answer, Gathering

START = datetime(2024, 1, 10, 12, tzinfo=UTC)
SOURCE = "webhook:orders"


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def answer(asset: str = "raw", partition: str | None = None, **gathering: object) -> Answer:
    return Answer(targets={asset: (partition,)}, gathering=Gathering(**gathering))  # type: ignore[arg-type]


class Played:
    """Events that arrive at their instants, and what came through the gates when."""

    def __init__(self) -> None:
        self.gates = Gates()
        self.through: list[tuple[float, list[int]]] = []

    def arrive(self, event_id: int, seconds: float, what: Answer) -> None:
        self.pass_to(seconds)
        if self.gates.wait(SOURCE, what, event_id, at(seconds), at(seconds)) is None:
            self.through.append((seconds, [event_id]))

    def pass_to(self, seconds: float) -> None:
        while (opening := self.gates.next_opening()) <= at(seconds):
            for _, _, ids in self.gates.open(opening):
                self.through.append(((opening - START).total_seconds(), list(ids)))

    def to_the_end(self) -> list[tuple[float, list[int]]]:
        while (opening := self.gates.next_opening()) < NEVER:
            self.pass_to((opening - START).total_seconds())
        return self.through


def test_what_does_not_gather_does_not_wait() -> None:
    assert Gates().wait(SOURCE, Answer(targets={"raw": (None,)}), 1, START, START) is None


def test_a_debounced_answer_comes_when_it_has_been_quiet_for_so_long() -> None:
    played = Played()
    for event_id, seconds in enumerate([0, 1, 2.5, 9], start=1):
        played.arrive(event_id, seconds, answer(debounce=2.0))
    assert played.to_the_end() == [(4.5, [1, 2, 3]), (11, [4])]


def test_a_batch_ends_so_long_after_its_first_event() -> None:
    played = Played()
    for event_id, seconds in enumerate([0, 1, 2.5, 9], start=1):
        played.arrive(event_id, seconds, answer(batch=2.0))
    assert played.to_the_end() == [(2, [1, 2]), (4.5, [3]), (11, [4])]


def test_over_the_rate_events_wait_for_their_turn_and_are_answered_together() -> None:
    played = Played()
    for event_id, seconds in enumerate([0, 1, 2, 3, 4], start=1):
        played.arrive(event_id, seconds, answer(throttle=Rate(count=2, seconds=10)))
    assert played.to_the_end() == [(0, [1]), (1, [2]), (10, [3, 4, 5])]


def test_all_partitions_of_a_listener_share_its_rate() -> None:
    played = Played()
    for event_id, key in enumerate(["eu", "us", "eu"], start=1):
        played.arrive(event_id, 0, answer(partition=key, throttle=Rate(count=1, seconds=10)))
    assert played.to_the_end() == [(0, [1]), (10, [2]), (20, [3])]


def test_partitions_wait_at_gates_of_their_own() -> None:
    played = Played()
    played.arrive(1, 0, answer(partition="eu", debounce=2.0))
    played.arrive(2, 1, answer(partition="us", debounce=2.0))
    assert played.to_the_end() == [(2, [1]), (3, [2])]


def test_quiet_and_a_rate_are_both_waited_for() -> None:
    played = Played()
    both = answer(debounce=1.0, throttle=Rate(count=1, seconds=10))
    for event_id, seconds in enumerate([0, 3], start=1):
        played.arrive(event_id, seconds, both)
    assert played.to_the_end() == [(1, [1]), (11, [2])]


def test_a_gate_whose_listener_gathers_for_a_shorter_time_now_opens_at_once_and_not_in_the_past() -> None:
    gates = Gates()
    gates.wait(SOURCE, answer(batch=10.0), 1, at(0), now=at(0))
    assert gates.wait(SOURCE, answer(batch=1.0), 2, at(3), now=at(3)) == at(3)


def test_after_a_restart_a_gate_opens_when_it_would_have() -> None:
    gates = Gates()
    for event_id, seconds in [(1, 0), (2, 1)]:
        gates.restore("gate", SOURCE, answer(debounce=2.0), event_id, at(seconds), now=at(1.5))
    assert gates.next_opening() == at(3)
    [(_, _, ids)] = gates.open(at(3))
    assert ids == [1, 2]


gatherings = st.sampled_from(
    [
        answer(debounce=2.0),
        answer(batch=1.5),
        answer(throttle=Rate(count=2, seconds=3)),
        answer(partition="eu", throttle=Rate(count=2, seconds=3)),
        answer(batch=1.0, throttle=Rate(count=1, seconds=4)),
    ]
)
arrivals = st.lists(st.tuples(st.floats(0, 30).map(lambda x: round(x, 2)), gatherings), max_size=20).map(
    lambda found: sorted(found, key=lambda one: one[0])
)


@given(arrivals)
def test_every_event_comes_through_once_and_in_order(found: list[tuple[float, Answer]]) -> None:
    played = Played()
    for event_id, (seconds, what) in enumerate(found):
        played.arrive(event_id, seconds, what)
    through = played.to_the_end()
    assert sorted(event_id for _, ids in through for event_id in ids) == list(range(len(found)))
    assert all(ids == sorted(ids) for _, ids in through)
    assert [seconds for seconds, _ in through] == sorted(seconds for seconds, _ in through)


@given(arrivals)
def test_no_stretch_of_the_rate_has_more_than_it_allows(found: list[tuple[float, Answer]]) -> None:
    rate = Rate(count=2, seconds=3)
    played = Played()
    for event_id, (seconds, _) in enumerate(found):
        played.arrive(event_id, seconds, answer(throttle=rate))
    instants = [seconds for seconds, _ in played.to_the_end()]
    for start in instants:
        assert sum(start <= instant < start + rate.seconds - 1e-6 for instant in instants) <= rate.count


@given(arrivals, arrivals)
def test_what_is_taken_back_has_not_happened(
    first: list[tuple[float, Answer]], second: list[tuple[float, Answer]]
) -> None:
    untouched, tried = Played(), Played()
    for played in (untouched, tried):
        for event_id, (seconds, what) in enumerate(first):
            played.arrive(event_id, seconds, what)
        played.pass_to(30)
        played.gates.written()
        played.through.clear()
    for event_id, (seconds, what) in enumerate(second, start=100):
        tried.arrive(event_id, 30 + seconds, what)
    tried.gates.take_back()
    tried.through.clear()
    assert tried.to_the_end() == untouched.to_the_end()
