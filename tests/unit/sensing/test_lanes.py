from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upwell.clock import NEVER
from upwell.definitions.snapshot import SensorNode
from upwell.events import ErrorInfo, EventDeadLettered, SensorEvaluated, SensorFailed
from upwell.journal.views import SensorState
from upwell.runtime.messages import SensorReport
from upwell.sensing.lanes import Lane
from upwell.sensing.outcomes import LONGEST_PAUSE, MOST_ATTEMPTS, Call, outcome, pause_after

NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)
BOOM = ErrorInfo(type="KeyError", message="'status'\nin line 3")
POLLING = SensorNode(name="files", kind="polling", interval=60.0)
PUSHED = SensorNode(name="files", kind="event")

instants = st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(2100, 1, 1), timezones=st.just(UTC))


def lane_of(node: SensorNode, *, wall: datetime = NOON, state: SensorState | None = None) -> Lane:
    lane = Lane(name=node.name)
    if state is not None:
        lane.restore(state)
    lane.follow(node, "here", "1", None, wall=wall, now=NOON)
    return lane


@given(failures=st.integers(min_value=1, max_value=10_000), chance=st.floats(0, 1, exclude_max=True))
def test_pauses_grow_to_the_longest_and_are_never_short(failures: int, chance: float) -> None:
    pause = pause_after(failures, chance)
    assert 1 <= pause <= LONGEST_PAUSE
    assert pause <= pause_after(failures + 1, chance)


@given(
    interval=st.floats(min_value=1, max_value=1e6),
    called_at=st.none() | instants,
    wall=instants,
    failures=st.integers(min_value=0, max_value=50),
)
def test_however_the_wall_clock_stands_a_poll_is_due_within_its_pause(
    interval: float, called_at: datetime | None, wall: datetime, failures: int
) -> None:
    node = SensorNode(name="files", kind="polling", interval=interval)
    state = SensorState(sensor="files", called_at=called_at, failures=failures)
    due_at = lane_of(node, wall=wall, state=state).due_at()
    assert NOON <= due_at <= NOON + timedelta(seconds=max(interval, LONGEST_PAUSE if failures else 0))


@given(st.lists(st.booleans(), max_size=60))
def test_every_call_ends_once_in_order_as_success_or_as_dead_letter(fails: Sequence[bool]) -> None:
    lane, now = lane_of(PUSHED), NOON
    for trigger in range(1, 6):
        lane.waiting.append(Call(due_at=NOON, trigger_id=trigger, event_ids=(trigger,)))
    ended: list[int] = []
    for fail in [*fails, *[False] * 20]:
        now = max(now, min(lane.due_at(), now + timedelta(days=1)))
        call = lane.take(now)
        if call is None:
            break
        assert lane.take(now) is None, "one at a time"
        report = SensorReport(id=1, error=BOOM if fail else None)
        events, end = outcome(PUSHED, call, report, now=now, chance=0.5)
        lane.settle(call, end, wall=now, now=now)
        if isinstance(end, SensorEvaluated) or end.retry_at is None:
            assert call.trigger_id is not None
            ended.append(call.trigger_id)
        if any(isinstance(event, EventDeadLettered) for event in events):
            assert call.attempt == MOST_ATTEMPTS and isinstance(end, SensorFailed) and end.retry_at is None
    assert ended == [1, 2, 3, 4, 5]
    assert lane.due_at() == NEVER


def test_a_failed_call_holds_up_those_behind_it_until_it_is_tried_again() -> None:
    lane = lane_of(PUSHED)
    lane.waiting += [Call(due_at=NOON, trigger_id=1, event_ids=(1,)), Call(due_at=NOON, trigger_id=2, event_ids=(2,))]
    call = lane.take(NOON)
    assert call is not None and lane.due_at() == NEVER
    _, failed = outcome(PUSHED, call, SensorReport(id=1, error=BOOM), now=NOON, chance=0.0)
    lane.settle(call, failed, wall=NOON, now=NOON)
    assert lane.take(NOON) is None
    again = lane.take(lane.due_at())
    assert again is not None and (again.trigger_id, again.attempt) == (1, 2)


def test_a_failure_leaves_the_cursor_and_the_run_key_alone() -> None:
    state = SensorState(sensor="files", cursor="c", run_key="k", called_at=NOON)
    lane = lane_of(POLLING, state=state)
    call = lane.take(lane.due_at())
    assert call is not None
    _, failed = outcome(POLLING, call, SensorReport(id=1, error=BOOM, cursor="x"), now=NOON, chance=0.0)
    lane.settle(call, failed, wall=NOON, now=NOON)
    assert (lane.memory.cursor, lane.memory.run_key, lane.failures) == ("c", "k", 1)


@pytest.mark.parametrize(
    ("interval", "failures", "wait"), [(60.0, 1, 60), (60.0, 8, 256), (3600.0, 8, 3600), (1.0, 30, 300)]
)
def test_a_polling_sensor_waits_for_the_longer_of_interval_and_pause(
    interval: float, failures: int, wait: float
) -> None:
    node = SensorNode(name="files", kind="polling", interval=interval)
    call = Call(due_at=NOON, attempt=failures)
    _, failed = outcome(node, call, SensorReport(id=1, error=BOOM), now=NOON, chance=1.0)
    assert isinstance(failed, SensorFailed) and failed.retry_at == NOON + timedelta(seconds=wait)


def test_a_dead_letter_says_in_one_line_what_failed() -> None:
    call = Call(due_at=NOON, trigger_id=1, event_ids=(7,), attempt=3)
    (_, letter), _ = outcome(PUSHED, call, SensorReport(id=1, error=BOOM), now=NOON, chance=0.5)
    assert isinstance(letter, EventDeadLettered)
    assert letter.reason == "sensor files failed 3 times; the last error: KeyError: 'status'"


def test_a_sensor_that_nobody_defines_waits_with_its_calls() -> None:
    lane = lane_of(PUSHED)
    lane.waiting.append(Call(due_at=NOON, trigger_id=1, event_ids=(1,)))
    lane.follow(None, "", "", None, wall=NOON, now=NOON)
    assert lane.due_at() == NEVER and lane.take(NOON) is None
    lane.follow(PUSHED, "here", "1", None, wall=NOON, now=NOON)
    assert lane.take(NOON) is not None


def test_a_new_interval_counts_from_the_last_call() -> None:
    lane = lane_of(POLLING, state=SensorState(sensor="files", called_at=NOON - timedelta(seconds=20)))
    assert lane.due_at() == NOON + timedelta(seconds=40)
    lane.follow(SensorNode(name="files", kind="polling", interval=30.0), "here", "1", None, wall=NOON, now=NOON)
    assert lane.due_at() == NOON + timedelta(seconds=10)
