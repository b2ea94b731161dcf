"""Calls about what the journal tells: materialisations and runs."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import upwell as up
from upwell.definitions.asset_cursor import parse_cursor
from upwell.events import ErrorInfo, RunId
from upwell.runtime.code import Code
from upwell.runtime.io.memory import InMemoryIOManager
from upwell.runtime.messages import SensorReport, SensorTask, WatchedEvent, WatchedRun
from upwell.runtime.sensing import evaluate

pytestmark = pytest.mark.anyio

NOW = datetime(2024, 1, 5, 12, tzinfo=UTC)
LETTERS = up.StaticPartitionsDefinition(["x", "y", "z"])


@up.asset(partitions_def=LETTERS)
def a(): ...


@up.asset(partitions_def=LETTERS)
def b(): ...


@up.asset
def report(): ...


JOB = up.define_asset_job("reporting", selection=[report])
KEYS = [a.key, b.key]


async def inline(function: Any, /, *args: Any) -> Any:
    return function(*args)


async def call(sensor: up.SensorDefinition, **task: Any) -> SensorReport:
    project = up.Definitions(assets=[a, b, report], jobs=[JOB], sensors=[sensor])
    code = Code(definitions=project, default_io_manager=InMemoryIOManager())
    given = SensorTask(id=1, sensor=sensor.name, location="here", now=NOW, timeout=60.0, **task)
    return await evaluate(given, code, blocking=inline, log=logging.getLogger("test"))


def made(number: int, asset: str = "a", partition: str | None = None, **body: Any) -> WatchedEvent:
    told = {"asset": asset, "partition": partition, **body}
    return WatchedEvent(id=number, at=NOW + timedelta(seconds=number), kind="asset.materialized", body=told)


async def test_an_asset_sensor_is_told_of_the_materialisation() -> None:
    @up.asset_sensor(a.key, job=JOB)
    def told(context: Any, asset_event: Any) -> Any:
        data = asset_event.dagster_event.event_specific_data.materialization
        return up.RunRequest(
            run_key=f"{asset_event.run_id}/{asset_event.storage_id}",
            tags={
                "key": asset_event.dagster_event.asset_key.to_user_string(),
                "partition": data.partition,
                "rows": data.metadata["rows"].value,
                "at": asset_event.timestamp,
                "before": str(context.cursor),
            },
        )

    event = made(9, partition="x", run_id="r1", metadata={"rows": {"type": "int", "value": 3}})
    answer = await call(told, watched=(event,), cursor="8")
    (run,) = answer.runs
    assert (run.run_key, run.job, answer.cursor) == ("r1/9", "reporting", "9")
    assert (run.tags["key"], run.tags["partition"]) == ("a", "x")
    assert (run.tags["rows"], run.tags["at"], run.tags["before"]) == ("3", str(NOW.timestamp() + 9), "8")


async def test_an_asset_sensor_moves_on_when_it_answers_nothing_and_stays_when_it_breaks() -> None:
    quiet = up.asset_sensor(a.key, name="quiet")(lambda context, event: None)
    broken = up.asset_sensor(a.key, name="broken")(lambda context, event: 1 // 0)
    assert (await call(quiet, watched=(made(4),))).cursor == "4"
    answer = await call(broken, watched=(made(4),))
    assert answer.error is not None and answer.cursor is None


async def test_an_asset_sensor_that_has_seen_it_is_not_called() -> None:
    never = up.asset_sensor(a.key, name="never")(lambda context, event: 1 // 0)
    answer = await call(never, watched=(made(4),), cursor="4")
    assert answer.skip_reason == "'a' was not materialised since the last call"
    assert (answer.error, answer.cursor) == (None, None)


async def test_a_multi_asset_sensor_sees_what_is_new_of_each() -> None:
    @up.multi_asset_sensor(KEYS, job=JOB)
    def both(context: Any) -> Any:
        found = context.latest_materialization_records_by_key()
        if not all(found.values()):
            return up.SkipReason("one is missing")
        context.advance_cursor(found)
        return up.RunRequest(tags={key.to_user_string(): one.storage_id for key, one in found.items()})

    waiting = await call(both, watched=(made(3), made(4)))
    assert (waiting.skip_reason, waiting.runs, waiting.cursor) == ("one is missing", (), None)
    answer = await call(both, watched=(made(3), made(4), made(6, "b")))
    assert (answer.runs[0].tags["a"], answer.runs[0].tags["b"]) == ("4", "6")
    assert {key: one.id for key, one in parse_cursor(answer.cursor).items()} == {a.key: 4, b.key: 6}


async def test_a_multi_asset_sensor_finds_what_it_left_behind() -> None:
    @up.multi_asset_sensor([a.key])
    def by_partition(context: Any) -> Any:
        found = context.latest_materialization_records_by_partition(a.key)
        wanted = "y" if "y" in found else next(iter(found))
        context.advance_cursor({a.key: found[wanted]})
        left = [one.partition_key for one in context.get_trailing_unconsumed_events(a.key)]
        return up.SkipReason(f"{list(found)} {wanted} {left} {context.get_cursor_partition(a.key)}")

    first = await call(by_partition, watched=(made(3, partition="x"), made(4, partition="y")))
    assert first.skip_reason == "['x', 'y'] y [] None"
    second = await call(by_partition, watched=(made(3, partition="x"),), cursor=first.cursor)
    assert second.skip_reason == "['x'] x ['x'] y"
    assert parse_cursor(second.cursor)[a.key].trailing == {}


async def test_a_multi_asset_sensor_that_wants_runs_has_to_say_what_it_used() -> None:
    forgetful = up.multi_asset_sensor([a.key], name="forgetful", job=JOB)(lambda context: up.RunRequest())
    answer = await call(forgetful, watched=(made(3),))
    assert answer.error is not None
    assert "call context.advance_cursor(…) or context.advance_all_cursors()" in answer.error.message


async def test_partitions_of_the_past_are_not_known_in_the_service() -> None:
    asking = up.multi_asset_sensor([a.key], name="asking")(lambda context: context.all_partitions_materialized(a.key))
    answer = await call(asking)
    assert answer.error is not None and "the HTTP API (/api/v1) answers the rest" in answer.error.message


RUN = WatchedRun(
    run_id=RunId("r7"),
    status="FAILURE",
    job="daily",
    tags={"team": "data"},
    config={"a": 1},
    partition="x",
    assets=("a",),
    error="step a failed",
    step_errors={"a": ErrorInfo(type="ValueError", message="it broke", traceback="Traceback\nValueError: it broke\n")},
)


async def test_a_run_status_sensor_is_told_of_the_run() -> None:
    @up.run_status_sensor(up.DagsterRunStatus.FAILURE, request_job=JOB)
    def told(context: Any) -> Any:
        run = context.dagster_run
        assert (run.status, run.tags, run.run_config) == (up.DagsterRunStatus.FAILURE, {"team": "data"}, {"a": 1})
        assert (run.is_failure, run.asset_selection, context.partition_key) == (True, {a.key}, "x")
        return up.RunRequest(run_key=f"{run.run_id} {run.job_name} {context.sensor_name}")

    answer = await call(told, run=RUN)
    assert answer.error is None
    assert ([run.run_key for run in answer.runs], answer.cursor) == (["r7 daily told"], None)


async def test_a_run_failure_sensor_is_told_why() -> None:
    @up.run_failure_sensor
    async def told(context: up.RunFailureSensorContext) -> Any:
        (step,) = context.get_step_failure_events()
        error = step.event_specific_data.error
        assert error is not None
        return up.SkipReason(f"{context.failure_event.message} | {step.step_key} {error.to_string().splitlines()[-1]}")

    answer = await call(told, run=RUN)
    assert answer.skip_reason == "step a failed | a ValueError: it broke"


async def test_a_run_sensor_that_says_nothing_gives_no_reason() -> None:
    quiet = up.run_status_sensor(up.DagsterRunStatus.FAILURE, name="quiet")(lambda context: None)
    answer = await call(quiet, run=RUN)
    assert (answer.skip_reason, answer.error, answer.runs, answer.cursor) == (None, None, (), None)


async def test_a_run_sensor_without_a_run_is_an_error_of_the_call() -> None:
    answer = await call(up.run_status_sensor(up.DagsterRunStatus.FAILURE, name="told")(lambda context: None))
    assert answer.error is not None and "was called about none" in answer.error.message
