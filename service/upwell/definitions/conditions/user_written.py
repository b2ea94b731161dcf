"""What a condition that a user wrote gets and returns, under Dagster's names."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Collection, Coroutine, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol, cast, runtime_checkable

from upwell.definitions.conditions.answers import Answer, Asked, said
from upwell.definitions.conditions.model import AutomationCondition
from upwell.definitions.conditions.places import Places
from upwell.definitions.conditions.state import EMPTY, Subset
from upwell.definitions.errors import DagsterInvariantViolationError
from upwell.definitions.keys import AssetCheckKey, AssetKey
from upwell.definitions.partitions.union import AnyPartitionsDefinition


@dataclass(frozen=True)
class EntitySubset:
    """Some partitions of an asset; of one without partitions, and of a check, all or nothing."""

    key: AssetKey | AssetCheckKey
    value: Subset

    @property
    def size(self) -> int:
        """How many partitions they are."""
        return len(self.value)

    @property
    def is_empty(self) -> bool:
        return not self.value

    @property
    def is_partitioned(self) -> bool:
        """Whether there are keys in it."""
        return None not in self.value and bool(self.value)

    def expensively_compute_partition_keys(self) -> AbstractSet[str]:
        """The keys."""
        return {key for key in self.value if key is not None}

    def compute_union(self, other: EntitySubset) -> EntitySubset:
        return replace(self, value=self.value | other.value)

    def compute_intersection(self, other: EntitySubset) -> EntitySubset:
        return replace(self, value=self.value & other.value)

    def compute_difference(self, other: EntitySubset) -> EntitySubset:
        return replace(self, value=self.value - other.value)

    def compute_intersection_with_partition_keys(self, partition_keys: Collection[str]) -> EntitySubset:
        return replace(self, value=self.value.intersection(partition_keys))


AsksPart = Callable[[Asked, AutomationCondition, AutomationCondition, int | None, Subset], Answer]


class AutomationContext:
    """What a condition is asked, and what it remembers of the last time."""

    def __init__(
        self, condition: AutomationCondition, asked: Asked, places: Places, last_event_id: int, ask: AsksPart
    ) -> None:
        self.condition = condition
        self.max_storage_id = last_event_id
        self.log = logging.getLogger("upwell.automation").getChild(condition.name)
        self._asked = asked
        self._places = places
        self._ask = ask

    @property
    def key(self) -> AssetKey | AssetCheckKey:
        """The asset or check that the condition is asked of."""
        of_check = self._asked.key in self._places.graph.checks
        return (AssetCheckKey if of_check else AssetKey).from_user_string(self._asked.key)

    @property
    def candidate_subset(self) -> EntitySubset:
        """The partitions that matter: of no other has the answer a meaning."""
        return EntitySubset(self.key, self._asked.candidates)

    @property
    def partitions_def(self) -> AnyPartitionsDefinition | None:
        """How the asset is partitioned."""
        return self._places.partitions_of(self._asked.key)

    @property
    def evaluation_time(self) -> datetime:
        """The moment, alike for all conditions of one evaluation."""
        return self._places.now

    @property
    def previous_evaluation_time(self) -> datetime | None:
        """The moment of the previous evaluation, if there was one."""
        return None if self._asked.former is None else self._asked.former.evaluated_at

    @property
    def previous_max_storage_id(self) -> int | None:
        """The newest event that the previous evaluation knew."""
        return None if self._asked.former is None else self._asked.former.last_event_id

    @property
    def cursor(self) -> str | None:
        """What the condition gave as `AutomationResult(cursor=…)` in the previous evaluation."""
        return self._asked.note if isinstance(self._asked.note, str) else None

    @property
    def previous_true_subset(self) -> EntitySubset | None:
        """What the condition was true of in the previous evaluation."""
        former = self._asked.former
        known = None if former is None else former.notes.get(true_node(self._asked.node))
        return EntitySubset(self.key, known) if isinstance(known, frozenset) else None

    def get_empty_subset(self) -> EntitySubset:
        """No partition."""
        return EntitySubset(self.key, EMPTY)

    def get_full_subset(self) -> EntitySubset:
        """Every partition."""
        return EntitySubset(self.key, self._places.everything(self._asked.key))

    def evaluate_child(
        self, condition: AutomationCondition, candidate_subset: EntitySubset | None = None, index: int = 0
    ) -> AutomationResult:
        """What another condition answers; `index` tells apart several that are asked."""
        subset = self.candidate_subset if candidate_subset is None else candidate_subset
        answer = self._ask(self._asked, self.condition, condition, index, subset.value)
        return AutomationResult(self, EntitySubset(self.key, answer.true), answer=answer)


class AutomationResult:
    """What a condition is true of, and what it wants to remember."""

    def __init__(
        self,
        context: AutomationContext,
        true_subset: EntitySubset,
        cursor: str | None = None,
        child_results: Sequence[AutomationResult] | None = None,
        *,
        answer: Answer | None = None,
    ) -> None:
        self.true_subset = true_subset
        self.cursor = cursor
        self.child_results = tuple(child_results or ())
        self.answer = answer or said(context.condition, context._asked, true_subset.value)


@runtime_checkable
class Written(Protocol):
    """A condition that a user wrote."""

    def evaluate(self, context: AutomationContext) -> AutomationResult | Coroutine[object, None, AutomationResult]:
        """What it is true of."""


def answer_of(condition: AutomationCondition, context: AutomationContext) -> AutomationResult:
    """Ask a condition that a user wrote.

    Raises:
        DagsterInvariantViolationError: it cannot be asked, waits for something, or answers with something else.
    """
    what = f"the automation condition {condition.name}"
    if not isinstance(condition, Written):
        raise DagsterInvariantViolationError(
            f"{what} has no evaluate(self, context); write it, returning AutomationResult(context, true_subset=…)"
        )
    result = condition.evaluate(context)
    if inspect.iscoroutine(result):
        result = _without_waiting(cast("Coroutine[object, None, AutomationResult]", result), what)
    if not isinstance(result, AutomationResult):
        raise DagsterInvariantViolationError(
            f"{what} answers {result!r}; return AutomationResult(context, true_subset=context.candidate_subset)"
        )
    return result


def _without_waiting(coroutine: Coroutine[object, None, AutomationResult], what: str) -> AutomationResult:
    try:
        coroutine.send(None)
    except StopIteration as ended:
        return cast(AutomationResult, ended.value)
    coroutine.close()
    raise DagsterInvariantViolationError(f"{what} waits for something; a condition decides by what it is given")


def true_node(node: str) -> str:
    """Where it is noted what the condition at a place was true of."""
    return f"{node}/true"
