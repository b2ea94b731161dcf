"""What conditions answer. Pure: a condition, the graph, what is known of the world, the moment, and what the previous
evaluation remembered, give the partitions of which it is true, the tree of answers, and what is to be remembered.

Conditions are evaluated upstream first, so that an asset's condition knows what is requested upstream of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias, assert_never, cast
from zoneinfo import ZoneInfo

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
from upwell.definitions.conditions.places import Places
from upwell.definitions.conditions.state import (
    EMPTY,
    AutomationCursor,
    AutomationState,
    ConditionCursor,
    RunFacts,
    Subset,
    Update,
)
from upwell.definitions.crons import plain_cron
from upwell.definitions.graph import AssetGraph
from upwell.definitions.partitions.ticks import at_or_before, ticks_of
from upwell.definitions.selection import select

Times: TypeAlias = Mapping[str | None, float]
"""When what a condition is true of happened, by partition (seconds since the epoch)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What a condition said of an asset or check: true of which of the candidates, and because of which answers.

    `times` is none where the condition is not about something that happens at an instant.
    """

    key: str
    condition: AutomationCondition
    candidates: Subset
    true: Subset
    children: tuple[Answer, ...] = ()
    times: Times | None = None


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
    evaluation = Evaluation(conditions, graph, state, now, cursor)
    for key in evaluation.places.in_order(conditions):
        evaluation.evaluate(key)
    return evaluation.tick()


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Where in whose tree of conditions a question is asked, and of what.

    Attributes:
        root: whose condition it is.
        key: what it is asked of.
        former: what the condition remembers.
        notes: what it is to remember.
        above: the conditions that this one is part of.
    """

    root: str
    key: str
    node: str
    candidates: Subset
    former: ConditionCursor | None
    notes: dict[str, Subset | str | None] = field(repr=False)
    above: tuple[AutomationCondition, ...] = ()

    @property
    def note(self) -> Subset | str | None:
        """What this place in the tree remembers."""
        return None if self.former is None else self.former.notes.get(self.node)

    @property
    def known(self) -> Subset:
        """The same, of a place that remembers partitions."""
        return self.note if isinstance(self.note, frozenset) else EMPTY


class Evaluation:
    """One evaluation under way."""

    def __init__(
        self,
        conditions: Mapping[str, AutomationCondition],
        graph: AssetGraph,
        state: AutomationState,
        now: datetime,
        cursor: AutomationCursor,
    ) -> None:
        self.places = Places(graph, now)
        self._conditions = conditions
        self._graph = graph
        self._state = state
        self._now = now
        self._cursor = cursor
        self._answers: dict[str, Answer] = {}
        self._requested: dict[str, Subset] = {}
        self._cursors: dict[str, ConditionCursor] = {}
        self._ticks: dict[CronTickPassed, datetime] = {}

    def evaluate(self, key: str) -> Answer:
        """The answer of an asset's or check's condition; what it is true of is requested."""
        condition = self._conditions[key]
        notes: dict[str, Subset | str | None] = {}
        asked = Asked(
            root=key,
            key=key,
            node=_node("", None, condition.name),
            candidates=self.places.everything(key),
            former=self._cursor.conditions.get(key),
            notes=notes,
        )
        answer = self._answers[key] = self.answer(condition, asked)
        for other in (key, *self._made_together(key)):
            same = self.places.mapped(key, other, answer.true, down=False) if other != key else answer.true
            self._requested[other] = self._requested.get(other, EMPTY) | same
        self._cursors[key] = ConditionCursor(
            requested=answer.true,
            shape=self.places.shape(key),
            evaluated_at=self._now,
            last_event_id=self._state.last_event_id,
            notes=notes,
        )
        return answer

    def tick(self) -> Tick:
        """What came of it."""
        return Tick(
            answers=self._answers,
            requested={key: subset for key, subset in self._requested.items() if subset},
            cursor=AutomationCursor(
                evaluation_id=self._cursor.evaluation_id + 1,
                conditions={**self._cursor.conditions, **self._cursors},
            ),
        )

    def _made_together(self, key: str) -> Iterable[str]:
        node = self._graph.assets.get(key)
        step = self._graph.steps.get(node.step or "") if node else None
        if step is not None and not step.can_subset:
            yield from (other for other in (*step.assets, *step.checks) if other != key)

    def answer(self, condition: AutomationCondition, asked: Asked) -> Answer:
        """What a condition answers where it is asked."""
        if not isinstance(condition, BUILT_IN):
            raise TypeError(f"{condition!r} is no automation condition")
        built_in = cast(AnyCondition, condition)
        match built_in:
            case Operand():
                return self._operand(built_in, asked)
            case RunTags():
                return _said(built_in, asked, self._by_run_tags(built_in, asked) if asked.candidates else EMPTY)
            case CheckResult():
                wanted = "passed" if built_in.passed else "failed"
                return _said(built_in, asked, self._check_is(asked, wanted) if asked.candidates else EMPTY)
            case FreshnessResult():
                kept = self._state.freshness(asked.key) == built_in.state
                return _said(built_in, asked, self.places.everything(asked.key) if kept else EMPTY)
            case InLatestTimeWindow():
                window = self.places.latest_window(asked.key, built_in.lookback) if asked.candidates else EMPTY
                return _said(built_in, asked, window)
            case CronTickPassed():
                return self._cron_tick_passed(built_in, asked)
            case KeepFresh():
                return _said(built_in, asked, EMPTY)
            case AnyDownstreamConditions():
                return self._any_downstream(built_in, asked)
            case And():
                return self._and(built_in, asked)
            case Or():
                answers = [self._child(asked, built_in, one, at) for at, one in enumerate(built_in.operands)]
                return _said(built_in, asked, EMPTY.union(*(one.true for one in answers)), answers)
            case Not():
                answer = self._child(asked, built_in, built_in.operand, 0)
                return _said(built_in, asked, asked.candidates - answer.true, [answer])
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
            node = _lasting(child, of if of != asked.root else "")
        else:
            node = _node(asked.node, place, child.name)
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

    def _operand(self, condition: Operand, asked: Asked) -> Answer:
        times: Times | None = None
        true = EMPTY
        match condition.what:
            case "code_version_changed":
                true = self._code_version_changed(asked)
            case "initial_evaluation":
                true = asked.candidates if self._is_initial(asked.root) else EMPTY
            case _ if not asked.candidates:
                pass
            case "missing":
                true = self._missing(asked)
            case "run_in_progress":
                true = self._under_way(asked)
            case "backfill_in_progress":
                is_check = asked.key in self._graph.checks
                true = EMPTY if is_check else frozenset(self._state.backfill_in_progress(asked.key))
            case "execution_failed":
                true = self._failed(asked)
            case "will_be_requested":
                true = self._will_be_requested(asked)
            case "newly_updated":
                true, times = self._newly_updated(asked)
            case "newly_requested":
                true, times = self._newly_requested(asked)
            case "data_version_changed":
                if asked.former is not None and asked.key in self._graph.assets:
                    changed = self._state.data_version_changed_after(asked.key, asked.former.last_event_id)
                    true = self.places.everything(asked.key) & frozenset(changed)
            case "executed_with_root_target":
                true = self._latest_run_is(asked, lambda run: asked.key != asked.root and asked.root in run.targets)
            case _:
                assert_never(condition.what)
        return _said(condition, asked, true, times=times)

    def _missing(self, asked: Asked) -> Subset:
        if asked.key in self._graph.checks:
            return asked.candidates if self._state.check_status(asked.key) is None else EMPTY
        return asked.candidates.difference(self._state.made(asked.key))

    def _under_way(self, asked: Asked) -> Subset:
        if asked.key in self._graph.checks:
            return self._check_is(asked, "in_progress")
        return frozenset(self._state.in_progress(asked.key))

    def _failed(self, asked: Asked) -> Subset:
        if asked.key in self._graph.checks:
            return self._check_is(asked, "execution_failed")
        return frozenset(self._state.failed(asked.key))

    def _check_is(self, asked: Asked, status: str) -> Subset:
        return self.places.everything(asked.key) if self._state.check_status(asked.key) == status else EMPTY

    def _is_initial(self, root: str) -> bool:
        former = self._cursor.conditions.get(root)
        return former is None or former.shape != self.places.shape(root)

    def _will_be_requested(self, asked: Asked) -> Subset:
        node = self._graph.assets.get(asked.key)
        if node is not None and node.step is None:
            return EMPTY
        together = self.places.in_one_run(asked.key, asked.root)
        return self._requested.get(asked.key, EMPTY) if together else EMPTY

    def _newly_updated(self, asked: Asked) -> tuple[Subset, Times | None]:
        if asked.former is None:
            return EMPTY, None
        if asked.key in self._graph.checks:
            newest = self._state.check_evaluation(asked.key)
            is_new = newest is not None and newest.at >= asked.former.evaluated_at.timestamp()
            return (self.places.everything(asked.key) if is_new else EMPTY), None
        times = {update.partition: update.at for update in self._updates(asked)}
        return frozenset(times), times or None

    def _updates(self, asked: Asked) -> Sequence[Update]:
        """What was made since the previous evaluation, of partitions that exist."""
        if asked.former is None:
            return ()
        found = self._state.updates_after(asked.key, asked.former.last_event_id)
        exists = self.places.everything(asked.key) if found else EMPTY
        return [update for update in found if update.partition in exists]

    def _newly_requested(self, asked: Asked) -> tuple[Subset, Times | None]:
        of_key = self._cursor.conditions.get(asked.key)
        if of_key is None or not of_key.requested or of_key.shape != self.places.shape(asked.key):
            return EMPTY, None
        if asked.former is None:
            return of_key.requested, None
        at = asked.former.evaluated_at.timestamp()
        return of_key.requested, dict.fromkeys(of_key.requested, at)

    def _code_version_changed(self, asked: Asked) -> Subset:
        node = self._graph.assets.get(asked.key)
        version = None if node is None else node.code_version
        former = asked.note
        asked.notes[asked.node] = version
        return asked.candidates if former is not None and former != version else EMPTY

    def _latest_run_is(self, asked: Asked, wanted: Callable[[RunFacts], bool]) -> Subset:
        is_check = asked.key in self._graph.checks
        newest = self._state.check_evaluation(asked.key) if is_check else self._state.latest_update(asked.key)
        if newest is None or newest.run_id is None or newest.partition not in asked.candidates:
            return EMPTY
        run = self._state.run(newest.run_id)
        return frozenset((newest.partition,)) if run is not None and wanted(run) else EMPTY

    def _by_run_tags(self, condition: RunTags, asked: Asked) -> Subset:
        if condition.what == "executed_with_tags":
            return self._latest_run_is(asked, lambda run: _has_tags(run, condition))
        if asked.former is None or not asked.former.last_event_id:
            return EMPTY
        said: dict[str | None, list[bool]] = {}
        for update in self._updates(asked):
            run = None if update.run_id is None else self._state.run(update.run_id)
            said.setdefault(update.partition, []).append(run is not None and _has_tags(run, condition))
        suits = all if condition.what == "all_new_updates_have_run_tags" else any
        return frozenset(partition for partition, found in said.items() if suits(found))

    def _cron_tick_passed(self, condition: CronTickPassed, asked: Asked) -> Answer:
        if asked.former is None or not asked.candidates:
            return _said(condition, asked, EMPTY)
        if condition not in self._ticks:
            cron = plain_cron(condition.cron_schedule, "an automation condition")
            ticks = ticks_of(cron, ZoneInfo(condition.cron_timezone), self._now)
            self._ticks[condition] = at_or_before(ticks, self._now)
        tick = self._ticks[condition]
        if tick < asked.former.evaluated_at:
            return _said(condition, asked, EMPTY)
        return _said(condition, asked, asked.candidates, times=dict.fromkeys(asked.candidates, tick.timestamp()))

    def _and(self, condition: And, asked: Asked) -> Answer:
        true = asked.candidates
        answers = []
        for place, operand in enumerate(condition.operands):
            answers.append(self._child(asked, condition, operand, place, true))
            true &= answers[-1].true
        return _said(condition, asked, true, answers)

    def _newly_true(self, condition: NewlyTrue, asked: Asked) -> Answer:
        # Over everything, not the candidates only: a change must not be missed while something else forbids it.
        answer = self._child(asked, condition, condition.operand, 0, self.places.everything(asked.key))
        asked.notes[asked.node] = answer.true
        return _said(condition, asked, asked.candidates & (answer.true - asked.known), [answer])

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
        return _said(condition, asked, true, [trigger, reset], times=trigger.times)

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
        return _said(condition, asked, back, [answer], times=None if answer.times is None else times)

    def _read_by(self, key: str) -> Sequence[str]:
        known = key in self._graph.assets or key in self._graph.checks
        return self.places.deps(key) if known else ()

    def _deps(self, condition: Deps, asked: Asked) -> list[str]:
        found = set(self.places.deps(asked.key))
        if condition.allow_selection is not None:
            found &= select(self._graph, condition.allow_selection)
        if condition.ignore_selection is not None:
            found -= select(self._graph, condition.ignore_selection)
        return sorted(found)

    def _checks(self, condition: Checks, asked: Asked) -> list[str]:
        checks = [one for one in self._graph.checks_of(asked.key) if one.blocking or not condition.blocking_only]
        return sorted(one.key for one in checks)

    def _several(self, condition: Limited, asked: Asked, keys: Iterable[str]) -> Answer:
        answers = [self._child(asked, condition, AssetMatches(key, condition.operand), None) for key in keys]
        if condition.which == "all":
            return _said(condition, asked, asked.candidates.intersection(*(one.true for one in answers)), answers)
        true = asked.candidates & EMPTY.union(*(one.true for one in answers))
        told = [one.times for one in answers if one.times is not None] if isinstance(condition, Deps) else []
        times: dict[str | None, float] = {}
        for one in told:
            times.update({partition: max(at, times.get(partition, at)) for partition, at in one.items()})
        return _said(condition, asked, true, answers, times=times if told else None)

    def _any_downstream(self, condition: AnyDownstreamConditions, asked: Asked) -> Answer:
        ignored = (*asked.above, condition)
        answers = [
            self._child(asked, condition, one, place)
            for place, one in enumerate(self._downstream_conditions(asked.key))
            if one not in ignored
        ]
        return _said(condition, asked, EMPTY.union(*(one.true for one in answers)), answers)

    def _downstream_conditions(self, key: str) -> list[AutomationCondition]:
        """The different conditions of everything downstream, without what is in them about conditions downstream."""
        found: dict[str, None] = {}
        open_keys = list(self._graph.downstream(key))
        while open_keys:
            reached = open_keys.pop()
            if reached not in found:
                found[reached] = None
                open_keys.extend(self._graph.downstream(reached))
        of_them = (_stripped(self._conditions[one]) for one in sorted(found) if one in self._conditions)
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


def _said(
    condition: AutomationCondition,
    asked: Asked,
    true: Subset,
    children: Iterable[Answer] = (),
    times: Times | None = None,
) -> Answer:
    return Answer(
        key=asked.key,
        condition=condition,
        candidates=asked.candidates,
        true=true,
        children=tuple(children),
        times=times,
    )


def _has_tags(run: RunFacts, wanted: RunTags) -> bool:
    return all(key in run.tags for key in wanted.tag_keys or ()) and all(
        run.tags.get(key) == value for key, value in wanted.tag_values or ()
    )


def _node(parent: str, place: int | None, name: str) -> str:
    """The name of a place in a tree of conditions."""
    return hashlib.blake2b(f"{parent}\0{place}\0{name}".encode(), digest_size=8).hexdigest()


def _lasting(condition: AutomationCondition, key: str) -> str:
    """The name of a condition that is known again wherever it stands, also when a selection within it changed."""
    return _node(key, None, _shape(condition))


def _shape(condition: AutomationCondition) -> str:
    name = f"{condition.which} {type(condition).__name__}" if isinstance(condition, Limited) else condition.name
    return f"{name}({' '.join(map(_shape, condition.children))})"
