"""since, newly_true, newly_requested, initial_evaluation, asset_matches, conditions downstream, will_be_requested."""

from __future__ import annotations

from types import ModuleType
from typing import Any


def run(dg: ModuleType, kit: ModuleType) -> Any:
    C = dg.AutomationCondition
    updated, requested = C.newly_updated(), C.newly_requested()

    def story(condition: Any, *steps: str, more: Any = None) -> Any:
        @dg.asset
        def up() -> None: ...

        @dg.asset(deps=[up], automation_condition=condition)
        def one() -> None: ...

        @dg.asset(deps=[one], automation_condition=more)
        def below() -> None: ...

        script = kit.Script(dg, [up, one, below], "2024-01-01 10:20")
        script.tick()
        for step in steps:
            for name in step.split():
                if name == "hour":
                    script.plus(minutes=59)
                elif name == "done":
                    script.fulfil()
                elif name != "-":
                    script.mat(name)
            script.plus(minutes=1).tick()
        return script.log

    hour = C.cron_tick_passed("0 * * * *")
    return {
        "since update": story(C.any_deps_updated().since(updated), "up", "-", "one", "-", "up one", "-", "one up", "-"),
        "since itself": story(updated.since(updated), "one", "-", "one"),
        "update since cron": story(updated.since(hour), "one", "-", "hour", "-", "one", "one hour", "hour"),
        "cron since update": story(hour.since(updated), "hour", "-", "one", "hour", "one hour", "-", "hour"),
        "since requested": story(C.missing().since(requested), "-", "-", "done", "-"),
        "dep since requested": story(
            C.any_deps_match(updated).since(requested), "up", "-", "up", "up", "-", "-", "up", "up up"
        ),
        "newly true": story(C.missing().newly_true(), "-", "one", "-"),
        "newly not missing": story((~C.missing()).newly_true(), "-", "one", "-", "one"),
        "newly true cron": story(hour.newly_true(), "hour", "hour", "-", "hour"),
        "initial": story(C.initial_evaluation(), "-", "up"),
        "not initial": story(~C.initial_evaluation() & C.missing(), "-", "one"),
        "last handled": story(C.any_deps_updated().since_last_handled(), "up", "-", "done", "up one", "one up", "up"),
        "missing handled": story(C.missing().since_last_handled(), "-", "one", "-"),
        "of another": story(C.asset_matches("up", updated), "up", "one", "up"),
        "of one below": story(C.asset_matches("below", C.missing()), "below", "-"),
        "in progress": story(C.in_progress() | C.execution_failed(), "up"),
        "downstream": story(C.any_downstream_conditions(), "up", "one", "done", more=C.eager()),
        "downstream or": story(
            C.any_downstream_conditions() | updated, "one", "-", more=C.any_downstream_conditions() | C.missing()
        ),
        "downstream none": story(C.any_downstream_conditions(), "one", more=C.any_downstream_conditions()),
        "requested with": story(C.any_deps_updated(), "up", "-", "up", more=C.any_deps_match(C.will_be_requested())),
        "requested before": story(C.any_deps_updated(), "up", "-", "-", more=C.any_deps_match(requested)),
        "not in progress": story(~C.any_deps_in_progress() & C.any_deps_updated(), "up", "-"),
        "data version": story(C.any_deps_match(C.data_version_changed()), "up", "up"),
        "ran with tags": story(C.any_deps_match(C.executed_with_tags(tag_keys={"a"})), "up"),
        "window of none": story(C.in_latest_time_window() & C.missing(), "one"),
        "lost between ticks": story(C.eager(), "up", "done", "one up", "-", "-"),
    }
