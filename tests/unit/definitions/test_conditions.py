"""What is Upwell's own of automation conditions; their meaning is compared with Dagster's in tests/parity."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter

import upwell as up
from upwell.definitions.conditions.describe import explained
from upwell.definitions.conditions.model import AnyCondition, shown_as
from upwell.definitions.errors import DagsterInvariantViolationError

C = up.AutomationCondition
CONDITIONS: TypeAdapter[Any] = TypeAdapter(AnyCondition)


@pytest.mark.parametrize(
    "condition",
    [
        C.eager(),
        C.on_cron("0 6 * * *", "Europe/Berlin"),
        C.on_missing(),
        C.keep_fresh(),
        C.all_deps_blocking_checks_passed() | C.freshness_failed(),
        C.executed_with_tags(tag_keys={"b", "a"}, tag_values={"c": "d"}),
        C.any_downstream_conditions() & ~C.asset_matches("a", C.code_version_changed()),
    ],
    ids=lambda condition: condition.get_label() or condition.name,
)
def test_a_condition_is_plain_data(condition: Any) -> None:
    assert CONDITIONS.validate_json(CONDITIONS.dump_json(condition)) == condition


def test_the_service_tells_a_changed_eager_from_eager() -> None:
    assert shown_as(C.eager()) == "eager"
    assert shown_as(C.eager().without(C.in_latest_time_window())) == "eager (changed)"
    assert shown_as(C.missing()) == "missing"


def test_replace_replaces_what_is_equal_only() -> None:
    condition = C.missing().since(C.newly_updated())
    assert condition.replace(C.newly_updated(), C.newly_requested()) == C.missing().since(C.newly_requested())


def story() -> tuple[list[Any], up.DagsterInstance]:
    @up.asset
    def orders() -> None: ...

    @up.asset(deps=[orders], automation_condition=C.eager())
    def report() -> None: ...

    return [orders, report], up.DagsterInstance.ephemeral()


def test_the_tree_of_answers_is_told_line_by_line() -> None:
    defs, instance = story()
    first = up.evaluate_automation_conditions(defs, instance)
    instance.report_runless_asset_event(up.AssetMaterialization("orders"))
    second = up.evaluate_automation_conditions(defs, instance, cursor=first.cursor)
    (before,), (after,) = first.results, second.results
    assert next(line.text for line in explained(before)) == "eager (all of): no"
    lines = list(explained(after))
    assert (lines[0].text, lines[0].depth, lines[0].is_true) == ("eager (all of): yes", 0, True)
    assert "orders: yes" in [line.text for line in lines if line.depth == 4]
    assert "was made since the last evaluation: yes" in [line.text for line in lines]


def test_partitions_are_told_by_name_up_to_a_few() -> None:
    keys = up.StaticPartitionsDefinition([f"k{number}" for number in range(8)])

    @up.asset(partitions_def=keys, automation_condition=C.missing())
    def cut() -> None: ...

    instance = up.DagsterInstance.ephemeral()
    instance.report_runless_asset_event(up.AssetMaterialization("cut", partition="k0"))
    (answer,) = up.evaluate_automation_conditions([cut], instance).results
    assert [line.text for line in explained(answer)] == ["was never made: of k1, k2, k3, k4, k5 and 2 more"]


class Wrong(up.AutomationCondition):
    answer: Any = None

    def evaluate(self, context: up.AutomationContext) -> Any:
        return self.answer


class Nothing(up.AutomationCondition):
    pass


@pytest.mark.parametrize(
    ("condition", "said"),
    [(Wrong(), "Wrong answers None; return AutomationResult"), (Nothing(), "Nothing has no e")],
)
def test_a_condition_of_a_user_that_does_not_answer_is_named(condition: Any, said: str) -> None:
    @up.asset(automation_condition=condition)
    def one() -> None: ...

    with pytest.raises(DagsterInvariantViolationError, match=said):
        up.evaluate_automation_conditions([one], up.DagsterInstance.ephemeral())


def test_a_condition_of_a_user_asks_others() -> None:
    class Inverted(up.AutomationCondition):
        def evaluate(self, context: up.AutomationContext) -> up.AutomationResult:
            child = context.evaluate_child(C.missing())
            subset = context.get_full_subset().compute_difference(child.true_subset)
            return up.AutomationResult(context, subset, child_results=[child])

    @up.asset(automation_condition=Inverted())
    def one() -> None: ...

    instance = up.DagsterInstance.ephemeral()
    assert up.evaluate_automation_conditions([one], instance).total_requested == 0
    instance.report_runless_asset_event(up.AssetMaterialization("one"))
    (answer,) = up.evaluate_automation_conditions([one], instance).results
    assert [line.text for line in explained(answer)] == ["Inverted: yes", "was never made: no"]


def test_a_selection_of_assets_leaves_the_others_alone() -> None:
    @up.asset(automation_condition=C.missing())
    def one() -> None: ...

    @up.asset(automation_condition=C.missing())
    def other() -> None: ...

    chosen = up.AssetSelection.assets("one")
    result = up.evaluate_automation_conditions([one, other], up.DagsterInstance.ephemeral(), chosen)
    assert (result.get_num_requested("one"), result.get_num_requested("other")) == (1, 0)
