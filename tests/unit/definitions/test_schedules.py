"""Schedules as the service knows them: a timer, a zone, a policy for missed ticks. (Dagster's ways: tests/parity.)"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from cronsim import CronSim

import upwell as up
from upwell.definitions.crons import plain_cron
from upwell.definitions.describing import build_snapshot
from upwell.definitions.snapshot import SensorNode

DAYS = up.DailyPartitionsDefinition("2024-01-01", timezone="Europe/Berlin")


@up.asset
def orders(): ...


@up.asset(partitions_def=DAYS)
def sales(): ...


DAILY = up.define_asset_job("daily", selection=[orders])
SALES = up.define_asset_job("sales_job", selection=[sales])


def described(schedule: Any) -> SensorNode:
    (node,) = build_snapshot(up.Definitions(assets=[orders, sales], schedules=[schedule]), "here").sensors
    return node


def made(**options: Any) -> up.ScheduleDefinition:
    return up.ScheduleDefinition(**{"job": DAILY, "cron_schedule": "0 6 * * *", **options})


def test_a_schedule_is_a_sensor_on_a_timer() -> None:
    node = described(made(execution_timezone="Europe/Berlin"))
    assert (node.name, node.kind, node.jobs) == ("daily_schedule", "schedule", ("daily",))
    assert (node.cron, node.timezone) == (("0 6 * * *",), "Europe/Berlin")
    (on,) = node.on
    assert (on.source.kind, on.source.name) == ("cron", "schedule:daily_schedule")
    assert on.source.params == {"schedule": "0 6 * * *", "timezone": "Europe/Berlin", "catch_up": "latest"}
    assert (node.file, node.active, node.interval) == (__file__, True, None)


def test_several_expressions_go_into_one_timer_and_short_ones_are_written_out() -> None:
    node = described(made(cron_schedule=["@daily", "0 22-2 ? * L5"]))
    assert node.cron == ("@daily", "0 22-2 ? * L5")
    assert node.on[0].source.params["schedule"] == ["0 0 * * *", "0 22-23,0-2 * * 5L"]
    assert node.on[0].source.params["timezone"] == "UTC"


@pytest.mark.parametrize("policy", ["latest", "all", "none"])
def test_missed_ticks_follow_a_policy(policy: Any) -> None:
    assert described(made(catch_up=policy)).on[0].source.params["catch_up"] == policy
    decorated = up.schedule("@daily", job=DAILY, catch_up=policy)(lambda_named)
    assert described(decorated).on[0].source.params["catch_up"] == policy


def lambda_named(context: Any) -> None: ...


def test_another_policy_is_refused() -> None:
    with pytest.raises(
        up.DagsterInvalidDefinitionError, match=r"catch_up='some' of schedule 'daily_schedule' is none of"
    ):
        made(catch_up="some")


def test_a_schedule_is_on_unless_it_is_declared_as_stopped() -> None:
    assert described(made()).active
    assert not described(made(default_status=up.DefaultScheduleStatus.STOPPED)).active


def test_a_schedule_of_assets_knows_them() -> None:
    node = described(made(name="nightly", job=None, target=[orders]))
    assert (node.jobs, node.assets) == ((), ("orders",))


def test_a_schedule_of_partitions_takes_its_times_from_them() -> None:
    node = described(up.build_schedule_from_partitioned_job(SALES, hour_of_day=3, catch_up="all"))
    assert (node.name, node.jobs) == ("sales_job_schedule", ("sales_job",))
    assert node.on[0].source.params == {"schedule": "0 3 * * *", "timezone": "Europe/Berlin", "catch_up": "all"}
    assert node.file == __file__


def test_a_schedule_of_partitions_needs_some() -> None:
    with pytest.raises(up.DagsterInvalidDefinitionError, match=r"follows the partitions of job 'daily'.*it has none"):
        described(up.build_schedule_from_partitioned_job(DAILY))


def test_a_wrong_expression_is_told_with_its_place() -> None:
    with pytest.raises(up.DagsterInvalidDefinitionError, match=r"test_schedules.py:\d+: invalid cron schedule '61 \* "):
        made(cron_schedule="61 * * * *")


def test_an_expression_that_never_comes_is_refused() -> None:
    with pytest.raises(up.DagsterInvalidDefinitionError, match="no date is like that"):
        made(cron_schedule="0 0 31 2 1")


@pytest.mark.parametrize(
    ("written", "comes"),
    [
        ("@hourly", [(1, 1), (1, 2), (1, 3)]),
        ("0 22-1 * * *", [(1, 1), (1, 22), (1, 23)]),
        ("0 0 ? * L5", [(26, 0)]),
        ("0 12 10-9/10 * *", [(1, 12), (10, 12), (20, 12)]),
    ],
)
def test_what_is_written_out_means_the_same(written: str, comes: list[tuple[int, int]]) -> None:
    ticks = CronSim(plain_cron(written, "a schedule"), datetime(2024, 1, 1, tzinfo=UTC))
    assert [(tick.day, tick.hour) for tick, _ in zip(ticks, comes, strict=False)] == comes
