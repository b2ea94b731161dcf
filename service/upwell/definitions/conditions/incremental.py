"""Evaluation of those conditions only that something happened to. Pure, but for what it keeps between two evaluations.

Each answer, and all that is remembered, is what `evaluate_all` would say. A condition is left out when nothing that it
looks at changed, and evaluating it again was seen to change nothing: then it would answer as it did.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from upwell.definitions.conditions.answers import Answer
from upwell.definitions.conditions.evaluate import Evaluation
from upwell.definitions.conditions.model import AutomationCondition, CronTickPassed, NewlyTrue, Operand, RunTags
from upwell.definitions.conditions.places import Places
from upwell.definitions.conditions.reach import Clock, next_change, reach_of
from upwell.definitions.conditions.state import AutomationCursor, AutomationState, ConditionCursor, Subset
from upwell.definitions.graph import AssetGraph

_PASSING = frozenset(
    {
        "initial_evaluation",
        "newly_updated",
        "newly_requested",
        "code_version_changed",
        "data_version_changed",
        "all_new_updates_have_run_tags",
        "any_new_update_has_run_tags",
    }
)
"""Operands that are true in one evaluation, and not in the next unless something happens again."""


@dataclass(frozen=True, kw_only=True)
class Change:
    """What came of an evaluation: the answers of those that were evaluated, and everything that is requested."""

    answers: Mapping[str, Answer]
    requested: Mapping[str, Subset]


class Incremental:
    """The conditions of a graph, with what they remember."""

    def __init__(
        self, conditions: Mapping[str, AutomationCondition], graph: AssetGraph, now: datetime, cursor: AutomationCursor
    ) -> None:
        self._conditions = conditions
        self._places = Places(graph, now)
        self._cursors: dict[str, ConditionCursor] = dict(cursor.conditions)
        self._evaluation_id = cursor.evaluation_id
        self._former: tuple[datetime, int] | None = None
        self._unsettled = set(conditions)
        self._asking = {key for key, one in self._cursors.items() if key in conditions and one.requested}
        self._changed: set[str] = set()
        self._of_key: dict[str, list[str]] = defaultdict(list)
        self._of_clock: dict[Clock, list[str]] = defaultdict(list)
        self._of_dynamic: dict[str, list[str]] = defaultdict(list)
        self._always: set[str] = set()
        for key in conditions:
            self._index(key)
        self._next = {clock: next_change(clock, now) for clock in self._of_clock}

    def _index(self, root: str) -> None:
        reach = reach_of(root, self._conditions, self._places)
        for key in reach.keys:
            self._of_key[key].append(root)
        for clock in reach.clocks:
            self._of_clock[clock].append(root)
        for name in reach.dynamic:
            self._of_dynamic[name].append(root)
        if reach.unknown:
            self._always.add(root)

    @property
    def cursor(self) -> AutomationCursor:
        """What the conditions remember."""
        conditions = {key: self._as_of_last(key) or one for key, one in self._cursors.items()}
        return AutomationCursor(evaluation_id=self._evaluation_id, conditions=conditions)

    def evaluate(
        self, state: AutomationState, now: datetime, touched: Iterable[str], dynamic: Collection[str] = ()
    ) -> Change:
        """Evaluate what these changes can reach, after those of the former evaluation.

        Args:
            touched: the assets and checks that something happened to since the former evaluation.
            dynamic: the names of dynamic partitions of which keys came or went.
        """
        reached = self._reached(now, touched, dynamic)
        due = reached | self._unsettled | self._always
        evaluation = Evaluation(self._conditions, self._places, state, AutomationCursor(conditions=self._cursors))
        changed: set[str] = set()
        order = self._places.place_in_order
        heap = [order(key) for key in due | self._asking]
        heapq.heapify(heap)
        known = set(due | self._asking)
        while heap:
            place = heapq.heappop(heap)
            key = place[-1]
            before = self._cursors[key].requested if key in self._cursors else frozenset()
            if key not in due:
                evaluation.request(key, before)
                continue
            if evaluation.evaluate(key, self._as_of_last(key)).true == before:
                continue
            alike = (key, *self._places.made_together(key))
            changed.update(alike)
            for root in {root for one in alike for root in self._of_key.get(one, ())}:
                if order(root) > place and root not in due:
                    due.add(root)
                    reached.add(root)
                    if root not in known:
                        known.add(root)
                        heapq.heappush(heap, order(root))
                elif order(root) > place:
                    reached.add(root)
        self._take_in(evaluation, reached, changed)
        self._former = (now, state.last_event_id)
        self._evaluation_id += 1
        return Change(answers=evaluation.answers, requested=evaluation.requested)

    def _reached(self, now: datetime, touched: Iterable[str], dynamic: Collection[str]) -> set[str]:
        reached = {root for key in (*touched, *self._changed) for root in self._of_key.get(key, ())}
        passed = [clock for clock, at in self._next.items() if at <= now]
        for clock in passed:
            reached.update(self._of_clock[clock])
            self._next[clock] = next_change(clock, now)
        for name in dynamic:
            reached.update(self._of_dynamic.get(name, ()))
        if dynamic or any(not isinstance(clock, CronTickPassed) for clock in passed):
            self._places = self._places.anew(now)
        self._places.now = now
        return reached

    def _as_of_last(self, key: str) -> ConditionCursor | None:
        """What the condition would remember, had it been evaluated in the former evaluation, too."""
        cursor = self._cursors.get(key)
        if cursor is None or self._former is None or key not in self._conditions:
            return cursor
        evaluated_at, last_event_id = self._former
        return replace(cursor, evaluated_at=evaluated_at, last_event_id=last_event_id)

    def _take_in(self, evaluation: Evaluation, reached: Collection[str], changed: set[str]) -> None:
        for key, cursor in evaluation.cursors.items():
            former = self._cursors.get(key)
            same = (
                former is not None and former.notes == cursor.notes and former.requested == cursor.requested
            ) and former.shape == cursor.shape
            settled = same and key not in reached and not _has_passing(evaluation.answers[key])
            (self._unsettled.discard if settled else self._unsettled.add)(key)
            (self._asking.add if cursor.requested else self._asking.discard)(key)
            self._cursors[key] = cursor
        self._changed = changed


def _has_passing(answer: Answer) -> bool:
    """Whether something in the tree is true only this time."""
    condition = answer.condition
    passes = isinstance(condition, CronTickPassed | NewlyTrue) or (
        isinstance(condition, Operand | RunTags) and condition.what in _PASSING
    )
    return (passes and bool(answer.true)) or any(map(_has_passing, answer.children))
