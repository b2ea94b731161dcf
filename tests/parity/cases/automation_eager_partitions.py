"""eager() with partitions: daily, static, several dimensions, dynamic, and between assets with and without."""

from __future__ import annotations

from datetime import timedelta
from types import ModuleType
from typing import Any


def run(dg: ModuleType, kit: ModuleType) -> Any:
    C = dg.AutomationCondition
    eager = C.eager()
    daily = dg.DailyPartitionsDefinition("2024-01-01")
    hourly = dg.HourlyPartitionsDefinition("2024-01-03-00:00")
    static = dg.StaticPartitionsDefinition(["x", "y", "z"])
    names = dg.DynamicPartitionsDefinition(name="names")
    multi = dg.MultiPartitionsDefinition({"day": daily, "kind": static})

    def pair(up: Any, down: Any, mapping: Any = None, condition: Any = eager) -> Any:
        deps = [dg.AssetDep("up", partition_mapping=mapping)]
        specs = {"up": {"partitions_def": up}, "down": {"partitions_def": down, "deps": deps}}

        @dg.asset(name="up", **specs["up"])
        def upstream() -> None: ...

        @dg.asset(name="down", automation_condition=condition, **specs["down"])
        def downstream() -> None: ...

        return [upstream, downstream]

    def told(defs: Any, *steps: Any, start: str = "2024-01-04 10:00") -> Any:
        script = kit.Script(dg, defs, start)
        script.tick()
        for step in steps:
            step(script)
            script.plus(minutes=1).tick()
        return script.log

    def mats(*partitions: Any) -> Any:
        return lambda script: [script.mat("up", one) for one in partitions]

    def done(script: Any) -> None:
        script.fulfil()

    def next_day(script: Any) -> None:
        script.to("2024-01-05 00:10")

    def add(*keys: str) -> Any:
        return lambda script: script.instance.add_dynamic_partitions("names", list(keys))

    def nothing(script: Any) -> None: ...

    days = [f"2024-01-0{day}" for day in (1, 2, 3, 4)]

    @dg.asset(partitions_def=daily, automation_condition=eager)
    def root() -> None: ...

    @dg.asset(partitions_def=daily, deps=[root], automation_condition=eager)
    def below() -> None: ...

    @dg.asset(deps=[below], automation_condition=eager)
    def whole() -> None: ...

    return {
        "daily": told(pair(daily, daily), mats(*days[:2]), mats(days[2]), done, mats(days[2]), next_day, mats(days[3])),
        "static": told(pair(static, static), mats("x"), done, mats("x", "y"), nothing, done, mats("z"), done),
        "to whole": told(pair(daily, None), mats(days[0]), mats(days[1]), mats(days[2]), done, mats(days[0])),
        "from whole": told(pair(None, daily), mats(None), done, mats(None), next_day),
        "from whole to static": told(pair(None, static), mats(None), done, mats(None)),
        "hours to days": told(
            pair(hourly, daily), mats(*(f"2024-01-03-{hour:02}:00" for hour in range(23))), mats("2024-01-03-23:00")
        ),
        "days to hours": told(pair(daily, hourly), mats(days[2]), mats("2024-01-04"), next_day, mats("2024-01-04")),
        "last": told(pair(daily, static, dg.LastPartitionMapping()), mats(days[0]), mats(days[2]), done, mats(days[2])),
        "all": told(pair(static, static, dg.AllPartitionMapping()), mats("x", "y"), mats("z"), done, mats("x")),
        "yesterday": told(
            pair(daily, daily, dg.TimeWindowPartitionMapping(start_offset=-1, end_offset=-1)), mats(*days[:2]), next_day
        ),
        "dimensions": told(pair(multi, multi), mats("2024-01-03|x"), mats("2024-01-02|y"), next_day),
        "day to dimensions": told(pair(daily, multi), mats(days[2]), done, next_day),
        "dynamic": told(pair(names, names), add("a"), mats("a"), done, add("b", "c"), mats("b", "a"), done),
        "dynamic to whole": told(pair(names, None), add("a", "b"), mats("a"), mats("b"), done, add("c"), mats("c")),
        "chain": told(
            [root, below, whole], next_day, done, nothing, lambda script: script.to("2024-01-08 00:10"), done
        ),
        "no latest window": told(
            pair(daily, daily, condition=eager.without(C.in_latest_time_window())), mats(*days[:2]), done, mats(days[0])
        ),
        "lookback": told(
            pair(
                daily,
                daily,
                condition=eager.replace("in_latest_time_window", C.in_latest_time_window(timedelta(hours=48))),
            ),
            mats(*days[:3]),
            done,
            mats(*days[:3]),
        ),
        "unknown partition": told(pair(static, static), mats("nope"), mats("x", "nope")),
    }
