"""What conditions answer. Pure: a condition, the graph, what is known of the world, the moment, and what the previous
evaluation remembered, give the partitions of which it is true, the tree of answers, and what is to be remembered.

Conditions are evaluated upstream first, so that an asset's condition knows what is requested upstream of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import assert_never, cast

from upwell.definitions.conditions.answers import Answer, Asked, lasting_node, node_of, said
from upwell.definitions.conditions.model import (
    BUILT_IN,
    And,
    AnyCondition,
    AnyDownstreamConditions,
    AssetMatches,
    AutomationCondition,
    CheckResult,
    Checks,
    CronTickPassed,
    Deps,
    FreshnessResult,
    InLatestTimeWindow,
    KeepFresh,
    Limited,
    NewlyTrue,
    Not,
    Operand,
    Or,
    RunTags,
    Since,
)
from upwell.definitions.conditions.operands import Operands
from upwell.definitions.conditions.places import Places
from upwell.definitions.conditions.state import (
    EMPTY,
    AutomationCursor,
    AutomationState,
    ConditionCursor,
    Subset,
)
from upwell.definitions.conditions.user_written import AutomationContext, answer_of, true_node
from upwell.definitions.graph import AssetGraph


@dataclass(frozen=True, kw_only=True)
class Tick:
    """One evaluation of all conditions.

    `requested` has more than the answers where assets can only be made together.
    """

    answers: Mapping[str, Answer]
    requested: Mapping[str, Subset]
    cursor: AutomationCursor


def evaluate_all(
    conditions: Mapping[str, AutomationCondition],
    graph: AssetGraph,
    state: AutomationState,
    now: datetime,
    cursor: AutomationCursor,
) -> Tick:
    """Evaluate the conditions of all these assets and checks, upstream first."""
    evaluation = Evaluation(conditions, Places(graph, now), state, cursor)
    for key in evaluation.places.in_order(conditions):
        evaluation.evaluate(key)
    return Tick(
        answers=evaluation.answers,
        requested={key: subset for key, subset in evaluation.requested.items() if subset},
        cursor=AutomationCursor(
            evaluation_id=cursor.evaluation_id + 1, conditions={**cursor.conditions, **evaluation.cursors}
        ),
    )


class Evaluation:
    """One evaluation under way: conditions are to be evaluated (or passed over) in the order of their places."""

    def __init__(
        self,
        conditions: Mapping[str, AutomationCondition],
        places: Places,
        state: AutomationState,
        cursor: AutomationCursor,
    ) -> None:
        self.places = places
        self.answers: dict[str, Answer] = {}
        self.requested: dict[str, Subset] = {}
        self.cursors: dict[str, ConditionCursor] = {}
        self._conditions = conditions
        self._graph = places.graph
        self._state = state
        self._cursor = cursor
        self._operands = Operands(places, state, cursor, self.requested)

    def evaluate(self, key: str, former: ConditionCursor | None = None) -> Answer:
        """The answer of an asset's or check's condition; what it is true of is requested.

        `former` is what the condition remembers, if not what the cursor says.
        """
        condition = self._conditions[key]
        notes: dict[str, Subset | str | None] = {}
        asked = Asked(
            root=key,
            key=key,
            node=node_of("", None, condition.name),
            candidates=self.places.everything(key),
            former=former or self._cursor.conditions.get(key),
            notes=notes,
        )
        answer = self.answers[key] = self.answer(condition, asked)
        self.request(key, answer.true)
        self.cursors[key] = ConditionCursor(
            requested=answer.true,
            shape=self.places.shape(key),
            evaluated_at=self.places.now,
            last_event_id=self._state.last_event_id,
            notes=notes,
        )
        return answer

    def request(self, key: str, subset: Subset) -> None:
        """Take in that a condition asks for these partitions, and so for what can only be made together with them."""
        if not subset:
            return
        for other in (key, *self.places.made_together(key)):
            same = self.places.mapped(key, other, subset, down=False) if other != key else subset
            self.requested[other] = self.requested.get(other, EMPTY) | same

    def answer(self, condition: AutomationCondition, asked: Asked) -> Answer:
        """What a condition answers where it is asked."""
        if not isinstance(condition, BUILT_IN):
            return self._of_user(condition, asked)
        built_in = cast(AnyCondition, condition)
        match built_in:
            case Operand():
                return self._operands.operand(built_in, asked)
            case RunTags():
                return self._operands.by_run_tags(built_in, asked)
            case CheckResult():
                return self._operands.check_result(built_in, asked)
            case FreshnessResult():
                return self._operands.freshness_result(built_in, asked)
            case InLatestTimeWindow():
                return self._operands.in_latest_time_window(built_in, asked)
            case CronTickPassed():
                return self._operands.cron_tick_passed(built_in, asked)
            case KeepFresh():
                return said(built_in, asked, EMPTY)
            case AnyDownstreamConditions():
                return self._any_downstream(built_in, asked)
            case And():
                return self._and(built_in, asked)
            case Or():
                answers = [self._child(asked, built_in, one, at) for at, one in enumerate(built_in.operands)]
                return said(built_in, asked, EMPTY.union(*(one.true for one in answers)), answers)
            case Not():
                answer = self._child(asked, built_in, built_in.operand, 0)
                return said(built_in, asked, asked.candidates - answer.true, [answer])
            case NewlyTrue():
                return self._newly_true(built_in, asked)
            case Since():
                return self._since(built_in, asked)
            case AssetMatches():
                return self._matches(built_in, asked)
            case Deps():
                return self._several(built_in, asked, self._deps(built_in, asked))
            case Checks():
                return self._several(built_in, asked, self._checks(built_in, asked))
            case _:
                assert_never(built_in)

    def _of_user(self, condition: AutomationCondition, asked: Asked) -> Answer:
        """What a condition answers that a user wrote, which may ask others in turn."""
        context = AutomationContext(condition, asked, self.places, self._state.last_event_id, self._child)
        result = answer_of(condition, context)
        asked.notes[asked.node] = result.cursor
        asked.notes[true_node(asked.node)] = result.true_subset.value
        return said(condition, asked, result.true_subset.value, [one.answer for one in result.child_results])

    def _child(
        self,
        asked: Asked,
        parent: AutomationCondition,
        child: AutomationCondition,
        place: int | None,
        candidates: Subset | None = None,
        key: str | None = None,
    ) -> Answer:
        """What a part answers, of the same candidates unless said otherwise."""
        of = asked.key if key is None else key
        if isinstance(child, Since | NewlyTrue):  # these remember, wherever they stand in the tree
            node = lasting_node(child, of if of != asked.root else "")
        else:
            node = node_of(asked.node, place, child.name)
        return self.answer(
            child,
            Asked(
                root=asked.root,
                key=of,
                node=node,
                candidates=asked.candidates if candidates is None else candidates,
                former=asked.former,
                notes=asked.notes,
                above=(*asked.above, parent),
            ),
        )

    def _and(self, condition: And, asked: Asked) -> Answer:
        true = asked.candidates
        answers = []
        for place, operand in enumerate(condition.operands):
            answers.append(self._child(asked, condition, operand, place, true))
            true &= answers[-1].true
        return said(condition, asked, true, answers)

    def _newly_true(self, condition: NewlyTrue, asked: Asked) -> Answer:
        # Over everything, not the candidates only: a change must not be missed while something else forbids it.
        answer = self._child(asked, condition, condition.operand, 0, self.places.everything(asked.key))
        asked.notes[asked.node] = answer.true
        return said(condition, asked, asked.candidates & (answer.true - asked.known), [answer])

    def _since(self, condition: Since, asked: Asked) -> Answer:
        everything = self.places.everything(asked.key)
        trigger = self._child(asked, condition, condition.trigger_condition, 0, everything)
        reset = self._child(asked, condition, condition.reset_condition, 1, everything)
        true = (asked.known & everything | trigger.true) - reset.true
        if trigger.times is not None and reset.times is not None:
            before = reset.times
            later = (part for part, at in trigger.times.items() if part not in before or at > before[part])
            true |= trigger.true & reset.true & frozenset(later)
        asked.notes[asked.node] = true
        return said(condition, asked, true, [trigger, reset], times=trigger.times)

    def _matches(self, condition: AssetMatches, asked: Asked) -> Answer:
        """Of another asset or check, seen from this one."""
        other = condition.key
        down = other != asked.key and asked.key in self._read_by(other)
        candidates = self.places.mapped(asked.key, other, asked.candidates, down=down)
        answer = self._child(asked, condition, condition.operand, 0, candidates, key=other)
        back = self.places.mapped(other, asked.key, answer.true, down=not down)
        times: dict[str | None, float] = {}
        for partition, at in (answer.times or {}).items():
            for seen in self.places.mapped(other, asked.key, frozenset((partition,)), down=not down):
                times[seen] = max(at, times.get(seen, at))
        return said(condition, asked, back, [answer], times=None if answer.times is None else times)

    def _read_by(self, key: str) -> Sequence[str]:
        known = key in self._graph.assets or key in self._graph.checks
        return self.places.deps(key) if known else ()

    def _deps(self, condition: Deps, asked: Asked) -> list[str]:
        return [dep for dep in self.places.deps(asked.key) if self._counts(condition, dep)]

    def _checks(self, condition: Checks, asked: Asked) -> list[str]:
        checks = [one for one in self._graph.checks_of(asked.key) if one.blocking or not condition.blocking_only]
        return sorted(one.key for one in checks if self._counts(condition, one.asset))

    def _counts(self, condition: Limited, asset: str) -> bool:
        """Whether the selections of the condition let an asset, or the checks of it, count."""
        allowed, ignored = condition.allow_selection, condition.ignore_selection
        return (allowed is None or asset in self.places.chosen(allowed)) and (
            ignored is None or asset not in self.places.chosen(ignored)
        )

    def _several(self, condition: Limited, asked: Asked, keys: Iterable[str]) -> Answer:
        answers = [self._child(asked, condition, AssetMatches(key, condition.operand), None) for key in keys]
        if condition.which == "all":
            return said(condition, asked, asked.candidates.intersection(*(one.true for one in answers)), answers)
        true = asked.candidates & EMPTY.union(*(one.true for one in answers))
        told = [one.times for one in answers if one.times is not None] if isinstance(condition, Deps) else []
        times: dict[str | None, float] = {}
        for one in told:
            times.update({partition: max(at, times.get(partition, at)) for partition, at in one.items()})
        return said(condition, asked, true, answers, times=times if told else None)

    def _any_downstream(self, condition: AnyDownstreamConditions, asked: Asked) -> Answer:
        ignored = (*asked.above, condition)
        answers = [
            self._child(asked, condition, one, place)
            for place, one in enumerate(self._downstream_conditions(asked.key))
            if one not in ignored
        ]
        return said(condition, asked, EMPTY.union(*(one.true for one in answers)), answers)

    def _downstream_conditions(self, key: str) -> list[AutomationCondition]:
        """The different conditions of everything downstream, without what is in them about conditions downstream."""
        of_them = (_stripped(self._conditions[one]) for one in self.places.below(key) if one in self._conditions)
        different: list[AutomationCondition] = []
        for condition in of_them:
            if condition is not None and condition not in different:
                different.append(condition)
        return different


def _stripped(condition: AutomationCondition) -> AutomationCondition | None:
    """The condition as if `any_downstream_conditions()` were false; none if it is never true then."""
    if condition.get_label() is not None:
        return condition
    if isinstance(condition, AnyDownstreamConditions):
        return None
    if not isinstance(condition, And | Or):
        return condition
    kept = [_stripped(one) for one in condition.operands]
    left = tuple(cast(AnyCondition, one) for one in kept if one is not None)
    if len(left) == len(kept):
        return condition if left == condition.operands else type(condition)(left)
    if isinstance(condition, And) or not left:
        return None
    return left[0] if len(left) == 1 else type(condition)(left)
