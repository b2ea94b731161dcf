from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from upwell.events import Event, EventDecided, RunId, RunRequested
from upwell.reactor.condensing import condensed

RUN = RunId("r1")
REQUESTED = EventDecided(event_ids=(1,), outcome="requested", reason="it listens", run_id=RUN)
RUN_REQUESTED = RunRequested(run_id=RUN, lane="raw", plan=(), reason="it listens")


def joined(*event_ids: int, run_id: RunId = RUN) -> EventDecided:
    return EventDecided(event_ids=event_ids, outcome="joined", reason=f"joined {run_id}", run_id=run_id)


def test_a_burst_that_joins_one_run_is_one_decision_that_lists_it() -> None:
    events = [REQUESTED, RUN_REQUESTED, joined(2), joined(3), joined(4)]
    assert condensed(events) == [REQUESTED, RUN_REQUESTED, joined(2, 3, 4)]


def test_bursts_that_arrive_interleaved_are_kept_apart() -> None:
    other = RunId("r2")
    events = [joined(1), joined(2, run_id=other), joined(3), joined(4, run_id=other)]
    assert condensed(events) == [joined(1, 3), joined(2, 4, run_id=other)]


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=30))
def test_no_event_is_lost_and_everything_else_stays_in_order(draws: list[tuple[int, bool]]) -> None:
    events: list[Event] = [
        joined(number, run_id=RunId(str(run))) if decided else RUN_REQUESTED
        for number, (run, decided) in enumerate(draws)
    ]
    found = condensed(events)
    ids = [one for event in found if isinstance(event, EventDecided) for one in event.event_ids]
    assert sorted(ids) == [number for number, (_, decided) in enumerate(draws) if decided]
    assert [event for event in found if event is RUN_REQUESTED] == [event for event in events if event is RUN_REQUESTED]
    assert len({event.run_id for event in found if isinstance(event, EventDecided)}) == sum(
        isinstance(event, EventDecided) for event in found
    )
