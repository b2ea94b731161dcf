"""The critical path of planned steps: how long until something is made, and which hop takes the time. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from upwell.events import PlannedStep
from upwell.planning.durations import Durations, Estimate

_NOTHING = timedelta(0)
SHARE_TO_SPARE = 0.1
_LEAST_TO_SPARE = timedelta(seconds=0.5)


@dataclass(frozen=True, kw_only=True, slots=True)
class LeadTime:
    """How long a plan takes until its goal is made.

    Attributes:
        usual: each step at its quantile, one after the other; those that were never timed count for nothing.
        expected: at the quantile of the whole: hardly ever are all steps slow at once.
        shortest: the shortest that was seen of each step.
        untimed: the steps on the way that were never timed.
        path: the steps that make it so long, each before the next.
    """

    usual: timedelta
    expected: timedelta
    shortest: timedelta
    untimed: tuple[PlannedStep, ...]
    path: tuple[PlannedStep, ...]

    @property
    def safe(self) -> timedelta:
        """With something to spare: a tenth, and half a second."""
        return with_spare(self.usual)


def with_spare(time: timedelta) -> timedelta:
    """A time with something to spare."""
    return time * (1 + SHARE_TO_SPARE) + _LEAST_TO_SPARE


def lead_time(plan: Sequence[PlannedStep], asset: str, durations: Durations) -> LeadTime:
    """How long `plan`, whose steps stand after what they wait for, takes until it has made `asset`."""
    usual: dict[str, timedelta] = {}
    shortest: dict[str, timedelta] = {}
    via: dict[str, str | None] = {}
    steps = {step.id: step for step in plan}
    for step in plan:
        waits = [wait for wait in step.waits_for if wait in usual]
        last = max(waits, key=usual.__getitem__, default=None)
        via[step.id] = last
        usual[step.id] = (usual[last] if last else _NOTHING) + (durations.usual(step.step) or _NOTHING)
        shortest[step.id] = max((shortest[wait] for wait in waits), default=_NOTHING) + durations.shortest(step.step)
    goals = [step.id for step in plan if asset in step.assets]
    goal = max(goals, key=usual.__getitem__, default=None)
    on_the_way = _ancestors(steps, goals)
    path = tuple(steps[step_id] for step_id in _chain(goal, via))
    whole = Estimate()
    for step in path:
        whole = whole.then(durations.estimate(step.step))
    return LeadTime(
        usual=usual[goal] if goal else _NOTHING,
        expected=whole.usual,
        shortest=max((shortest[each] for each in goals), default=_NOTHING),
        untimed=tuple(step for step in plan if step.id in on_the_way and durations.usual(step.step) is None),
        path=path,
    )


def times_until_made(plan: Sequence[PlannedStep], durations: Durations) -> dict[str, timedelta]:
    """How long `plan` takes until each of its assets (all its partitions) is made."""
    ends: dict[str, timedelta] = {}
    found: dict[str, timedelta] = {}
    for step in plan:
        start = max((ends[wait] for wait in step.waits_for if wait in ends), default=_NOTHING)
        ends[step.id] = start + (durations.usual(step.step) or _NOTHING)
        found |= {asset: max(found.get(asset, _NOTHING), ends[step.id]) for asset in step.assets}
    return found


def _chain(last: str | None, via: Mapping[str, str | None]) -> list[str]:
    found: list[str] = []
    while last is not None:
        found.append(last)
        last = via[last]
    return found[::-1]


def _ancestors(steps: Mapping[str, PlannedStep], goals: Collection[str]) -> set[str]:
    found: set[str] = set()
    open_ids = list(goals)
    while open_ids:
        step_id = open_ids.pop()
        if step_id not in found and step_id in steps:
            found.add(step_id)
            open_ids.extend(steps[step_id].waits_for)
    return found


def time_after(plan: Sequence[PlannedStep], goals: Collection[str], durations: Durations) -> dict[str, Estimate]:
    """Of each step that the goals wait for (and of these), how long it takes from its end until all goals are made."""
    steps = {step.id: step for step in plan}
    wanted = _ancestors(steps, goals)
    after = {goal: Estimate() for goal in goals if goal in steps}
    for step in reversed(plan):
        if step.id not in wanted:
            continue
        rest = after.setdefault(step.id, Estimate()).then(durations.estimate(step.step))
        for wait in step.waits_for:
            if wait in wanted:
                after[wait] = max(after.get(wait, Estimate()), rest, key=lambda one: one.usual)
    return after


def slowest(path: Sequence[PlannedStep], durations: Durations) -> PlannedStep:
    """The step of a path that takes the most."""
    return max(path, key=lambda step: durations.usual(step.step) or _NOTHING)


class LongestWays:
    """Of each asset, how long everything above it that is made here takes: hardly ever less than what a plan needs.

    It is remembered; whoever learns that a step takes longer has what is below it forgotten.
    """

    def __init__(
        self, inputs: Callable[[str], Iterable[str]], steps_of: Callable[[str], Iterable[str]], durations: Durations
    ) -> None:
        self._inputs = inputs
        self._steps_of = steps_of
        self._durations = durations
        self._known: dict[str, tuple[timedelta, bool]] = {}

    def to(self, asset: str) -> tuple[timedelta, bool]:
        """How long at most, and whether every step on the way was timed; others count for nothing."""
        open_keys = [asset]
        while open_keys:
            key = open_keys[-1]
            unknown = [one for one in self._inputs(key) if one not in self._known] if key not in self._known else []
            if unknown:
                open_keys.extend(unknown)
                continue
            if key not in self._known:
                self._known[key] = self._sum(key)
            open_keys.pop()
        return self._known[asset]

    def forget(self, assets: Iterable[str]) -> None:
        """What was known of these may be too short."""
        for asset in assets:
            self._known.pop(asset, None)

    def _sum(self, key: str) -> tuple[timedelta, bool]:
        own = [self._durations.usual(step) for step in self._steps_of(key)]
        above = [self._known[one] for one in self._inputs(key)]
        longest = max((time for time, _ in above), default=_NOTHING)
        timed = None not in own and all(complete for _, complete in above)
        return longest + sum((time for time in own if time is not None), _NOTHING), timed
