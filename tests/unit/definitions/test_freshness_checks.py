"""Checks of freshness: judged by the newest update and the deadline, as a table."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from upwell import (
    AssetCheckSeverity,
    DagsterInstance,
    DailyPartitionsDefinition,
    MaterializeResult,
    MetadataValue,
    asset,
    build_last_update_freshness_checks,
    build_time_partition_freshness_checks,
    materialize,
)
from upwell.definitions.errors import DagsterInvalidDefinitionError, DagsterInvariantViolationError
from upwell.definitions.freshness_checks import judge_last_update, judge_partition
from upwell.definitions.updates import LAST_UPDATED, Update, UpdateQuestion, said_updated_at

WARN = AssetCheckSeverity.WARN
HOUR = timedelta(hours=1)
NOON = datetime(2024, 5, 2, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("updated", "cron", "delta", "passed"),
    [
        (None, None, HOUR, False),
        (NOON - HOUR, None, HOUR, True),  # exactly at the bound
        (NOON - HOUR - timedelta(microseconds=1), None, HOUR, False),
        (NOON.replace(hour=8, minute=15), "0 9 * * *", timedelta(minutes=45), True),
        (NOON.replace(hour=8, minute=14), "0 9 * * *", timedelta(minutes=45), False),
        (NOON.replace(day=1, hour=13), "0 13 * * *", HOUR, True),  # today's deadline has not passed
        (NOON.replace(hour=11), "0 12 * * *", HOUR, True),  # it passes at this very instant
        (NOON.replace(hour=10), "0 12 * * *", HOUR, False),
    ],
)
def test_the_newest_update_must_not_be_older_than_the_bound(
    updated: datetime | None, cron: str | None, delta: timedelta, passed: bool
) -> None:
    found = judge_last_update(Update(asset="a", updated_at=updated), NOON, delta, cron, "UTC", WARN)
    assert found.passed is passed
    assert (LAST_UPDATED in found.metadata) == (updated is not None)
    assert ("dagster/fresh_until_timestamp" in found.metadata) == passed


def test_a_deadline_is_by_the_clock_of_its_zone() -> None:
    update = Update(asset="a", updated_at=NOON.replace(hour=6))
    judged = [
        judge_last_update(update, NOON, 2 * HOUR, "0 9 * * *", zone, WARN).passed for zone in ("UTC", "Europe/Berlin")
    ]
    assert judged == [False, True]  # 09:00 in Berlin is 07:00 UTC


@pytest.mark.parametrize(
    ("now", "due"),
    [
        (NOON.replace(hour=8, minute=59), "2024-04-30"),  # the last deadline was yesterday's
        (NOON.replace(hour=9), "2024-05-01"),
        (NOON, "2024-05-01"),
    ],
)
def test_the_partition_that_is_due_is_the_newest_one_at_the_last_deadline(now: datetime, due: str) -> None:
    question = UpdateQuestion(asset="a", deadline_cron="0 9 * * *")
    assert question.due_partition(DailyPartitionsDefinition(start_date="2024-01-01"), now) == due


def test_a_partition_that_is_due_is_there_or_not() -> None:
    missing = Update(asset="a", updated_at=NOON, partition="2024-05-01")
    assert not judge_partition(missing, NOON, "0 9 * * *", "UTC", WARN).passed
    there = Update(asset="a", partition="2024-05-01", partition_is_there=True)
    found = judge_partition(there, NOON, "0 9 * * *", "UTC", WARN)
    assert found.passed
    assert found.description == "partition 2024-05-01, due at 2024-05-02 09:00:00 UTC, is there"


def test_an_asset_that_is_not_partitioned_by_time_is_told_when_the_check_runs() -> None:
    with pytest.raises(DagsterInvariantViolationError, match="partitioned by time"):
        judge_partition(Update(asset="a"), NOON, "0 9 * * *", "UTC", WARN)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"deadline_cron": "nope"}, "cron"),
        ({"timezone": "Mars/Olympus"}, "time zone"),
        ({"severity": "WARN"}, "AssetCheckSeverity"),
        ({"lower_bound_delta": 3600}, "timedelta"),
        ({"assets": ["a", "a"]}, "names a twice"),
        ({"assets": "a"}, "list of assets"),
    ],
)
def test_what_cannot_be_meant_is_refused_where_it_is_written(options: dict[str, object], words: str) -> None:
    with pytest.raises(DagsterInvalidDefinitionError, match=words) as refused:
        build_last_update_freshness_checks(**{"assets": ["a"], "lower_bound_delta": HOUR, **options})  # type: ignore[arg-type]
    assert refused.value.file == __file__


def test_materialize_answers_by_what_the_instance_remembers() -> None:
    @asset(partitions_def=DailyPartitionsDefinition(start_date="2024-01-01"))
    def days() -> None: ...

    checks = build_time_partition_freshness_checks(assets=[days], deadline_cron="0 0 * * *")
    instance = DagsterInstance.ephemeral()
    passed = []
    yesterday = (datetime.now(UTC) - timedelta(days=1)).strftime("%Y-%m-%d")
    for key in ("2024-01-01", yesterday, "2024-01-02"):
        result = materialize([days, *checks], instance=instance, partition_key=key)
        passed += [one.passed for one in result.get_asset_check_evaluations()]
    assert passed == [False, True, True]


def test_an_asset_may_say_itself_when_it_was_updated() -> None:
    @asset
    def orders() -> MaterializeResult:
        return MaterializeResult(metadata={LAST_UPDATED: MetadataValue.timestamp(NOON)})

    checks = build_last_update_freshness_checks(assets=[orders], lower_bound_delta=HOUR)
    [found] = materialize([orders, *checks]).get_asset_check_evaluations()
    assert not found.passed
    assert found.metadata[LAST_UPDATED].value == NOON.timestamp()
    assert found.severity is WARN


def test_an_instant_is_read_from_metadata_of_either_form() -> None:
    seconds = NOON.timestamp()
    assert said_updated_at({LAST_UPDATED: MetadataValue.timestamp(seconds)}) == NOON
    assert said_updated_at({LAST_UPDATED: {"type": "timestamp", "value": seconds}}) == NOON
    assert said_updated_at({LAST_UPDATED: MetadataValue.text("noon")}) is None
    assert said_updated_at({}) is None
