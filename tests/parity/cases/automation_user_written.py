"""Conditions that a user wrote: alone, among others, with a cursor, with what they were true of, over partitions."""

from __future__ import annotations

from types import ModuleType
from typing import Any


def run(dg: ModuleType, kit: ModuleType) -> Any:
    C = dg.AutomationCondition

    class Weekday(dg.AutomationCondition):
        @property
        def name(self) -> str:
            return "weekday"

        def evaluate(self, context: Any) -> Any:
            open_today = context.evaluation_time.weekday() < 5
            return dg.AutomationResult(context, context.candidate_subset if open_today else context.get_empty_subset())

    class EverySecond(dg.AutomationCondition):
        def evaluate(self, context: Any) -> Any:
            count = int(context.cursor or 0) + 1
            subset = context.candidate_subset if count % 2 == 0 else context.get_empty_subset()
            return dg.AutomationResult(context, true_subset=subset, cursor=str(count))

    class OnlyX(dg.AutomationCondition):
        def evaluate(self, context: Any) -> Any:
            subset = context.candidate_subset
            if context.partitions_def is not None:
                subset = subset.compute_intersection_with_partition_keys({"x"})
            return dg.AutomationResult(context, subset)

    class Alternating(dg.AutomationCondition):
        async def evaluate(self, context: Any) -> Any:
            former = context.previous_true_subset or context.get_empty_subset()
            return dg.AutomationResult(context, context.candidate_subset.compute_difference(former))

    def story(condition: Any, partitions: Any = None, ticks: int = 6) -> Any:
        @dg.asset(partitions_def=partitions)
        def up() -> None: ...

        @dg.asset(deps=[up], automation_condition=condition, partitions_def=partitions)
        def one() -> None: ...

        script = kit.Script(dg, [up, one], "2024-01-05 10:00")  # a Friday
        for _ in range(ticks):
            script.tick().plus(minutes=12 * 60)
        return script.log

    static = dg.StaticPartitionsDefinition(["x", "y"])
    return {
        "alone": story(Weekday()),
        "and": story(Weekday() & C.missing()),
        "not": story(C.missing() & ~Weekday()),
        "newly": story((~Weekday()).newly_true()),
        "since": story((~Weekday()).since(Weekday())),
        "of deps": story(C.any_deps_match(Weekday())),
        "cursor": story(EverySecond()),
        "cursors": story(EverySecond() & C.missing() | EverySecond()),
        "partitions": story(OnlyX(), static, 1),
        "partitions of deps": story(C.all_deps_match(OnlyX()), static, 1),
        "alternating": story(Alternating(), static, 3),
        "replaced": story((Weekday() & C.missing()).replace("weekday", EverySecond())),
        "names": [(Weekday() & OnlyX()).children[0].name, OnlyX().name, OnlyX().get_label()],
    }
