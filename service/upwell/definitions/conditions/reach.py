"""What a condition looks at: the assets and checks, and the clocks, of which a change can give it another answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias
from zoneinfo import ZoneInfo

from upwell.definitions.conditions.model import (
    BUILT_IN,
    AnyDownstreamConditions,
    AssetMatches,
    AutomationCondition,
    Checks,
    CronTickPassed,
    Deps,
)
from upwell.definitions.conditions.places import Places
from upwell.definitions.crons import plain_cron
from upwell.definitions.partitions.multi import MultiPartitionsDefinition
from upwell.definitions.partitions.ticks import ticks_of
from upwell.definitions.partitions.time_windows import TimeWindowPartitionsDefinition

Clock: TypeAlias = CronTickPassed | TimeWindowPartitionsDefinition


@dataclass
class Reach:
    """What one condition looks at; of a condition that a user wrote nobody can say (`unknown`)."""

    keys: set[str] = field(default_factory=set)
    clocks: set[Clock] = field(default_factory=set)
    dynamic: set[str] = field(default_factory=set)
    unknown: bool = False


def reach_of(key: str, conditions: Mapping[str, AutomationCondition], places: Places) -> Reach:
    """What the condition of an asset or check looks at, itself included."""
    reach = Reach()
    seen: set[tuple[str, AutomationCondition]] = set()
    open_parts = [(key, conditions[key])]
    while open_parts:
        of, condition = open_parts.pop()
        if (of, condition) in seen:
            continue
        seen.add((of, condition))
        _look_at(reach, of, places)
        if isinstance(condition, CronTickPassed):
            reach.clocks.add(condition)
        if not isinstance(condition, BUILT_IN):
            reach.unknown = True
        open_parts.extend(_parts(of, condition, conditions, places))
    return reach


def _look_at(reach: Reach, key: str, places: Places) -> None:
    if key in reach.keys:
        return
    reach.keys.add(key)
    if key in places.graph.checks:
        _look_at(reach, places.graph.checks[key].asset, places)  # on whose newest materialisation it depends
    partitions = places.partitions_of(key)
    if partitions is None:
        return
    reach.dynamic.update(partitions.dynamic_names)
    dimensions = partitions.by_name.values() if isinstance(partitions, MultiPartitionsDefinition) else (partitions,)
    reach.clocks.update(one for one in dimensions if isinstance(one, TimeWindowPartitionsDefinition))


def _parts(
    key: str, condition: AutomationCondition, conditions: Mapping[str, AutomationCondition], places: Places
) -> Iterator[tuple[str, AutomationCondition]]:
    match condition:
        case AssetMatches():
            yield condition.key, condition.operand
        case Deps():
            yield from ((dep, condition.operand) for dep in places.deps(key))
        case Checks():
            yield from ((check.key, condition.operand) for check in places.graph.checks_of(key))
        case AnyDownstreamConditions():
            yield from ((key, conditions[below]) for below in places.below(key) if below in conditions)
        case _:
            yield from ((key, child) for child in condition.children)


def next_change(clock: Clock, now: datetime) -> datetime:
    """When a clock gives conditions another answer than now."""
    if isinstance(clock, TimeWindowPartitionsDefinition):
        return clock.ticks.after(now)
    cron = plain_cron(clock.cron_schedule, "an automation condition")
    return ticks_of(cron, ZoneInfo(clock.cron_timezone), now).after(now)
