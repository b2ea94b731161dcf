"""Sensors that ask for checks without their assets."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import upwell as up
from upwell.definitions.describing import build_snapshot
from upwell.definitions.errors import DagsterInvalidDefinitionError
from upwell.events import WantedRun
from upwell.runtime.code import Code
from upwell.runtime.io.memory import InMemoryIOManager
from upwell.runtime.messages import SensorReport, SensorTask
from upwell.runtime.sensing import evaluate

pytestmark = pytest.mark.anyio

NOON = datetime(2024, 1, 5, 12, tzinfo=UTC)


@up.asset
def orders(): ...


@up.asset
def customers(): ...


@up.asset_check(asset=orders)
def whole() -> up.AssetCheckResult:
    return up.AssetCheckResult(passed=True)


BY_AGE = up.build_last_update_freshness_checks(assets=[orders], lower_bound_delta=timedelta(hours=1))
BY_NOON = up.build_last_update_freshness_checks(
    assets=[customers], lower_bound_delta=timedelta(hours=1), deadline_cron="0 12 * * *"
)
FRESHNESS = [*BY_AGE, *BY_NOON]
CHECKING = up.define_asset_job("checking", selection=up.AssetSelection.checks(whole))
NAMES = ("orders:freshness_check", "customers:freshness_check")


def definitions(*sensors: up.SensorDefinition) -> up.Definitions:
    checks = [whole, *FRESHNESS]
    return up.Definitions(assets=[orders, customers], asset_checks=checks, jobs=[CHECKING], sensors=[*sensors])


async def here(function: Callable[..., Any], /, *args: Any) -> Any:
    return function(*args)


async def call(sensor: up.SensorDefinition, now: datetime = NOON, cursor: str = "") -> SensorReport:
    code = Code(definitions=definitions(sensor), default_io_manager=InMemoryIOManager())
    task = SensorTask(id=3, sensor=sensor.name, location="here", now=now, timeout=60.0, cursor=cursor)
    return await evaluate(task, code, blocking=here, log=logging.getLogger("test"))


async def asked(request: up.RunRequest, **options: Any) -> WantedRun:
    report = await call(up.sensor(name="looking", **options)(lambda context: request))
    assert report.error is None, report.error
    (run,) = report.runs
    return run


@pytest.mark.parametrize("aim", ["target", "asset_selection"])
async def test_a_sensor_of_assets_may_ask_for_their_checks_and_one_of_checks_asks_for_these(aim: str) -> None:
    request = up.RunRequest(asset_check_keys=[whole.check_key])
    run = await asked(request, **{aim: [orders]})
    assert (run.job, run.assets, run.checks) == (None, (), ("orders:whole",))
    run = await asked(up.RunRequest(), **{aim: up.AssetSelection.checks(whole)})
    assert (run.job, run.assets, run.checks) == (None, (), ("orders:whole",))


async def test_a_check_that_the_sensor_is_not_for_is_refused() -> None:
    request = up.RunRequest(asset_check_keys=[BY_NOON[0].check_key])
    report = await call(up.sensor(name="looking", target=[orders])(lambda context: request))
    assert report.error is not None
    assert "customers:freshness_check, which is no part of what sensor 'looking' is for" in report.error.message


async def test_a_job_over_checks_has_these_and_no_assets() -> None:
    (job,) = build_snapshot(definitions(), "here").jobs
    assert (job.assets, job.checks) == ((), ("orders:whole",))
    assert (await asked(up.RunRequest(), job=CHECKING)).job == "checking"
    gone = up.AssetSelection.checks(up.AssetCheckKey(orders.key, "gone"))
    with pytest.raises(DagsterInvalidDefinitionError, match="there is no check 'orders:gone'"):
        build_snapshot(up.Definitions(assets=[orders], jobs=[up.define_asset_job("bad", selection=gone)]), "here")


def test_in_one_process_a_job_over_checks_evaluates_them_and_makes_nothing() -> None:
    result = definitions().resolve_job_def("checking").execute_in_process()
    assert [one.check_name for one in result.get_asset_check_evaluations()] == ["whole"]
    assert result.get_asset_materialization_events() == []


@up.multi_asset(
    specs=[up.AssetSpec("a"), up.AssetSpec("b")],
    check_specs=[up.AssetCheckSpec("ok", asset="a"), up.AssetCheckSpec("ok", asset="b")],
    can_subset=True,
)
def both(context: up.AssetExecutionContext) -> Any:
    for key in sorted(context.selected_asset_keys):
        yield up.MaterializeResult(asset_key=key)
    for check in sorted(context.selected_asset_check_keys):
        yield up.AssetCheckResult(passed=True, asset_key=check.asset_key, check_name=check.name)


OF_A = up.AssetSelection.checks(up.AssetCheckKey(up.AssetKey("a"), "ok"))


@pytest.mark.parametrize(
    ("selection", "made", "checked"),
    [(OF_A, [], ["a"]), (OF_A | up.AssetSelection.assets("b"), ["b"], ["a", "b"])],
)
def test_a_function_that_can_subset_evaluates_a_check_without_making_its_asset(
    selection: up.AssetSelection, made: list[str], checked: list[str]
) -> None:
    job = up.define_asset_job("part", selection=selection)
    result = up.Definitions(assets=[both], jobs=[job]).resolve_job_def("part").execute_in_process()
    events = result.get_asset_materialization_events()
    assert [event.asset_key.to_user_string() for event in events if event.asset_key] == made
    assert [one.asset_key.to_user_string() for one in result.get_asset_check_evaluations()] == checked


async def test_freshness_checks_are_asked_for_at_every_call_and_those_with_a_cron_once_after_each_tick() -> None:
    sensor = up.build_sensor_for_freshness_checks(freshness_checks=FRESHNESS)
    assert (sensor.name, sensor.default_status) == ("freshness_checks_sensor", up.DefaultSensorStatus.STOPPED)
    cursor, seen = "", []
    for hours in (0, 1, 23.9, 24, 25):
        report = await call(sensor, NOON + timedelta(hours=hours), cursor)
        cursor = report.cursor or cursor
        seen.append([run.checks for run in report.runs])
    assert seen == [[NAMES], [NAMES[:1]], [NAMES[:1]], [NAMES], [NAMES[:1]]]
    assert set(json.loads(cursor)) == set(NAMES)


async def test_between_two_ticks_nothing_is_due() -> None:
    sensor = up.build_sensor_for_freshness_checks(freshness_checks=BY_NOON, name="by_noon")
    first = await call(sensor)
    again = await call(sensor, NOON + timedelta(hours=1), first.cursor or "")
    assert (again.runs, again.cursor) == ((), None)
    assert again.skip_reason == "no deadline of the freshness checks has passed since they were evaluated"


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ([*BY_AGE, *BY_AGE], "given a freshness check twice"),
        ([whole], "orders:whole, which is none of freshness"),
        (BY_AGE[0], "is a list of checks"),
    ],
)
def test_other_checks_are_refused(given: Any, says: str) -> None:
    with pytest.raises(DagsterInvalidDefinitionError, match=says):
        up.build_sensor_for_freshness_checks(freshness_checks=given)
