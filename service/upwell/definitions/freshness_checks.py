"""Checks of freshness, under Dagster's names; a `FreshnessPolicy` tells a miss at its deadline, without being run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Protocol, TypeAlias

from upwell.definitions.assets import AssetChecksDefinition, AssetsDefinition
from upwell.definitions.checks import AssetCheckResult, AssetCheckSeverity, AssetCheckSpec
from upwell.definitions.compute import ComputeDefinition, checked_step_name
from upwell.definitions.crons import checked_zone, plain_cron
from upwell.definitions.declaring import placed
from upwell.definitions.errors import DagsterInvalidDefinitionError, DagsterInvariantViolationError
from upwell.definitions.freshness.deadlines import cron_deadlines
from upwell.definitions.keys import AssetKey, CoercibleToAssetKey
from upwell.definitions.metadata import MetadataValue
from upwell.definitions.signature import Place, caller_place
from upwell.definitions.specs import HasKey, key_of
from upwell.definitions.updates import LAST_UPDATED, Update, UpdateQuestion, last_deadline

NAME = "freshness_check"

PARAMS = "dagster/freshness_params"
"""The entry among a check's metadata that says how it judges."""

CheckedAsset: TypeAlias = AssetsDefinition | HasKey | CoercibleToAssetKey


class CheckContext(Protocol):
    """What these checks ask of their context."""

    def update_of(self, asset: AssetKey) -> Update:
        """When the asset was updated last."""

    @property
    def now(self) -> datetime:
        """The instant of the evaluation."""


Judge: TypeAlias = Callable[[Update, datetime], AssetCheckResult]


def build_last_update_freshness_checks(
    *,
    assets: Sequence[CheckedAsset],
    lower_bound_delta: timedelta,
    deadline_cron: str | None = None,
    timezone: str = "UTC",
    severity: AssetCheckSeverity = AssetCheckSeverity.WARN,
    blocking: bool = False,
) -> Sequence[AssetChecksDefinition]:
    """Check that each asset was updated (made or observed) lately.

    Args:
        lower_bound_delta: how long before the deadline the newest update may be.
        deadline_cron: the deadline is its last tick; without one it is the instant at which the check is evaluated.

    Raises:
        DagsterInvalidDefinitionError: an argument cannot be meant so.
    """
    place = caller_place()
    with placed(place):
        _check(assets, deadline_cron, timezone, severity, "build_last_update_freshness_checks()")
        if not isinstance(lower_bound_delta, timedelta):
            raise DagsterInvalidDefinitionError(f"lower_bound_delta is a timedelta, not {lower_bound_delta!r}")
        params = {"timezone": timezone, "lower_bound_delta_seconds": lower_bound_delta.total_seconds()}

        def judge(update: Update, now: datetime) -> AssetCheckResult:
            return judge_last_update(update, now, lower_bound_delta, deadline_cron, timezone, severity)

        return _checks(assets, None, timezone, _with_cron(params, deadline_cron), blocking, place, judge)


def build_time_partition_freshness_checks(
    *,
    assets: Sequence[CheckedAsset],
    deadline_cron: str,
    timezone: str = "UTC",
    severity: AssetCheckSeverity = AssetCheckSeverity.WARN,
    blocking: bool = False,
) -> Sequence[AssetChecksDefinition]:
    """Check that of each asset the partition is there that was the newest at the last tick of `deadline_cron`.

    Raises:
        DagsterInvalidDefinitionError: an argument cannot be meant so.
    """
    place = caller_place()
    with placed(place):
        _check(assets, deadline_cron, timezone, severity, "build_time_partition_freshness_checks()")

        def judge(update: Update, now: datetime) -> AssetCheckResult:
            return judge_partition(update, now, deadline_cron, timezone, severity)

        params = _with_cron({"timezone": timezone}, deadline_cron)
        return _checks(assets, deadline_cron, timezone, params, blocking, place, judge)


def judge_last_update(
    update: Update,
    now: datetime,
    delta: timedelta,
    cron: str | None,
    timezone: str,
    severity: AssetCheckSeverity,
) -> AssetCheckResult:
    """Whether the newest update is not older than `delta` before the deadline."""
    tick = None if cron is None else last_deadline(cron, timezone, now)
    bound = (tick or now) - delta
    passed = update.updated_at is not None and update.updated_at >= bound
    metadata: dict[str, object] = {"dagster/freshness_lower_bound_timestamp": MetadataValue.timestamp(bound)}
    if tick is not None:
        metadata["dagster/latest_cron_tick_timestamp"] = MetadataValue.timestamp(tick)
    if passed and update.updated_at is not None:
        until = update.updated_at + delta if cron is None else cron_deadlines(cron, timezone, None).after(now)
        metadata["dagster/fresh_until_timestamp"] = MetadataValue.timestamp(until)
    if update.updated_at is None:
        description = "was never made nor observed"
    else:
        metadata[LAST_UPDATED] = MetadataValue.timestamp(update.updated_at)
        description = f"was updated at {_said(update.updated_at)}, {'not ' if passed else ''}before {_said(bound)}"
    return AssetCheckResult(passed=passed, metadata=metadata, severity=severity, description=description)


def judge_partition(
    update: Update, now: datetime, cron: str, timezone: str, severity: AssetCheckSeverity
) -> AssetCheckResult:
    """Whether the partition that was due at the last deadline is there.

    Raises:
        DagsterInvariantViolationError: the asset is not partitioned by time, or no partition was due yet.
    """
    tick = last_deadline(cron, timezone, now)
    if update.partition is None or tick is None:
        raise DagsterInvariantViolationError(
            f"{update.asset!r} had no time-window partition at the last tick of {cron!r}; "
            "build_time_partition_freshness_checks() is for assets partitioned by time"
        )
    metadata: dict[str, object] = {"dagster/latest_cron_tick_timestamp": MetadataValue.timestamp(tick)}
    if update.partition_is_there:
        until = cron_deadlines(cron, timezone, None).after(now)
        metadata["dagster/fresh_until_timestamp"] = MetadataValue.timestamp(until)
    elif update.updated_at is not None:
        metadata[LAST_UPDATED] = MetadataValue.timestamp(update.updated_at)
    there = "is there" if update.partition_is_there else "is not there"
    return AssetCheckResult(
        passed=update.partition_is_there,
        metadata=metadata,
        severity=severity,
        description=f"partition {update.partition}, due at {_said(tick)}, {there}",
    )


def _checks(
    assets: Sequence[CheckedAsset],
    asks_partition_by: str | None,
    timezone: str,
    params: dict[str, object],
    blocking: bool,
    place: Place,
    judge: Judge,
) -> list[AssetChecksDefinition]:
    metadata = {PARAMS: MetadataValue.json(params)}
    return [
        _one_check(
            AssetCheckSpec(
                NAME,
                asset=key,
                description="Evaluates how fresh the asset is.",
                blocking=blocking,
                metadata=metadata,
            ),
            UpdateQuestion(asset=key.to_user_string(), deadline_cron=asks_partition_by, timezone=timezone),
            place,
            judge,
        )
        for key in _keys(assets)
    ]


def _one_check(spec: AssetCheckSpec, question: UpdateQuestion, place: Place, judge: Judge) -> AssetChecksDefinition:
    def evaluate(context: CheckContext) -> AssetCheckResult:
        found = judge(context.update_of(spec.asset_key), context.now)
        return AssetCheckResult(
            passed=found.passed,
            asset_key=spec.asset_key,
            check_name=NAME,
            metadata={**spec.metadata, **found.metadata},
            severity=found.severity,
            description=found.description,
        )

    compute = ComputeDefinition(
        name=checked_step_name(f"{spec.asset_key.to_python_identifier()}_{NAME}", file=place.file, line=place.line),
        function=evaluate,
        style="function",
        context_argument="context",
        checks=(spec,),
        asks=(question,),
        description=spec.description,
        file=place.file,
        line=place.line,
    )
    return AssetChecksDefinition(check_specs=[spec], compute=compute)


def _check(
    assets: Sequence[CheckedAsset], cron: str | None, timezone: str, severity: AssetCheckSeverity, what: str
) -> None:
    if isinstance(assets, str) or not isinstance(assets, Sequence):
        raise DagsterInvalidDefinitionError(f"assets= of {what} is a list of assets or keys, not {assets!r}")
    keys = [*_keys(assets)]
    if twice := {key.to_user_string() for key in keys if keys.count(key) > 1}:
        raise DagsterInvalidDefinitionError(f"assets= of {what} names {', '.join(sorted(twice))} twice")
    if cron is not None:
        plain_cron(cron, what)
    checked_zone(timezone, what)
    if not isinstance(severity, AssetCheckSeverity):
        raise DagsterInvalidDefinitionError(f"severity= of {what} is an AssetCheckSeverity, not {severity!r}")


def _keys(assets: Iterable[CheckedAsset]) -> Iterable[AssetKey]:
    for asset in assets:
        if isinstance(asset, AssetsDefinition):
            yield from (spec.key for spec in asset.specs)
        else:
            yield key_of(asset)


def _with_cron(params: dict[str, object], cron: str | None) -> dict[str, object]:
    return params if cron is None else {**params, "deadline_cron": cron}


def _said(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M:%S} UTC"
