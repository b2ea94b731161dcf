"""Conditions over changes of the definitions: code versions, another condition, other partitions, several outputs."""

from __future__ import annotations

from types import ModuleType
from typing import Any


def run(dg: ModuleType, kit: ModuleType) -> Any:
    C = dg.AutomationCondition

    def asset(condition: Any, **more: Any) -> Any:
        @dg.asset(name="one", automation_condition=condition, deps=["up"], **more)
        def one() -> None: ...

        @dg.asset(**{key: value for key, value in more.items() if key == "partitions_def"})
        def up() -> None: ...

        return [up, one]

    def story(*steps: Any) -> Any:
        script = kit.Script(dg, steps[0], "2024-01-05 10:00")
        script.tick()
        for step in steps[1:]:
            script.plus(minutes=1)
            if isinstance(step, str):
                script.fulfil() if step == "done" else [script.mat(*name.split(":")) for name in step.split()]
                script.tick()
            else:
                script.tick(step)
        return script.log

    changed = C.code_version_changed()
    handled = changed.since_last_handled()
    static = [dg.StaticPartitionsDefinition(list(keys)) for keys in ("xy", "xyz")]
    days = [dg.DailyPartitionsDefinition(start) for start in ("2024-01-01", "2024-01-03")]
    eager = C.eager()

    @dg.multi_asset(
        specs=[dg.AssetSpec("p", deps=["up"], automation_condition=eager), dg.AssetSpec("q")], can_subset=False
    )
    def both(): ...

    @dg.asset(deps=["q"], automation_condition=eager)
    def after() -> None: ...

    up = asset(None)[0]
    return {
        "code": story(*(asset(changed, code_version=one) for one in ("1", "1", "2", "2", "1"))),
        "code from none": story(*(asset(changed, code_version=one) for one in (None, "1", "2", None, "3"))),
        "code, handled": story(*(asset(handled, code_version=one) for one in ("1", "2", "2", "2")), "done", ""),
        "code of a dep": story(*(asset(C.any_deps_match(changed)) for _ in range(2))),
        "static keys": story(*(asset(C.initial_evaluation(), partitions_def=one) for one in (static[0], *static))),
        "start": story(*(asset(C.initial_evaluation(), partitions_def=one) for one in (days[0], *days))),
        "partitions": story(*(asset(C.initial_evaluation(), **one) for one in ({}, {"partitions_def": days[0]}, {}))),
        "static missing": story(*(asset(C.on_missing(), partitions_def=one) for one in (*static, static[1])), "up:z"),
        "static eager": story(*(asset(eager, partitions_def=one) for one in static), "up:z", "done", "up:x"),
        "condition": story(asset(C.missing()), asset(eager), "up", asset(C.missing()), asset(eager), "up"),
        "selection": story(
            asset(eager),
            "up",
            asset(eager.ignore(dg.AssetSelection.groups("x"))),
            asset(eager.with_label("mine")),
            "done",
        ),
        "made together": story([up, both, after], "up", "done", "up", "done"),
    }
