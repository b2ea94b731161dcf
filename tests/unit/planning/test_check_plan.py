"""Plans of checks without their assets."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from upwell.definitions.graph import AssetGraph
from upwell.definitions.partitions.time_windows import DailyPartitionsDefinition
from upwell.definitions.snapshot import AssetNode, CheckNode, Snapshot, StepNode
from upwell.errors import PartitionError, SelectionError
from upwell.events import PlannedStep
from upwell.planning.check_plan import alone, check_plan, together

NOW = datetime(2024, 1, 10, 12, tzinfo=UTC)
GRAPH = AssetGraph(
    [
        Snapshot(
            location="here",
            assets=(
                AssetNode(key="orders", step="orders"),
                AssetNode(key="parts", step="parts"),
                AssetNode(key="days", step="days", partitions=DailyPartitionsDefinition(start_date="2024-01-01")),
                AssetNode(key="given", step=None),
            ),
            steps=(
                StepNode(key="orders", assets=("orders",), checks=("orders:inside",)),
                StepNode(key="parts", assets=("parts",), checks=("parts:inside",), can_subset=True),
                StepNode(key="days", assets=("days",)),
                StepNode(key="orders_fresh", checks=("orders:fresh",)),
                StepNode(key="days_fresh", checks=("days:fresh",)),
                StepNode(key="both", checks=("orders:whole", "given:whole")),
            ),
            checks=(
                CheckNode(asset="orders", name="inside", step="orders"),
                CheckNode(asset="parts", name="inside", step="parts"),
                CheckNode(asset="orders", name="fresh", step="orders_fresh", blocking=True),
                CheckNode(asset="days", name="fresh", step="days_fresh"),
                CheckNode(asset="orders", name="whole", step="both"),
                CheckNode(asset="given", name="whole", step="both"),
            ),
        )
    ]
)


def planned(*checks: str, partition: str | None = None) -> list[PlannedStep]:
    return list(check_plan(GRAPH, checks, partition, NOW))


def test_checks_alone_make_nothing_and_wait_for_nothing() -> None:
    assert planned("orders:fresh", "parts:inside", "orders:fresh") == [
        PlannedStep(id="orders_fresh", step="orders_fresh", checks=("orders:fresh",), asked=True),
        PlannedStep(id="parts", step="parts", checks=("parts:inside",), asked=True),
    ]


def test_a_step_that_cannot_take_part_of_its_checks_evaluates_them_all() -> None:
    (step,) = planned("given:whole")
    assert step.checks == ("orders:whole", "given:whole")


def test_a_partition_counts_for_the_checks_of_partitioned_assets_only() -> None:
    steps = planned("days:fresh", "orders:fresh", partition="2024-01-03")
    assert [(step.id, step.partition) for step in steps] == [
        ("days_fresh@2024-01-03", "2024-01-03"),
        ("orders_fresh", None),
    ]
    assert [step.partition for step in planned("days:fresh")] == [None]


@pytest.mark.parametrize(
    ("check", "partition", "error", "says"),
    [
        ("orders:frish", None, SelectionError, "no check 'orders:frish'; did you mean 'orders:fresh'"),
        ("x", None, SelectionError, "a check is named asset:name"),
        ("orders:inside", None, SelectionError, "the function that makes orders, so not without it; ask for the asset"),
        ("days:fresh", "1999-01-01", PartitionError, "days has no partition '1999-01-01'"),
        ("orders:fresh", "2024-01-03", PartitionError, "nothing that is checked is partitioned"),
    ],
)
def test_what_cannot_be_checked_alone_is_refused(
    check: str, partition: str | None, error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        planned(check, partition=partition)


def test_beside_assets_a_check_of_theirs_is_not_planned_again_and_one_of_the_same_step_joins_it() -> None:
    assert alone(GRAPH, ["orders:fresh", "days:fresh"], ["orders"]) == ["days:fresh"]
    made = PlannedStep(id="parts", step="parts", assets=("other",), checks=("other:inside",))
    steps = together([made], planned("parts:inside", "days:fresh"))
    assert [(step.id, step.assets, step.checks) for step in steps] == [
        ("parts", ("other",), ("other:inside", "parts:inside")),
        ("days_fresh", (), ("days:fresh",)),
    ]
