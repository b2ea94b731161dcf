"""Sensors and schedules as plain data."""

from __future__ import annotations

from typing import Any, TypedDict

from upwell.definitions.compute import UserFunction
from upwell.definitions.declarations import Declarations
from upwell.definitions.graph import AssetGraph
from upwell.definitions.metadata import encode_definition_metadata
from upwell.definitions.reactions import On, SourceSpec, plain
from upwell.definitions.schedules import ScheduleDefinition
from upwell.definitions.selection import AssetSelection, select, select_checks
from upwell.definitions.sensing import SensingDefinition
from upwell.definitions.sensors import (
    AssetSensorDefinition,
    MultiAssetSensorDefinition,
    RunStatusSensorDefinition,
    SensorDefinition,
)
from upwell.definitions.snapshot import SensorNode
from upwell.errors import DefinitionError, SelectionError


def sensor_nodes(
    definitions: Declarations, graph: AssetGraph, problems: list[DefinitionError]
) -> tuple[SensorNode, ...]:
    """Every sensor and schedule described; what is wrong with one is added to `problems`."""
    try:
        several = definitions.sensing.values()
    except DefinitionError as wrong:
        problems.append(wrong)
        return ()
    nodes = []
    for one in several:
        try:
            nodes.append(
                _schedule_node(one, graph) if isinstance(one, ScheduleDefinition) else _sensor_node(one, graph)
            )
        except SelectionError as wrong:
            problems.append(one.place.error(f"{one.what}: {wrong}"))
    return tuple(nodes)


class _Common(TypedDict):
    name: str
    jobs: tuple[str, ...]
    assets: tuple[str, ...]
    checks: tuple[str, ...]
    timeout: float
    active: bool
    description: str | None
    tags: Any  # a mapping; TypedDict cannot say which kind is taken
    metadata: Any
    file: str | None
    line: int | None


def _common(one: SensorDefinition | ScheduleDefinition, graph: AssetGraph) -> _Common:
    return _Common(
        name=one.name,
        jobs=one.target.names if one.target.selection is None else (),
        assets=tuple(graph.in_order(assets_wanted(one, graph))),
        checks=tuple(sorted(checks_wanted(one, graph))),
        timeout=one.timeout,
        active=one.active,
        description=one.description or _doc(one.called.function),
        tags=one.tags,
        metadata=encode_definition_metadata(one.metadata),
        file=one.place.file,
        line=one.place.line,
    )


def assets_wanted(one: SensingDefinition, graph: AssetGraph) -> set[str]:
    """The assets that it is for, where it is not for jobs.

    Raises:
        SelectionError: it names some that do not exist.
    """
    if one.target.selection is None:
        return set()
    return {key for key in select(graph, one.target.selection) if graph.assets[key].step is not None}


def checks_wanted(one: SensingDefinition, graph: AssetGraph) -> set[str]:
    """The checks that it is for without their assets, where it is not for jobs.

    Raises:
        SelectionError: it names some that do not exist.
    """
    return set() if one.target.selection is None else select_checks(graph, one.target.selection)


def assets_watched(sensor: SensorDefinition, graph: AssetGraph) -> tuple[str, ...]:
    """The assets whose materialisations it is called about.

    Raises:
        SelectionError: it names some that do not exist.
    """
    if isinstance(sensor, AssetSensorDefinition):
        return (sensor.asset_key.to_user_string(),)
    if not isinstance(sensor, MultiAssetSensorDefinition):
        return ()
    if isinstance(sensor.monitored_assets, AssetSelection):
        return tuple(graph.in_order(select(graph, sensor.monitored_assets)))
    return tuple(key.to_user_string() for key in sensor.monitored_assets)


def _sensor_node(sensor: SensorDefinition, graph: AssetGraph) -> SensorNode:
    of_runs = sensor if isinstance(sensor, RunStatusSensorDefinition) else None
    return SensorNode(
        **_common(sensor, graph),
        kind=sensor.kind,
        on=tuple(map(plain, sensor.on)),
        interval=sensor.minimum_interval_seconds if sensor.kind == "polling" else None,
        watched_assets=assets_watched(sensor, graph),
        watched_statuses=(of_runs.run_status.value,) if of_runs else (),
        watched_jobs=tuple(job.name for job in of_runs.monitored_jobs) or None if of_runs else None,
    )


def _schedule_node(schedule: ScheduleDefinition, graph: AssetGraph) -> SensorNode:
    crons = schedule.plain_crons
    zone = schedule.execution_timezone or "UTC"
    params = {
        "schedule": crons[0] if len(crons) == 1 else list(crons),
        "timezone": zone,
        "catch_up": schedule.catch_up,
    }
    source = SourceSpec(kind="cron", name=f"schedule:{schedule.name}", params=params)
    return SensorNode(
        **_common(schedule, graph), kind="schedule", on=(On(source=source),), cron=schedule.crons, timezone=zone
    )


def _doc(function: UserFunction) -> str | None:
    """The function's own words for people to read; those of ours are of no use to them."""
    doc = getattr(function, "__doc__", None)
    return doc if doc and not str(getattr(function, "__module__", "")).startswith("upwell.") else None
