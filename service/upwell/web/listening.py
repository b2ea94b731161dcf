"""What listens, as it is now: reads sources, sensors and schedules, and shows them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

from upwell.definitions.reactions import SourceSpec
from upwell.definitions.snapshot import SensorNode
from upwell.events import FileChanged, Listening, MessageReceived, TimerFired, WebhookAccepted
from upwell.journal.journal import Record
from upwell.journal.views import FailingSource, SensorState
from upwell.journal.views import Switch as SwitchView
from upwell.web import listening_models as models
from upwell.web.parts import WebParts
from upwell.web.problems import ProblemError, not_found
from upwell.web.ticking import next_tick

TOLD = frozenset(cls.kind for cls in (WebhookAccepted, FileChanged, TimerFired, MessageReceived))
"""The kinds of events that sources tell; a source also leaves others, to remember or to say that one came twice."""

Noun: TypeAlias = Literal["sensor", "schedule"]


@dataclass(frozen=True, kw_only=True)
class Switches:
    """What is switched on, and who said so."""

    said: Mapping[tuple[Listening, str], SwitchView]

    def state(self, what: Listening, name: str, *, otherwise: bool = True) -> models.Switch:
        """How it stands; `otherwise` is what the code says."""
        view = self.said.get((what, name))
        if view is None:
            return models.Switch(active=otherwise)
        return models.Switch(active=view.active, switched_at=view.at, switched_by=view.said_by)

    def of_sensor(self, node: SensorNode) -> models.Switch:
        return self.state(noun_of(node), node.name, otherwise=node.active)


def noun_of(node: SensorNode) -> Noun:
    """What people call it."""
    return "schedule" if node.kind == "schedule" else "sensor"


async def read_switches(parts: WebParts) -> Switches:
    """Every switch that somebody has touched."""
    return Switches(said={(view.what, view.name): view for view in await parts.queries.switches()})


def find_sensor(parts: WebParts, name: str, noun: Noun | None = None) -> SensorNode:
    """The sensor or schedule of that name; with `noun`, only such a one.

    Raises:
        ProblemError: 404, with names that are near.
    """
    sensors = parts.project.graph.sensors
    node = sensors.get(name)
    if node is not None and noun in (None, noun_of(node)):
        return node
    if node is not None:
        other = noun_of(node)
        mend = f"say `upwell {other}s …`, or use /api/v1/{other}s/{name}."
        raise ProblemError(404, f"{name} is a {other}: {mend}", kind=f"unknown-{noun}")
    known = [each.name for each in sensors.values() if noun in (None, noun_of(each))]
    raise not_found(noun or "sensor", name, known)


def find_source(parts: WebParts, name: str) -> SourceSpec:
    """The source of that name.

    Raises:
        ProblemError: 404, with names that are near.
    """
    spec = parts.project.graph.sources.get(name)
    if spec is None:
        raise not_found("source", name, parts.project.graph.sources)
    return spec


async def last_told(parts: WebParts, source: str) -> Record | None:
    """The newest event that the source told."""
    found = await parts.queries.events(source=source, kinds=TOLD, limit=1)
    return found[0] if found else None


async def read_failing(parts: WebParts) -> Mapping[str, FailingSource]:
    """The sources that fail, by name."""
    return {one.source: one for one in await parts.queries.failing_sources()}


async def read_source(
    parts: WebParts, spec: SourceSpec, switches: Switches, failing: Mapping[str, FailingSource]
) -> models.Source:
    """The source with its listeners and its newest event."""
    last = await last_told(parts, spec.name)
    switch = switches.state("source", spec.name)
    trouble = failing.get(spec.name) if switch.active else None
    graph = parts.project.graph
    return models.Source(
        **dict(switch),
        name=spec.name,
        kind=spec.kind,
        state="paused" if not switch.active else "active" if trouble is None else "failing",
        error=None if trouble is None else trouble.error,
        failing_since=None if trouble is None else trouble.since,
        params=spec.params,
        assets=tuple(dict.fromkeys(node.key for node, _ in graph.listeners.get(spec.name, ()))),
        sensors=tuple(dict.fromkeys(node.name for node, _ in graph.listening_sensors.get(spec.name, ()))),
        last_event_id=last.id if last else None,
        last_event_at=last.at if last else None,
        lag=_lag(last),
    )


def _lag(record: Record | None) -> float | None:
    occurred_at: datetime | None = None if record is None else getattr(record.event, "occurred_at", None)
    return None if record is None or occurred_at is None else max(0.0, (record.at - occurred_at).total_seconds())


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What is known of all sensors and schedules."""

    switches: Switches
    states: Mapping[str, SensorState]
    waiting: Mapping[str, int]  # calls that are still to be made


async def read_standing(parts: WebParts) -> Standing:
    """How every sensor and schedule stands."""
    waiting: dict[str, int] = {}
    for call in await parts.queries.sensor_calls():
        waiting[call.sensor] = waiting.get(call.sensor, 0) + 1
    return Standing(switches=await read_switches(parts), states=await parts.queries.sensor_states(), waiting=waiting)


def present_sensor(parts: WebParts, node: SensorNode, standing: Standing) -> models.Sensor:
    """The sensor or schedule with its newest call."""
    state = standing.states.get(node.name) or SensorState(sensor=node.name)
    switch = standing.switches.of_sensor(node)
    return models.Sensor(
        **dict(switch),
        name=node.name,
        kind=node.kind,
        description=node.description,
        location=parts.project.graph.location_of_sensor.get(node.name),
        sources=tuple(dict.fromkeys(on.source.name for on in node.on)),
        interval=node.interval,
        watched_assets=node.watched_assets,
        watched_statuses=node.watched_statuses,
        watched_jobs=node.watched_jobs,
        jobs=node.jobs,
        assets=node.assets,
        checks=node.checks,
        timeout=node.timeout,
        cron=node.cron,
        timezone=node.timezone,
        next_tick=next_tick(node, parts.clock.now()) if node.kind == "schedule" and switch.active else None,
        tags=node.tags,
        status=state.status,
        called_at=state.called_at,
        tick_id=state.tick_id or None,
        reason=state.reason,
        error=state.error,
        failures=state.failures,
        waiting=standing.waiting.get(node.name, 0),
    )
