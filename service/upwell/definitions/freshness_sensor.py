"""The sensor that has freshness checks evaluated when nothing makes their assets."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

from upwell.clock import SystemClock
from upwell.definitions.assets import AssetChecksDefinition
from upwell.definitions.errors import DagsterInvalidDefinitionError
from upwell.definitions.freshness_checks import PARAMS
from upwell.definitions.keys import AssetCheckKey
from upwell.definitions.metadata import JsonMetadataValue
from upwell.definitions.run_requests import RunRequest, SensorResult, SkipReason
from upwell.definitions.selection import AssetSelection
from upwell.definitions.sensors import DefaultSensorStatus, SensorDefinition
from upwell.definitions.signature import caller_place
from upwell.definitions.updates import last_deadline


class _Context(Protocol):
    """What the sensor asks of its context."""

    @property
    def cursor(self) -> str | None:
        """When each check was asked for last, as JSON."""

    @property
    def now(self) -> datetime | None:
        """The instant of the call; none in a test, where it is the present."""


def build_sensor_for_freshness_checks(
    *,
    freshness_checks: Sequence[AssetChecksDefinition],
    minimum_interval_seconds: int | None = None,
    name: str = "freshness_checks_sensor",
    default_status: DefaultSensorStatus = DefaultSensorStatus.STOPPED,
    tags: Mapping[str, Any] | None = None,
) -> SensorDefinition:
    """A sensor that asks for runs of freshness checks, without their assets.

    A check with a `deadline_cron` is asked for once after each tick, any other at every call, so that
    `minimum_interval_seconds` says how late a miss may be noticed. At its first call the sensor asks for all. Unless it
    is declared with `DefaultSensorStatus.RUNNING`, it rests until it is switched on.

    Raises:
        DagsterInvalidDefinitionError: a check that is none of freshness, or one that is given twice.
    """
    place = caller_place()
    crons = {key: _deadlines(params) for key, params in _params(freshness_checks, name)}
    if len(crons) < sum(len(check.check_specs) for check in freshness_checks):
        raise place.error(f"sensor {name!r} was given a freshness check twice; leave one out of freshness_checks=")

    def evaluate_freshness(context: _Context) -> SensorResult | SkipReason:
        now = context.now or SystemClock().now()
        asked: dict[str, float] = json.loads(context.cursor or "{}")
        due = [key for key, cron in crons.items() if _is_due(asked.get(key.to_user_string()), cron, now)]
        if not due:
            return SkipReason("no deadline of the freshness checks has passed since they were evaluated")
        known = {key.to_user_string() for key in crons}
        kept = {key: instant for key, instant in asked.items() if key in known}
        cursor = json.dumps(kept | {key.to_user_string(): now.timestamp() for key in due})
        return SensorResult(run_requests=[RunRequest(asset_check_keys=due)], cursor=cursor)

    declared = SensorDefinition(
        name,
        evaluation_fn=evaluate_freshness,
        minimum_interval_seconds=minimum_interval_seconds,
        description="Has freshness checks evaluated when they are due.",
        asset_selection=AssetSelection.checks(*freshness_checks),
        default_status=default_status,
        tags=tags,
    )
    declared.place = place
    return declared


def _is_due(asked: float | None, deadlines: tuple[str, str] | None, now: datetime) -> bool:
    if asked is None or deadlines is None:
        return True
    tick = last_deadline(*deadlines, now)
    return tick is not None and datetime.fromtimestamp(asked, UTC) < tick


def _params(checks: object, name: str) -> list[tuple[AssetCheckKey, Mapping[str, Any]]]:
    if not isinstance(checks, Sequence) or not all(isinstance(one, AssetChecksDefinition) for one in checks):
        raise DagsterInvalidDefinitionError(
            f"freshness_checks= of sensor {name!r} is a list of checks, as build_last_update_freshness_checks() and "
            f"build_time_partition_freshness_checks() make them, not {checks!r}"
        )
    found = []
    for spec in (spec for one in checks for spec in one.check_specs):
        value = spec.metadata.get(PARAMS)
        if not isinstance(value, JsonMetadataValue) or not isinstance(value.data, Mapping):
            raise DagsterInvalidDefinitionError(
                f"sensor {name!r} was given check {spec.key.to_user_string()}, which is none of freshness; leave it out"
            )
        found.append((spec.key, value.data))
    return found


def _deadlines(params: Mapping[str, Any]) -> tuple[str, str] | None:
    cron = params.get("deadline_cron")
    return None if cron is None else (cron, params["timezone"])
