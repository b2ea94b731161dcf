"""What listens: sources, sensors, schedules and their ticks, and what a call would do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query

from upwell.definitions.snapshot import SensorNode
from upwell.events import Event
from upwell.journal.journal import Record
from upwell.journal.views import SensorState, SensorStatus
from upwell.web import listening_models as models
from upwell.web.foreseeing import foreseen, previewed
from upwell.web.listening import (
    find_sensor,
    noun_of,
    present_sensor,
    read_failing,
    read_source,
    read_standing,
    read_switches,
)
from upwell.web.parts import Parts, WebParts
from upwell.web.problems import RETRY_AFTER, ProblemError
from upwell.web.ticks import read_ticks

router = APIRouter(tags=["listening"])

_NEWEST_TICKS = 10

Limit = Annotated[int, Query(ge=1, le=200)]


@router.get("/sources")
async def list_sources(parts: Parts) -> models.SourceList:
    """Event sources, who listens to them, when each was heard last, and whether they rest or fail."""
    switches, failing = await read_switches(parts), await read_failing(parts)
    specs = sorted(parts.project.graph.sources.values(), key=lambda spec: spec.name)
    return models.SourceList(sources=tuple([await read_source(parts, spec, switches, failing) for spec in specs]))


@router.get("/sensors")
async def list_sensors(parts: Parts) -> models.SensorList:
    """Sensors, each with its newest call."""
    nodes = [node for node in parts.project.graph.sensors.values() if noun_of(node) == "sensor"]
    return models.SensorList(sensors=await _presented(parts, nodes))


@router.get("/schedules")
async def list_schedules(parts: Parts) -> models.ScheduleList:
    """Schedules, each with its newest call and its next."""
    nodes = [node for node in parts.project.graph.sensors.values() if noun_of(node) == "schedule"]
    return models.ScheduleList(schedules=await _presented(parts, nodes))


async def _presented(parts: WebParts, nodes: Sequence[SensorNode]) -> tuple[models.Sensor, ...]:
    standing = await read_standing(parts)
    return tuple(present_sensor(parts, node, standing) for node in sorted(nodes, key=lambda node: node.name))


@router.get("/ticks")
async def list_ticks(
    parts: Parts,
    sensor: str | None = None,
    status: SensorStatus | None = None,
    before: int | None = None,
    limit: Limit = 20,
) -> models.TickPage:
    """Calls of a sensor or a schedule, or of all, newest first."""
    if sensor is not None and parts.project.loaded and sensor not in await parts.queries.sensor_states():
        find_sensor(parts, sensor)  # of one that is no longer defined the calls are still there
    return await read_ticks(parts, sensor=sensor, status=status, limit=limit, before=before)


@router.get("/sensors/{name}")
async def get_sensor(name: str, parts: Parts) -> models.SensorDetail:
    """One sensor or schedule, with what it remembers and its newest calls."""
    node = find_sensor(parts, name)
    standing = await read_standing(parts)
    state = standing.states.get(name) or SensorState(sensor=name)
    newest = await read_ticks(parts, sensor=name, status=None, limit=_NEWEST_TICKS, before=None)
    return models.SensorDetail(
        **dict(present_sensor(parts, node, standing)),
        cursor=state.cursor,
        run_key=state.run_key,
        metadata=node.metadata,
        file=node.file,
        line=node.line,
        ticks=newest.ticks,
    )


@router.post("/sensors/{name}/preview")
async def preview_sensor(name: str, parts: Parts, request: models.PreviewRequest | None = None) -> models.Preview:
    """Call the sensor now and say what it would write and what that would lead to; nothing is written."""
    find_sensor(parts, name)
    if parts.preview_sensor is None or parts.preview_decisions is None:
        raise ProblemError(503, "Only a running service calls sensors; start one.", headers=RETRY_AFTER)
    events = await parts.preview_sensor(name, request.cursor if request else None)
    decisions = await parts.preview_decisions(_as_if_written(parts, events))
    return models.Preview(
        sensor=name, events=tuple(map(previewed, events)), decisions=foreseen(decisions, parts.clock.now())
    )


def _as_if_written(parts: WebParts, events: Sequence[Event]) -> list[Record]:
    head, now = parts.journal.head, parts.clock.now()
    return [Record(id=head + place, at=now, event=event) for place, event in enumerate(events, start=1)]
