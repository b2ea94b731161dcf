"""Conditions about runs: tags, failures, data versions, and assets that are observed."""

from __future__ import annotations

from types import ModuleType
from typing import Any


def run(dg: ModuleType, kit: ModuleType) -> Any:
    C = dg.AutomationCondition
    failing = {"now": False}

    @dg.asset
    def up() -> None:
        if failing["now"]:
            raise ValueError("as it should")

    @dg.asset_check(asset=up)
    def fine() -> Any:
        return dg.AssetCheckResult(passed=not failing["now"])

    def story(condition: Any, *steps: Any, of_dep: bool = True) -> Any:
        failing["now"] = False

        @dg.asset(deps=[up, "away"], automation_condition=C.any_deps_match(condition) if of_dep else condition)
        def down() -> None: ...

        assets = [up, down, dg.AssetSpec("away")]
        script = kit.Script(dg, dg.Definitions(assets=assets, asset_checks=[fine]), "2024-01-01 10:00")
        script.tick()
        for step in steps:
            if isinstance(step, dict):
                made = step.pop("made", [up])
                failing["now"] = step.pop("failing", False)
                dg.materialize([up, down], selection=made, instance=script.instance, raise_on_error=False, **step)
                failing["now"] = False
            elif step is not None:
                script.instance.report_runless_asset_event(step)
            script.plus(minutes=1).tick()
        return script.log

    def version(text: str, key: str = "up") -> Any:
        return dg.AssetMaterialization(key, tags={"dagster/data_version": text})

    def tagged(**tags: str) -> dict[str, Any]:
        return {"tags": tags}

    steps = [tagged(a="1"), None, {}, tagged(a="2", b="3"), version("1")]
    return {
        "latest with key": story(C.executed_with_tags(tag_keys={"a"}), *map(_copy, steps)),
        "latest with value": story(C.executed_with_tags(tag_values={"a": "2"}), *map(_copy, steps)),
        "any new": story(C.any_new_update_has_run_tags(tag_keys={"a"}), *map(_copy, steps)),
        "all new": story(C.all_new_updates_have_run_tags(tag_keys={"a"}), *map(_copy, steps)),
        "no tags": story(C.all_new_updates_have_run_tags(), *map(_copy, steps)),
        "failed": story(C.execution_failed(), {}, {"failing": True}, None, {}, {"failing": True}, version("1")),
        "versions": story(C.data_version_changed(), version("1"), version("1"), version("2"), version("2", "away")),
        "observed": story(C.newly_updated(), dg.AssetObservation("away"), dg.AssetObservation("up"), None),
        "observed missing": story(
            C.missing(), dg.AssetObservation("up"), dg.AssetObservation("away"), version("1"), None
        ),
        "made with it": story(C.any_deps_updated(), {"made": ["up", "down"]}, {}, of_dep=False),
        "eager, made with it": story(
            C.eager().ignore(dg.AssetSelection.keys("away")), {"made": ["up", "down"]}, {}, of_dep=False
        ),
        "checked in the run": story(C.all_checks_match(C.check_passed()), {}, {"failing": True}, version("1")),
        "failed in the run": story(C.any_checks_match(C.execution_failed()), {}, {"failing": True}, {}),
    }


def _copy(step: Any) -> Any:
    return dict(step) if isinstance(step, dict) else step
