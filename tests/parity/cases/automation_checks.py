"""Conditions about checks: passed, failed, missing, blocking only, and after a new materialisation."""

from __future__ import annotations

from types import ModuleType
from typing import Any


def run(dg: ModuleType, kit: ModuleType) -> Any:
    C = dg.AutomationCondition
    severity = dg.AssetCheckSeverity

    def story(condition: Any, *steps: str, of_dep: bool = True) -> Any:
        @dg.asset
        def up() -> None: ...

        @dg.asset_check(asset=up, blocking=True)
        def hard() -> Any: ...

        @dg.asset_check(asset=up)
        def soft() -> Any: ...

        @dg.asset(deps=[up], automation_condition=C.all_deps_match(condition) if of_dep else condition)
        def down() -> None: ...

        defs = dg.Definitions(assets=[up, down], asset_checks=[hard, soft])
        script = kit.Script(dg, defs, "2024-01-01 10:00")
        script.tick()
        for step in steps:
            for name in step.split():
                check, _, said = name.partition("=")
                if said:
                    level = severity.WARN if said == "warn" else severity.ERROR
                    script.instance.report_runless_asset_event(
                        dg.AssetCheckEvaluation(
                            asset_key=dg.AssetKey("up"), check_name=check, passed=said == "ok", severity=level
                        )
                    )
                elif name != "-":
                    script.mat(name)
            script.plus(minutes=1).tick()
        return script.log

    passed, failed = C.check_passed(), C.check_failed()
    steps = ("up", "hard=ok", "soft=ok", "soft=no", "hard=warn", "hard=ok soft=ok", "up", "hard=no", "-")
    return {
        "all passed": story(C.all_checks_match(passed), *steps),
        "any passed": story(C.any_checks_match(passed), *steps),
        "all failed": story(C.all_checks_match(failed), *steps),
        "any failed": story(C.any_checks_match(failed), *steps),
        "blocking passed": story(C.all_checks_match(passed, blocking_only=True), *steps),
        "blocking failed": story(C.any_checks_match(failed, blocking_only=True), *steps),
        "missing": story(C.any_checks_match(C.missing()), *steps),
        "updated": story(C.any_checks_match(C.newly_updated()), *steps),
        "deps' blocking passed": story(C.all_deps_blocking_checks_passed(), *steps, of_dep=False),
        "no checks": story(C.all_checks_match(passed), "-", of_dep=False),
        "no checks, any": story(C.any_checks_match(passed), "-", of_dep=False),
        "eager": story(C.eager() & C.all_deps_blocking_checks_passed(), "up", "hard=ok", "down", "up", of_dep=False),
        "names": [
            C.all_checks_match(passed).name,
            C.any_checks_match(passed, blocking_only=True).name,
            C.all_deps_blocking_checks_passed().get_label(),
        ],
    }
