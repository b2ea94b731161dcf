"""What answers an event: which assets and sensors listen, and which partitions it is about. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache

import jsonpath

from upwell.definitions.graph import AssetGraph
from upwell.definitions.partitions.multi import MultiPartitionKey, MultiPartitionsDefinition
from upwell.definitions.partitions.time_windows import TimeWindowPartitionsDefinition
from upwell.definitions.partitions.union import AnyPartitionsDefinition
from upwell.definitions.reactions import On, Rate
from upwell.definitions.snapshot import AssetNode, SensorNode
from upwell.events import FileChanged, Json, Outcome, SourceEvent
from upwell.reactor.condensing import lane_of
from upwell.reactor.switches import Switches

Answers = Mapping[str, bool]
"""What users' filters said of an event, by the filter's key."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Gathering:
    """How events are gathered before they are answered; in seconds."""

    debounce: float | None = None
    batch: float | None = None
    throttle: Rate | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What answers an event together: a run of assets with their partitions, or a call of a sensor."""

    targets: Mapping[str, tuple[str | None, ...]] = field(default_factory=dict)
    sensor: str | None = None
    gathering: Gathering | None = None

    @property
    def pairs(self) -> list[tuple[str, str | None]]:
        return [(asset, partition) for asset, partitions in self.targets.items() for partition in partitions]

    @property
    def title(self) -> str:
        return f"sensor {self.sensor}" if self.sensor is not None else ", ".join(self.targets)

    @property
    def lane(self) -> str:
        return f"sensor {self.sensor}" if self.sensor is not None else lane_of(self.pairs)


@dataclass(frozen=True, kw_only=True, slots=True)
class Miss:
    """Why the event means nothing to somebody who listens."""

    outcome: Outcome
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Matching:
    """What an event means: its answers, the users' filters to be asked first, and why it means nothing to others."""

    answers: tuple[Answer, ...] = ()
    asks: tuple[str, ...] = ()
    misses: tuple[Miss, ...] = ()

    @property
    def reservations(self) -> tuple[str, ...]:
        return tuple(miss.reason for miss in self.misses)


class NoPartition(ValueError):
    """The event does not say which partition it is about, or names one that does not exist."""


def match(
    event: SourceEvent, graph: AssetGraph, switches: Switches, now: datetime, said: Answers | None = None
) -> Matching:
    """Who listens to the event's source, and what it means to them.

    Without `said`, listeners with a user's filter only have it asked; with it, they alone are matched.
    """
    if not switches.active("source", event.source):
        return _nothing("paused", f"{event.source} is paused")
    assets = graph.listeners.get(event.source, ())
    sensors = graph.listening_sensors.get(event.source, ())
    if not assets and not sensors:
        return _nothing("ignored", f"nothing listens to {event.source}")
    found = _Found(event, now, said)
    if isinstance(event, FileChanged) and event.change == "deleted":
        found.misses += [Miss(outcome="ignored", reason=_deleted(event))] if assets else []
    else:
        for node, on in assets:
            found.take_asset(node, on)
    for sensor, on in sensors:
        found.take_sensor(sensor, on, switches)
    return found.matching()


def _deleted(event: FileChanged) -> str:
    return f"{event.path} was deleted, so there is nothing to read"


def _nothing(outcome: Outcome, reason: str) -> Matching:
    return Matching(misses=(Miss(outcome=outcome, reason=reason),))


class _Found:
    """Gathers what listeners make of one event."""

    def __init__(self, event: SourceEvent, now: datetime, said: Answers | None) -> None:
        self._event = event
        self._now = now
        self._said = said
        self._runs: dict[Gathering | None, dict[str, dict[str | None, None]]] = {}
        self._calls: list[Answer] = []
        self._asks: dict[str, None] = {}
        self.misses: list[Miss] = []

    def take_asset(self, node: AssetNode, on: On) -> None:
        if not self._passes(node.key, on):
            return
        try:
            keys = partitions_of(self._event, node, on, self._now)
        except NoPartition as miss:
            self.misses.append(Miss(outcome="ignored", reason=str(miss)))
            return
        targets = self._runs.setdefault(_gathering(on), {})
        targets.setdefault(node.key, {}).update(dict.fromkeys(keys))

    def take_sensor(self, node: SensorNode, on: On, switches: Switches) -> None:
        title = f"{'schedule' if node.kind == 'schedule' else 'sensor'} {node.name}"
        if not switches.sensor_active(node):
            if self._said is None:
                self.misses.append(Miss(outcome="paused", reason=f"{title} is paused"))
        elif self._passes(title, on):
            self._calls.append(Answer(sensor=node.name, gathering=_gathering(on)))

    def _passes(self, title: str, on: On) -> bool:
        """Whether the event counts for this listener, as far as that is known; else why not is noted."""
        if on.filter_call is None:
            if self._said is not None:
                return False  # has had its answer
            if on.filter is not None and not holds(on.filter, self._event.data):
                self.misses.append(_filtered(title, shown(on.filter)))
                return False
            return True
        if self._said is None:
            self._asks[on.filter_call] = None
            return False
        if not self._said.get(on.filter_call, False):
            self.misses.append(_filtered(title, on.filter_call))
            return False
        return True

    def matching(self) -> Matching:
        runs = [
            Answer(targets={asset: tuple(keys) for asset, keys in targets.items()}, gathering=gathering)
            for gathering, targets in self._runs.items()
        ]
        return Matching(answers=(*runs, *self._calls), asks=tuple(self._asks), misses=tuple(self.misses))


def _gathering(on: On) -> Gathering | None:
    return Gathering(debounce=on.debounce, batch=on.batch, throttle=on.throttle) if on.gathers else None


def _filtered(title: str, query: str) -> Miss:
    return Miss(outcome="filtered", reason=f"the filter {query} of {title} let it pass by")


def holds(query: str, data: Json) -> bool:
    """Whether a filter (as `upwell.sources.reaction.predicate` writes it) holds for the data of an event."""
    return bool(_compiled(query).findall([data]))


def shown(query: str) -> str:
    """The filter for people to read."""
    return query.removeprefix("$[?").removesuffix("]")


def partitions_of(event: SourceEvent, node: AssetNode, on: On, now: datetime) -> Sequence[str | None]:
    """The partitions of one listener; `(None,)` when it has none, whatever the event captured.

    Raises:
        NoPartition: none is named, or one that does not exist.
    """
    definition = node.partitions
    if definition is None:
        return (None,)
    if isinstance(definition, MultiPartitionsDefinition):
        keys = _from_dimensions(event, node, on.partition, definition, now)
    elif on.partition:
        keys = _from_data(event, node, on.partition)
    else:
        keys = _from_captures(event, node, definition, now)
    for key in keys:
        if not definition.has_partition_key(key, now):
            raise NoPartition(f"{node.key} has no partition {key!r}{_hint(definition, now)}")
    return keys


def _from_data(event: SourceEvent, node: AssetNode, path: str) -> list[str]:
    found = list(_keys(event.data, path))
    if not found:
        raise NoPartition(f"the event's data has nothing at {path}, which names the partition of {node.key}")
    return list(dict.fromkeys(found))


def _keys(data: Json, path: str) -> Iterator[str]:
    # JSONPath looks into objects and arrays; there is nothing to be found in a bare value.
    for value in _compiled(path).findall(data if isinstance(data, dict | list) else {}):
        yield value if isinstance(value, str) else str(value)


def _from_dimensions(
    event: SourceEvent, node: AssetNode, path: str | None, definition: MultiPartitionsDefinition, now: datetime
) -> Sequence[str]:
    """What the event captures by the names of the dimensions, with the rest from its data: a whole key (`a|b`), or the
    part of the one dimension that was not captured. A dimension of time that nothing names means its newest window."""
    captured = {name: event.captures[name] for name in definition.by_name if name in event.captures}
    missing = [name for name in definition.by_name if name not in captured]
    if path and missing:
        found = _from_data(event, node, path)
        if len(missing) == len(definition.by_name):
            return found
        if len(missing) == 1:
            return [MultiPartitionKey({**captured, missing[0]: part}) for part in found]
    if not captured and "partition" in event.captures:
        return (event.captures["partition"],)
    if missing == [definition.time_dimension] and (last := definition.by_name[missing[0]].get_last_partition_key(now)):
        captured[missing[0]] = last
        missing = []
    if missing:
        raise NoPartition(
            f"the event does not name {' and '.join(missing)} of {node.key}; name every dimension, e.g. "
            f"files('…/{'/'.join(f'{{{name}}}' for name in definition.by_name)}.csv')"
        )
    return (MultiPartitionKey(captured),)


def _from_captures(
    event: SourceEvent, node: AssetNode, definition: AnyPartitionsDefinition, now: datetime
) -> Sequence[str]:
    captures = event.captures
    if len(captures) == 1:
        return tuple(captures.values())
    if "partition" in captures:
        return (captures["partition"],)
    if captures:
        raise NoPartition(
            f"{event.source} captures {', '.join(captures)}, and {node.key} has one dimension; "
            "call the one that is its key {partition}"
        )
    last = definition.get_last_partition_key(now) if isinstance(definition, TimeWindowPartitionsDefinition) else None
    if last is None:
        raise NoPartition(
            f"{node.key} is partitioned and the event names no partition; "
            "give its source one: webhook(…, partition='$.path') or files('…/{date}.csv')"
        )
    return (last,)


@lru_cache(maxsize=1024)
def _compiled(path: str) -> jsonpath.JSONPath | jsonpath.CompoundJSONPath:
    return jsonpath.compile(path)


def _hint(definition: AnyPartitionsDefinition, now: datetime) -> str:
    first, last = definition.get_first_partition_key(now), definition.get_last_partition_key(now)
    return f"; its partitions are {first} to {last}" if first is not None else "; it has none at all yet"
