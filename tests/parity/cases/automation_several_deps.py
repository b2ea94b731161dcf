"""any_deps_match and all_deps_match with allow and ignore, through since, and in eager()."""

from __future__ import annotations

from types import ModuleType
from typing import Any


def run(dg: ModuleType, kit: ModuleType) -> Any:
    C, S = dg.AutomationCondition, dg.AssetSelection

    def story(condition: Any, *steps: str) -> Any:
        @dg.asset(group_name="left")
        def a() -> None: ...

        @dg.asset(group_name="right", tags={"slow": ""})
        def b() -> None: ...

        @dg.asset(deps=[a, b, "away"], automation_condition=condition)
        def c() -> None: ...

        script = kit.Script(dg, [a, b, c, dg.AssetSpec("away")], "2024-01-01 10:00")
        script.tick()
        for step in steps:
            for name in step.split():
                if name == "done":
                    script.fulfil()
                elif name != "-":
                    script.mat(name)
            script.plus(minutes=1).tick()
        return script.log

    left, right, away = S.groups("left"), S.groups("right"), S.keys("away")
    every = C.all_deps_match(C.newly_updated())
    either = C.any_deps_match(C.newly_updated())
    steps = ("a", "b", "a b", "away", "a b away", "-")
    handled = either.since_last_handled()
    return {
        "all": story(every, *steps),
        "any": story(either, *steps),
        "all of left": story(every.allow(left), *steps),
        "all but away": story(every.ignore(away), *steps),
        "any of left": story(either.allow(left), *steps),
        "any of left or right": story(either.allow(left).allow(right), *steps),
        "any but left, right": story(either.ignore(left).ignore(right), *steps),
        "allowed and ignored": story(either.allow(left).ignore(left), *steps),
        "all of none": story(every.allow(S.groups("nobody")), "-"),
        "any of none": story(either.allow(S.groups("nobody")), "a"),
        "unknown": story(every.ignore(S.keys("nobody", "b") | S.keys("away", "gone")), "a", "b"),
        "by tag": story(either.allow(S.tag("slow", "")), *steps),
        "since": story(handled.ignore(left), "a", "-", "b", "done", "a b", "-"),
        "eager": story(C.eager(), "a", "b", "away", "done", "a", "done"),
        "eager, ignoring": story(C.eager().ignore(away), "a", "b", "done", "away", "a", "done"),
        "eager, allowing": story(C.eager().allow(left), "a", "done", "b", "a", "done"),
        "eager, not missing": story(C.eager().without(~C.any_deps_missing()), "a", "done", "b"),
        "not": story(~C.any_deps_missing().ignore(away) & C.missing(), "a", "b", "c"),
        "all updated since cron": story(
            C.all_deps_updated_since_cron("0 10 * * *").newly_true(), "a", "b", "away", "-", "a"
        ),
        "or": story((C.any_deps_updated() | C.missing()).ignore(left), "c", "a", "b"),
    }
