"""What a sensor or a schedule answers: runs that it wants, why it wants none, and what else shall happen."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from upwell.definitions.checks import AssetCheckEvaluation
from upwell.definitions.errors import DagsterInvalidInvocationError
from upwell.definitions.keys import AssetCheckKey, AssetKey
from upwell.definitions.partitions.definition import assign
from upwell.definitions.partitions.requests import (
    AddDynamicPartitionsRequest,
    DeleteDynamicPartitionsRequest,
    PartitionsRequest,
)
from upwell.definitions.results import AssetMaterialization, AssetObservation
from upwell.definitions.run_config import RunConfig, plain_config

AssetEvent: TypeAlias = AssetMaterialization | AssetObservation | AssetCheckEvaluation


@dataclass(frozen=True, init=False)
class SkipReason:
    """Why nothing is to run."""

    skip_message: str | None

    def __init__(self, skip_message: str | None = None) -> None:
        assign(self, skip_message=_text("SkipReason(skip_message=…)", skip_message))


@dataclass(frozen=True, init=False)
class RunRequest:
    """A run that is wanted.

    Attributes:
        run_key: of the runs that one sensor wants under the same key, only the first takes place; none: each does.
        run_config: config for the run, in place of the job's own.
        tags: added to the job's; values other than text are written as JSON.
        job_name: which of the sensor's jobs, where it has several.
        asset_selection: part of what the job or the sensor is for, instead of all of it.
        partition_key: the partition to run for.
    """

    run_key: str | None
    run_config: Mapping[str, Any]
    tags: Mapping[str, str]
    job_name: str | None
    asset_selection: Sequence[AssetKey] | None
    stale_assets_only: bool
    partition_key: str | None
    asset_check_keys: Sequence[AssetCheckKey] | None

    def __init__(
        self,
        run_key: str | None = None,
        run_config: RunConfig | Mapping[str, Any] | None = None,
        tags: Mapping[str, Any] | None = None,
        job_name: str | None = None,
        asset_selection: Sequence[AssetKey] | None = None,
        stale_assets_only: bool = False,
        partition_key: str | None = None,
        asset_check_keys: Sequence[AssetCheckKey] | None = None,
    ) -> None:
        if stale_assets_only:
            raise DagsterInvalidInvocationError(
                "RunRequest(stale_assets_only=True) is not known here; name the assets in asset_selection=, or give "
                "them an automation_condition"
            )
        assign(
            self,
            run_key=_text("RunRequest(run_key=…)", run_key),
            run_config=plain_config(run_config),
            tags=normalized_tags(tags),
            job_name=_text("RunRequest(job_name=…)", job_name),
            asset_selection=_several("RunRequest(asset_selection=…)", asset_selection, AssetKey),
            stale_assets_only=False,
            partition_key=_text("RunRequest(partition_key=…)", partition_key),
            asset_check_keys=_several("RunRequest(asset_check_keys=…)", asset_check_keys, AssetCheckKey),
        )

    def with_replaced_attrs(self, **changes: Any) -> RunRequest:
        """A copy with other attributes. (`Any`: of their types.)"""
        return replace(self, **changes)


@dataclass(frozen=True, init=False)
class SensorResult:
    """Everything that a sensor may answer, in one object.

    Attributes:
        run_requests: runs that are wanted; or else
        skip_reason: why there are none.
        cursor: what the sensor wants to know at its next call; not together with `context.update_cursor`.
        dynamic_partitions_requests: changes to dynamic partitions, which take effect before the runs.
        asset_events: materialisations, observations and evaluations of checks to be recorded.
    """

    run_requests: Sequence[RunRequest] | None
    skip_reason: SkipReason | None
    cursor: str | None
    dynamic_partitions_requests: Sequence[PartitionsRequest] | None
    asset_events: Sequence[AssetEvent]

    def __init__(
        self,
        run_requests: Sequence[RunRequest] | None = None,
        skip_reason: str | SkipReason | None = None,
        cursor: str | None = None,
        dynamic_partitions_requests: Sequence[PartitionsRequest] | None = None,
        asset_events: Sequence[AssetEvent] | None = None,
    ) -> None:
        if skip_reason and run_requests:
            raise DagsterInvalidInvocationError(
                "SensorResult has run_requests and a skip_reason; give one of them: a skip is an answer without runs"
            )
        reason = SkipReason(skip_reason) if isinstance(skip_reason, str) else skip_reason
        if reason is not None and not isinstance(reason, SkipReason):
            raise TypeError(f"SensorResult(skip_reason=…) is text or a SkipReason, not {reason!r}")
        changes = (AddDynamicPartitionsRequest, DeleteDynamicPartitionsRequest)
        events = (AssetMaterialization, AssetObservation, AssetCheckEvaluation)
        assign(
            self,
            run_requests=_several("SensorResult(run_requests=…)", run_requests or (), RunRequest),
            skip_reason=reason,
            cursor=_text("SensorResult(cursor=…)", cursor),
            dynamic_partitions_requests=_several(
                "SensorResult(dynamic_partitions_requests=…)", dynamic_partitions_requests or (), *changes
            ),
            asset_events=_several("SensorResult(asset_events=…)", asset_events or (), *events),
        )


def normalized_tags(tags: Mapping[str, Any] | None) -> dict[str, str]:
    """Tags with each value as text: JSON, where it is none. (`Any`: whatever JSON can hold.)"""
    for key in tags or ():
        if not isinstance(key, str):
            raise TypeError(f"the name of a tag is text, not {key!r}")
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in (tags or {}).items()}


def _text(what: str, value: object) -> str | None:
    return None if value is None else _needed(what, value)


def _needed(what: str, value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{what} is text, not {value!r}")
    return value


def _several(what: str, given: Sequence[Any] | None, *kinds: type) -> list[Any] | None:
    if given is None:
        return None
    names = " or ".join(kind.__name__ for kind in kinds)
    if not isinstance(given, Sequence) or isinstance(given, str):
        raise TypeError(f"{what} is a list of {names}, not {given!r}")
    for one in given:
        if not isinstance(one, kinds):
            raise TypeError(f"{what} is a list of {names}; {one!r} is none")
    return list(given)
