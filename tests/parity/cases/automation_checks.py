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

    def check_story(of_asset: Any, of_check: Any) -> Any:
        @dg.asset
        def up() -> None: ...

        @dg.asset(deps=[up], automation_condition=of_asset)
        def one() -> None: ...

        @dg.asset_check(asset=one, automation_condition=of_check)
        def fine() -> Any: ...

        @dg.asset(deps=[one], automation_condition=C.any_deps_match(C.any_checks_match(C.newly_requested())))
        def down() -> None: ...

        instance, cursor, log = dg.DagsterInstance.ephemeral(), None, []
        for made in ("-", "up", "-", "one", "up", "-", "-"):
            if made != "-":
                instance.report_runless_asset_event(dg.AssetMaterialization(made))
            result = dg.evaluate_automation_conditions(
                defs=dg.Definitions(assets=[up, one, down], asset_checks=[fine]), instance=instance, cursor=cursor
            )
            asked = {key: result.get_num_requested(dg.AssetKey(key)) for key in ("up", "one", "down")}
            cursor = result.cursor
            log.append([result.total_requested, asked])
        return log

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
        "ignored": story(C.any_checks_match(failed).ignore(dg.AssetSelection.keys("up")), *steps),
        "not ignored": story(C.any_checks_match(failed).ignore(dg.AssetSelection.keys("down")), *steps),
        "allowed": story(C.any_checks_match(failed).allow(dg.AssetSelection.keys("up")), *steps),
        "not allowed": story(C.all_checks_match(failed).allow(dg.AssetSelection.keys("down")), *steps),
        "no checks": story(C.all_checks_match(passed), "-", of_dep=False),
        "no checks, any": story(C.any_checks_match(passed), "-", of_dep=False),
        "eager": story(C.eager() & C.all_deps_blocking_checks_passed(), "up", "hard=ok", "down", "up", of_dep=False),
        "of a check": check_story(C.eager() | C.newly_updated(), C.any_deps_match(C.will_be_requested())),
        "with a check": check_story(C.on_missing(), C.eager()),
        "names": [
            C.all_checks_match(passed).name,
            C.any_checks_match(passed, blocking_only=True).name,
            C.all_deps_blocking_checks_passed().get_label(),
        ],
    }
