"""Automation conditions: when an asset is materialised without an event of its own.

A closed union of frozen dataclasses, which are plain data: what they mean is in `evaluate`, how they are told in
`describe`. What is made of others is a sentence of the same language: `eager()` is five parts joined by `&`. A
condition that a user wrote is a class of their own with `evaluate(context)`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cached_property
from typing import Annotated, Any, ClassVar, Literal, Self, TypeAlias, cast, get_args

from pydantic import Field

from upwell.definitions.crons import checked_zone, plain_cron
from upwell.definitions.errors import DagsterInvalidDefinitionError
from upwell.definitions.keys import AssetKey, CoercibleToAssetKey

EAGER = "eager"
KEEP_FRESH = "keep_fresh"


class AutomationCondition:
    """What is true of some partitions of an asset at a moment; combine with `&`, `|` and `~`.

    Derive from it to write a condition of your own: its `evaluate(context)` returns an `AutomationResult`.
    """

    @property
    def children(self) -> tuple[AutomationCondition, ...]:
        """The conditions that it is made of."""
        return ()

    @property
    def name(self) -> str:
        """What it is called in `replace` and wherever it has no label."""
        return type(self).__name__

    @property
    def description(self) -> str:
        """What it says, for people; empty where the name does."""
        return ""

    def get_label(self) -> str | None:
        """The name that somebody gave it."""
        return None

    def __and__(self, other: AutomationCondition) -> And:
        return And((*_parts(And, self), *_parts(And, other)))

    def __or__(self, other: AutomationCondition) -> Or:
        return Or((*_parts(Or, self), *_parts(Or, other)))

    def __invert__(self) -> Not:
        return Not(_built_in(self))

    def since(self, reset_condition: AutomationCondition) -> Since:
        """True from when this was true until `reset_condition` is."""
        return Since(_built_in(self), _built_in(reset_condition))

    def newly_true(self) -> NewlyTrue:
        """True in the evaluation in which this becomes true."""
        return NewlyTrue(_built_in(self))

    def since_last_handled(self) -> Since:
        """True once this was true, until the asset is requested or updated (or its condition is new)."""
        handled = self.newly_requested() | self.newly_updated() | self.initial_evaluation()
        return self.since(handled.with_label("handled"))

    def replace(self, old: AutomationCondition | str, new: AutomationCondition) -> AutomationCondition:
        """A copy with every part that is `old`, or has that label or name, replaced.

        As in Dagster, it does not look into `newly_true()` and conditions about checks.
        """
        return new if old in (self, self.name, self.get_label()) else self._replaced_within(old, new)

    def _replaced_within(self, old: AutomationCondition | str, new: AutomationCondition) -> AutomationCondition:
        return self

    @staticmethod
    def missing() -> Operand:
        """It was never made."""
        return Operand("missing")

    @staticmethod
    def run_in_progress() -> Operand:
        """A run under way is to make it."""
        return Operand("run_in_progress")

    @staticmethod
    def backfill_in_progress() -> Operand:
        """A backfill under way is to make it."""
        return Operand("backfill_in_progress")

    @staticmethod
    def in_progress() -> Or:
        """A run or a backfill under way is to make it."""
        either = AutomationCondition.run_in_progress() | AutomationCondition.backfill_in_progress()
        return either.with_label("in_progress")

    @staticmethod
    def execution_failed() -> Operand:
        """The latest run that was to make it failed to."""
        return Operand("execution_failed")

    @staticmethod
    def initial_evaluation() -> Operand:
        """The condition is evaluated for the first time, or first with these partitions."""
        return Operand("initial_evaluation")

    @staticmethod
    def will_be_requested() -> Operand:
        """It is requested in this very evaluation, and can be made in one run with the asset of the condition."""
        return Operand("will_be_requested")

    @staticmethod
    def newly_updated() -> Operand:
        """It was made since the previous evaluation."""
        return Operand("newly_updated")

    @staticmethod
    def newly_requested() -> Operand:
        """It was requested by the previous evaluation."""
        return Operand("newly_requested")

    @staticmethod
    def code_version_changed() -> Operand:
        """Its code version is another than at the previous evaluation."""
        return Operand("code_version_changed")

    @staticmethod
    def data_version_changed() -> Operand:
        """Its data version is another than at the previous evaluation."""
        return Operand("data_version_changed")

    @staticmethod
    def executed_with_root_target() -> Operand:
        """The run that made it last makes the asset of the condition as well."""
        return Operand("executed_with_root_target")

    @staticmethod
    def executed_with_tags(
        *, tag_keys: AbstractSet[str] | None = None, tag_values: Mapping[str, str] | None = None
    ) -> RunTags:
        """The run that made it last has these tags."""
        return _run_tags("executed_with_tags", tag_keys, tag_values)

    @staticmethod
    def all_new_updates_have_run_tags(
        *, tag_keys: AbstractSet[str] | None = None, tag_values: Mapping[str, str] | None = None
    ) -> RunTags:
        """It was made since the previous evaluation, and only by runs with these tags."""
        return _run_tags("all_new_updates_have_run_tags", tag_keys, tag_values)

    @staticmethod
    def any_new_update_has_run_tags(
        *, tag_keys: AbstractSet[str] | None = None, tag_values: Mapping[str, str] | None = None
    ) -> RunTags:
        """It was made since the previous evaluation by a run with these tags."""
        return _run_tags("any_new_update_has_run_tags", tag_keys, tag_values)

    @staticmethod
    def check_passed() -> CheckResult:
        """Of a check: it passed, on the newest materialisation of its asset."""
        return CheckResult(True)

    @staticmethod
    def check_failed() -> CheckResult:
        """Of a check: it failed, on the newest materialisation of its asset."""
        return CheckResult(False)

    @staticmethod
    def freshness_passed() -> FreshnessResult:
        """Its freshness policy is kept."""
        return FreshnessResult("pass", label="freshness_passed")

    @staticmethod
    def freshness_warned() -> FreshnessResult:
        """Its freshness policy warns."""
        return FreshnessResult("warn", label="freshness_warned")

    @staticmethod
    def freshness_failed() -> FreshnessResult:
        """Its freshness policy is not kept."""
        return FreshnessResult("fail", label="freshness_failed")

    @staticmethod
    def in_latest_time_window(lookback_delta: timedelta | None = None) -> InLatestTimeWindow:
        """It is in the newest time window, or within `lookback_delta` before that one's end."""
        return InLatestTimeWindow(lookback_delta or None)

    @staticmethod
    def cron_tick_passed(cron_schedule: str, cron_timezone: str = "UTC") -> CronTickPassed:
        """A tick of the schedule came since the previous evaluation.

        Raises:
            DagsterInvalidDefinitionError: the schedule cannot be read, or there is no such time zone.
        """
        plain_cron(cron_schedule, "an automation condition")
        checked_zone(cron_timezone, "an automation condition")
        return CronTickPassed(cron_schedule, cron_timezone)

    @staticmethod
    def asset_matches(key: CoercibleToAssetKey, condition: AutomationCondition) -> AssetMatches:
        """The condition is true of another asset."""
        return AssetMatches(AssetKey.from_coercible(key).to_user_string(), _built_in(condition))

    @staticmethod
    def any_deps_match(condition: AutomationCondition) -> Deps:
        """The condition is true of a partition of a dependency."""
        return Deps("any", _built_in(condition))

    @staticmethod
    def all_deps_match(condition: AutomationCondition) -> Deps:
        """The condition is true of a partition of each dependency; without dependencies, true."""
        return Deps("all", _built_in(condition))

    @staticmethod
    def any_checks_match(condition: AutomationCondition, blocking_only: bool = False) -> Checks:
        """The condition is true of a check of the asset."""
        return Checks("any", _built_in(condition), blocking_only)

    @staticmethod
    def all_checks_match(condition: AutomationCondition, blocking_only: bool = False) -> Checks:
        """The condition is true of each check of the asset; without checks, true."""
        return Checks("all", _built_in(condition), blocking_only)

    @staticmethod
    def any_downstream_conditions() -> AnyDownstreamConditions:
        """A condition of an asset downstream is true of this one."""
        return AnyDownstreamConditions()

    @staticmethod
    def newly_missing() -> NewlyTrue:
        """It has come to be missing."""
        return AutomationCondition.missing().newly_true().with_label("newly_missing")

    @staticmethod
    def any_deps_updated() -> Deps:
        """A dependency was updated, not by a run that makes this asset too, or will be requested with it."""
        C = AutomationCondition
        updated = (C.newly_updated() & ~C.executed_with_root_target()).with_label("newly_updated_without_root")
        return C.any_deps_match(updated | C.will_be_requested()).with_label("any_deps_updated")

    @staticmethod
    def any_deps_missing() -> Deps:
        """A dependency is missing, and will not be requested with it."""
        C = AutomationCondition
        return C.any_deps_match(C.missing() & ~C.will_be_requested()).with_label("any_deps_missing")

    @staticmethod
    def any_deps_in_progress() -> Deps:
        """A dependency is being made."""
        C = AutomationCondition
        return C.any_deps_match(C.in_progress()).with_label("any_deps_in_progress")

    @staticmethod
    def all_deps_blocking_checks_passed() -> Deps:
        """The blocking checks of all dependencies passed, or will be requested with it."""
        C = AutomationCondition
        passed = C.all_checks_match(C.check_passed() | C.will_be_requested(), blocking_only=True)
        blocking = passed.with_label("all_blocking_checks_passed")
        return C.all_deps_match(blocking).with_label("all_deps_blocking_checks_passed")

    @staticmethod
    def all_deps_updated_since_cron(cron_schedule: str, cron_timezone: str = "UTC") -> Deps:
        """Every dependency was updated since the latest tick of the schedule."""
        C = AutomationCondition
        updated = C.newly_updated().since(C.cron_tick_passed(cron_schedule, cron_timezone))
        label = f"all_deps_updated_since_cron({cron_schedule}, {cron_timezone})"
        return C.all_deps_match(updated | C.will_be_requested()).with_label(label)

    @staticmethod
    def eager() -> And:
        """Materialise when something upstream was, and what newly is missing; of time windows, the newest."""
        C = AutomationCondition
        return (
            C.in_latest_time_window()
            & (C.newly_missing() | C.any_deps_updated()).since_last_handled()
            & ~C.any_deps_missing()
            & ~C.any_deps_in_progress()
            & ~C.in_progress()
        ).with_label(EAGER)

    @staticmethod
    def on_cron(cron_schedule: str, cron_timezone: str = "UTC") -> And:
        """Materialise after each tick of the schedule, once every dependency was updated since it."""
        C = AutomationCondition
        return (
            C.in_latest_time_window()
            & C.cron_tick_passed(cron_schedule, cron_timezone).since_last_handled()
            & C.all_deps_updated_since_cron(cron_schedule, cron_timezone)
        ).with_label(f"on_cron({cron_schedule}, {cron_timezone})")

    @staticmethod
    def on_missing() -> And:
        """Materialise partitions that came after the condition did, once their dependencies are there."""
        C = AutomationCondition
        missing = C.missing().newly_true().since_last_handled().with_label("missing_since_last_handled")
        return (C.in_latest_time_window() & missing & ~C.any_deps_missing()).with_label("on_missing")

    @staticmethod
    def keep_fresh() -> KeepFresh:
        """Materialise, upstream first, as late as is still safe for the deadline of the freshness policy.

        What it does, and when, is in docs/freshness.md; an asset without a freshness policy has no deadline.
        """
        return KeepFresh(label=KEEP_FRESH)


@dataclass(frozen=True)
class BuiltIn(AutomationCondition):
    """A condition of the language itself, which can be given a name."""

    label: str | None = field(default=None, kw_only=True)

    parts: ClassVar[tuple[str, ...]] = ()  # the fields that are conditions, or tuples of them
    replaces_within: ClassVar[bool] = True

    @property
    def children(self) -> tuple[AutomationCondition, ...]:
        found: list[AutomationCondition] = []
        for name in self.parts:
            part = getattr(self, name)
            found.extend(part if isinstance(part, tuple) else (part,))
        return tuple(found)

    @cached_property
    def shape(self) -> str:
        """By what it is known again after it was given another name, or a selection within it changed."""
        name = f"{self.which} {type(self).__name__}" if isinstance(self, Limited) else self.name
        parts = (child.shape if isinstance(child, BuiltIn) else child.name for child in self.children)
        return f"{name}({' '.join(parts)})"

    def get_label(self) -> str | None:
        return self.label

    def with_label(self, label: str | None) -> Self:
        """A copy that is called `label`."""
        return replace(self, label=label)

    def _replaced_within(self, old: AutomationCondition | str, new: AutomationCondition) -> AutomationCondition:
        return self._with(lambda child: child.replace(old, new)) if self.replaces_within else self

    def _with(self, change: Any) -> Self:
        """A copy with each child changed. (`Any`: a condition comes in and one comes out.)"""
        changed: dict[str, Any] = {}
        for name in self.parts:
            part = getattr(self, name)
            changed[name] = tuple(map(change, part)) if isinstance(part, tuple) else change(part)
        return replace(self, **changed) if changed else self


class Selective:
    """What can be limited to some dependencies or checks: the whole passes it on to its parts."""

    def allow(self, selection: Any) -> Self:
        """A copy that considers only what the `AssetSelection` chooses, where it looks at dependencies or checks."""
        return cast(Self, cast(BuiltIn, self)._with(lambda child: _selected(child, "allow", selection)))

    def ignore(self, selection: Any) -> Self:
        """A copy that does not consider what the `AssetSelection` chooses, where it looks at dependencies or checks."""
        return cast(Self, cast(BuiltIn, self)._with(lambda child: _selected(child, "ignore", selection)))


def _selected(child: AutomationCondition, how: str, selection: Any) -> AutomationCondition:
    return cast(AutomationCondition, getattr(child, how)(selection)) if isinstance(child, Selective) else child


Simple: TypeAlias = Literal[
    "missing",
    "run_in_progress",
    "backfill_in_progress",
    "execution_failed",
    "initial_evaluation",
    "will_be_requested",
    "newly_updated",
    "newly_requested",
    "code_version_changed",
    "data_version_changed",
    "executed_with_root_target",
]


@dataclass(frozen=True)
class Operand(BuiltIn):
    """What needs nothing but a word."""

    what: Simple
    type: Literal["operand"] = "operand"

    @property
    def name(self) -> str:
        return self.what

    @property
    def description(self) -> str:
        return "Will be requested this tick" if self.what == "will_be_requested" else ""


RunTagsQuestion: TypeAlias = Literal[
    "executed_with_tags", "all_new_updates_have_run_tags", "any_new_update_has_run_tags"
]


@dataclass(frozen=True)
class RunTags(BuiltIn):
    """What is asked of the tags of the runs that made the asset."""

    what: RunTagsQuestion
    tag_keys: tuple[str, ...] | None = None
    tag_values: tuple[tuple[str, str], ...] | None = None
    type: Literal["run_tags"] = "run_tags"

    @property
    def name(self) -> str:
        said = [] if self.tag_keys is None else [f"tag_keys={{{','.join(self.tag_keys)}}}"]
        if self.tag_values is not None:
            said.append(f"tag_values={{{','.join(f'{key}:{value}' for key, value in self.tag_values)}}}")
        return f"{self.what}({', '.join(said)})" if said else self.what


@dataclass(frozen=True)
class CheckResult(BuiltIn):
    passed: bool
    type: Literal["check_result"] = "check_result"

    @property
    def name(self) -> str:
        return "check_passed" if self.passed else "check_failed"


@dataclass(frozen=True)
class FreshnessResult(BuiltIn):
    state: Literal["pass", "warn", "fail"]
    type: Literal["freshness_result"] = "freshness_result"

    @property
    def name(self) -> str:
        return f"freshness_result(state={self.state})"


@dataclass(frozen=True)
class InLatestTimeWindow(BuiltIn):
    lookback: timedelta | None = None
    type: Literal["in_latest_time_window"] = "in_latest_time_window"

    @property
    def name(self) -> str:
        return "in_latest_time_window" + (f"(lookback_timedelta={self.lookback})" if self.lookback else "")

    @property
    def description(self) -> str:
        return (
            f"Within {self.lookback} of the end of the latest time window"
            if self.lookback
            else "Within latest time window"
        )


@dataclass(frozen=True)
class CronTickPassed(BuiltIn):
    cron_schedule: str
    cron_timezone: str = "UTC"
    type: Literal["cron_tick_passed"] = "cron_tick_passed"

    @property
    def name(self) -> str:
        return f"cron_tick_passed(cron_schedule={self.cron_schedule}, cron_timezone={self.cron_timezone})"


@dataclass(frozen=True)
class KeepFresh(BuiltIn):
    """Has no answer of its own: the clock of the deadlines acts on it."""

    type: Literal["keep_fresh"] = "keep_fresh"

    @property
    def name(self) -> str:
        return KEEP_FRESH


@dataclass(frozen=True)
class AnyDownstreamConditions(BuiltIn):
    type: Literal["any_downstream_conditions"] = "any_downstream_conditions"

    @property
    def name(self) -> str:
        return "ANY_DOWNSTREAM_CONDITIONS"

    @property
    def description(self) -> str:
        return "Any downstream conditions"


@dataclass(frozen=True)
class And(Selective, BuiltIn):
    operands: tuple[AnyCondition, ...]
    type: Literal["and"] = "and"
    parts: ClassVar[tuple[str, ...]] = ("operands",)

    @property
    def name(self) -> str:
        return "AND"

    @property
    def description(self) -> str:
        return "All of"

    def without(self, condition: AutomationCondition) -> Self:
        """A copy without one of the parts.

        Raises:
            DagsterInvalidDefinitionError: it is no part, or less than two would be left.
        """
        left = tuple(child for child in self.operands if child != condition)
        if len(left) == len(self.operands):
            said = condition.get_label() or condition.name
            raise DagsterInvalidDefinitionError(f"{said} is no part of {self.label or self.name}; take one of its own")
        if len(left) < 2:
            raise DagsterInvalidDefinitionError("one part alone is no AND; use that part itself")
        return replace(self, operands=left)


@dataclass(frozen=True)
class Or(Selective, BuiltIn):
    operands: tuple[AnyCondition, ...]
    type: Literal["or"] = "or"
    parts: ClassVar[tuple[str, ...]] = ("operands",)

    @property
    def name(self) -> str:
        return "OR"

    @property
    def description(self) -> str:
        return "Any of"


@dataclass(frozen=True)
class Not(Selective, BuiltIn):
    operand: AnyCondition
    type: Literal["not"] = "not"
    parts: ClassVar[tuple[str, ...]] = ("operand",)

    @property
    def name(self) -> str:
        return "NOT"

    @property
    def description(self) -> str:
        return "Not"


@dataclass(frozen=True)
class NewlyTrue(BuiltIn):
    operand: AnyCondition
    type: Literal["newly_true"] = "newly_true"
    parts: ClassVar[tuple[str, ...]] = ("operand",)
    replaces_within: ClassVar[bool] = False

    @property
    def name(self) -> str:
        return "NEWLY_TRUE"


@dataclass(frozen=True)
class Since(Selective, BuiltIn):
    trigger_condition: AnyCondition
    reset_condition: AnyCondition
    type: Literal["since"] = "since"
    parts: ClassVar[tuple[str, ...]] = ("trigger_condition", "reset_condition")

    @property
    def name(self) -> str:
        return "SINCE"


@dataclass(frozen=True)
class AssetMatches(BuiltIn):
    """`key` is `AssetKey.to_user_string()`."""

    key: str
    operand: AnyCondition
    type: Literal["asset_matches"] = "asset_matches"
    parts: ClassVar[tuple[str, ...]] = ("operand",)

    @property
    def name(self) -> str:
        return self.key


@dataclass(frozen=True)
class Limited(Selective, BuiltIn):
    """What looks at several others, of which selections say which count (none: all)."""

    which: Literal["any", "all"]
    operand: AnyCondition
    allow_selection: Any = field(default=None, kw_only=True)  # an AssetSelection, which knows the graph that knows us
    ignore_selection: Any = field(default=None, kw_only=True)
    parts: ClassVar[tuple[str, ...]] = ("operand",)

    def allow(self, selection: Any) -> Self:
        former = self.allow_selection
        return replace(self, allow_selection=selection if former is None else selection | former)

    def ignore(self, selection: Any) -> Self:
        former = self.ignore_selection
        return replace(self, ignore_selection=selection if former is None else selection | former)

    def _named(self, base: str, *said: str) -> str:
        limits = (("allow_selection", self.allow_selection), ("ignore_selection", self.ignore_selection))
        props = [*said, *(f"{name}={limit}" for name, limit in limits if limit is not None)]
        return f"{base}({','.join(props)})" if props else base


@dataclass(frozen=True)
class Deps(Limited):
    type: Literal["deps"] = "deps"

    @property
    def name(self) -> str:
        return self._named(f"{self.which.upper()}_DEPS_MATCH")


@dataclass(frozen=True)
class Checks(Limited):
    blocking_only: bool = False
    type: Literal["checks"] = "checks"
    replaces_within: ClassVar[bool] = False

    @property
    def name(self) -> str:
        blocking = ("blocking_only=True",) if self.blocking_only else ()
        return self._named(f"{self.which.upper()}_CHECKS_MATCH", *blocking)


AnyCondition: TypeAlias = Annotated[
    Operand
    | RunTags
    | CheckResult
    | FreshnessResult
    | InLatestTimeWindow
    | CronTickPassed
    | KeepFresh
    | AnyDownstreamConditions
    | And
    | Or
    | Not
    | NewlyTrue
    | Since
    | AssetMatches
    | Deps
    | Checks,
    Field(discriminator="type"),
]

BUILT_IN: tuple[type[BuiltIn], ...] = get_args(get_args(AnyCondition)[0])


def shown_as(condition: AutomationCondition) -> str:
    """How the service knows a condition; one that is only called like `eager()` is told from it."""
    said = condition.get_label() or condition.name
    own: dict[str, AutomationCondition] = {
        EAGER: AutomationCondition.eager(),
        KEEP_FRESH: AutomationCondition.keep_fresh(),
    }
    return f"{said} (changed)" if said in own and condition != own[said] else said


def _parts(kind: type[And] | type[Or], condition: AutomationCondition) -> Iterable[AnyCondition]:
    """Those of a combination without a name, so that `a & b & c` is one."""
    if isinstance(condition, kind) and condition.label is None:
        return condition.operands
    return (_built_in(condition),)


def _built_in(condition: AutomationCondition) -> AnyCondition:
    # What users wrote may stand anywhere too; only built-in conditions are plain data.
    return cast(AnyCondition, condition)


def _run_tags(
    what: RunTagsQuestion, tag_keys: AbstractSet[str] | None, tag_values: Mapping[str, str] | None
) -> RunTags:
    keys = None if tag_keys is None else tuple(sorted(tag_keys))
    return RunTags(what, keys, None if tag_values is None else tuple(sorted(tag_values.items())))
