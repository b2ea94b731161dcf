from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from upwell.alerts.lines import line_of
from upwell.events import (
    DynamicPartitionsChanged,
    ErrorInfo,
    Event,
    EventDeadLettered,
    EventReplayed,
    FilterEvaluated,
    FilterRequested,
    ListeningPaused,
    ListeningResumed,
    RunId,
    RunKeysSuppressed,
    RunRequested,
    SensorEvaluated,
    SensorFailed,
    SensorTriggered,
    SourceAdvanced,
    WantedRun,
)
from upwell.journal.journal import Record

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ERROR = ErrorInfo(type="ValueError", message="no rows", traceback="Traceback …\nValueError: no rows")


def told(event: Event) -> tuple[str, str, dict[str, Any]]:
    line = line_of(Record(id=7, at=NOON, event=event))
    return line.level, line.event, dict(line.fields)


@pytest.mark.parametrize(
    ("event", "level", "name"),
    [
        (SensorTriggered(sensor="s", event_ids=(1,)), "debug", "sensor.triggered"),
        (SensorEvaluated(sensor="s", runs=(WantedRun(run_key="k"),)), "info", "sensor.evaluated"),
        (SensorEvaluated(sensor="s", skip_reason="no new files"), "info", "sensor.evaluated"),
        (SensorEvaluated(sensor="s", trigger_id=3), "info", "sensor.evaluated"),
        (SensorEvaluated(sensor="s"), "debug", "sensor.evaluated"),
        (SensorFailed(sensor="s", error=ERROR, retry_at=NOON), "error", "sensor.failed"),
        (RunKeysSuppressed(sensor="s", taken={"k": "r"}), "debug", "sensor.runs_suppressed"),
        (EventDeadLettered(event_ids=(1,), reason="it failed 3 times"), "error", "event.dead_lettered"),
        (EventReplayed(event_ids=(1,)), "info", "event.replayed"),
        (ListeningPaused(what="source", name="webhook:orders"), "info", "listening.paused"),
        (ListeningResumed(what="sensor", name="s"), "info", "listening.resumed"),
        (DynamicPartitionsChanged(name="regions", added=("north",)), "info", "partitions.changed"),
        (FilterRequested(event_id=1, filters=("f",)), "debug", "filter.requested"),
        (FilterEvaluated(event_id=1, answers={"f": True}), "debug", "filter.evaluated"),
        (SourceAdvanced(source="poll:a", cursor={"etag": "x"}), "debug", "source.advanced"),
    ],
)
def test_an_event_is_told_under_its_name_at_its_level(event: Event, level: str, name: str) -> None:
    assert told(event)[:2] == (level, name)


def test_a_call_that_asks_for_runs_tells_how_many_and_how_long_it_took() -> None:
    event = SensorEvaluated(sensor="new_orders", runs=(WantedRun(), WantedRun()), event_ids=(3, 4), duration=0.012)
    assert told(event)[2] == {
        "sensor": "new_orders",
        "event_id": 7,
        "runs": 2,
        "event_ids": (3, 4),
        "attempt": 1,
        "duration": 0.012,
    }


def test_a_failed_call_tells_the_error_its_traceback_and_when_it_is_tried_again() -> None:
    fields = told(SensorFailed(sensor="new_orders", error=ERROR, attempt=2, retry_at=NOON))[2]
    assert fields["error"] == "ValueError: no rows"
    assert fields["traceback"] == ERROR.traceback
    assert (fields["attempt"], fields["retry_at"]) == (2, NOON)


def test_a_dead_letter_of_a_run_leaves_the_traceback_to_the_line_of_what_failed() -> None:
    event = EventDeadLettered(
        event_ids=(3,), reason="orders failed 3 times", error=ERROR, attempts=3, run_id=RunId("r")
    )
    assert told(event)[2] == {
        "event_ids": (3,),
        "run_id": "r",
        "reason": "orders failed 3 times",
        "attempts": 3,
        "error": "ValueError: no rows",
    }


def test_a_dead_letter_that_nothing_else_tells_of_has_its_traceback() -> None:
    event = EventDeadLettered(event_ids=(3,), reason="deciding on it raised ValueError", error=ERROR)
    assert told(event)[2]["traceback"] == ERROR.traceback


@pytest.mark.parametrize("what", ["source", "sensor", "schedule"])
def test_a_switch_is_told_under_the_field_of_what_it_switched(what: Any) -> None:
    assert told(ListeningPaused(what=what, name="x", paused_by="alice"))[2] == {what: "x", "paused_by": "alice"}


def test_a_long_list_of_events_is_cut_so_that_the_line_stays_readable() -> None:
    ids = told(EventReplayed(event_ids=tuple(range(500))))[2]["event_ids"]
    assert (len(ids), ids[-1]) == (21, "and 480 more")


def test_a_run_tells_the_sensor_and_the_key_that_asked_for_it() -> None:
    event = RunRequested(
        run_id=RunId("r"), lane="l", plan=(), reason="why", cause="sensor", job="nightly", sensor="s", run_key="k"
    )
    fields = told(event)[2]
    assert (fields["job"], fields["sensor"], fields["run_key"]) == ("nightly", "s", "k")
