"""Conditions and their answers in words: what `explain` says of why an asset was, or was not, requested."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import assert_never, cast

from upwell.definitions.conditions.answers import Answer
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
    NewlyTrue,
    Not,
    Operand,
    Or,
    RunTags,
    Simple,
    Since,
)
from upwell.definitions.conditions.state import Subset

_SIMPLE: Mapping[Simple, str] = {
    "missing": "was never made",
    "run_in_progress": "is being made by a run",
    "backfill_in_progress": "is being made by a backfill",
    "execution_failed": "failed when it was to be made last",
    "initial_evaluation": "is evaluated for the first time",
    "will_be_requested": "is requested at the same time",
    "newly_updated": "was made since the last evaluation",
    "newly_requested": "was requested by the last evaluation",
    "code_version_changed": "has another code version than at the last evaluation",
    "data_version_changed": "has another data version than at the last evaluation",
    "executed_with_root_target": "was made last by a run that makes this asset, too",
}
_MOST_KEYS = 5


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of an explanation; `depth` says what it is part of."""

    depth: int
    text: str
    is_true: bool


def explained(answer: Answer, depth: int = 0) -> Iterator[Line]:
    """The tree of answers, line by line: each condition, and of what it was true."""
    said = phrase(answer.condition)
    yield Line(depth=depth, text=f"{said}: {_of_what(answer)}", is_true=bool(answer.true))
    for child in answer.children:
        yield from explained(child, depth + 1)


def _of_what(answer: Answer) -> str:
    if not answer.candidates:
        return "not asked, as nothing was left that it could be true of"
    true = answer.true & answer.candidates or answer.true
    if answer.candidates | answer.true == {None}:
        return "yes" if true else "no"
    if not true:
        return f"of none of {_counted(answer.candidates)}"
    return f"of {keys_told(true)}" if true != answer.candidates else f"of all {_counted(answer.candidates)}"


def keys_told(subset: Subset) -> str:
    """The first few keys, and how many more there are."""
    keys = sorted(str(key) for key in subset)
    more = f" and {len(keys) - _MOST_KEYS} more" if len(keys) > _MOST_KEYS else ""
    return ", ".join(keys[:_MOST_KEYS]) + more


def _counted(subset: Subset) -> str:
    return "1 partition" if len(subset) == 1 else f"{len(subset)} partitions"


def phrase(condition: AutomationCondition) -> str:
    """What a condition says, without its parts; with its name, where somebody gave it one."""
    label = condition.get_label()
    said = _phrase(cast(AnyCondition, condition)) if isinstance(condition, BUILT_IN) else condition.name
    return said if label is None else f"{label} ({said})"


def _phrase(condition: AnyCondition) -> str:
    match condition:
        case Operand():
            return _SIMPLE[condition.what]
        case RunTags():
            return f"runs and their tags, {condition.name}"
        case CheckResult():
            return "the check passed" if condition.passed else "the check failed"
        case FreshnessResult():
            return f"its freshness is {condition.state}"
        case InLatestTimeWindow():
            return condition.description[:1].lower() + condition.description[1:]
        case CronTickPassed():
            return f"{condition.cron_schedule} ({condition.cron_timezone}) came due since the last evaluation"
        case KeepFresh():
            return "made for the deadlines of its freshness policy"
        case AnyDownstreamConditions():
            return "a condition of an asset downstream"
        case And():
            return "all of"
        case Or():
            return "any of"
        case Not():
            return "not"
        case NewlyTrue():
            return "newly"
        case Since():
            return "the first, and the second not since"
        case AssetMatches():
            return condition.key
        case Deps():
            return "one of its dependencies" if condition.which == "any" else "each of its dependencies"
        case Checks():
            return "one of its checks" if condition.which == "any" else "each of its checks"
        case _:
            assert_never(condition)
