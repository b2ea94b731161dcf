"""Names, labels, parts, replace and without."""

from __future__ import annotations

from datetime import timedelta
from types import ModuleType
from typing import Any


def run(dg: ModuleType, kit: ModuleType) -> Any:
    C = dg.AutomationCondition

    def tree(one: Any) -> Any:
        parts = [] if "CHECKS_MATCH" in one.name else one.children
        return [one.name, one.get_label(), one.description, *map(tree, parts)]

    eager, missing, updated = C.eager(), C.missing(), C.newly_updated()
    named = (missing & updated).with_label("both")
    tags = {"tag_keys": {"b", "a"}, "tag_values": {"c": "d"}}
    whole = {
        "eager": eager,
        "on_cron": C.on_cron("0 6 * * *", "Europe/Berlin"),
        "on_missing": C.on_missing(),
        "blocking": C.all_deps_blocking_checks_passed(),
        "updated since": C.all_deps_updated_since_cron("@daily"),
        "downstream": C.any_downstream_conditions(),
        "and and": missing & updated & missing,
        "and named": named & missing & named,
        "or and": (missing | updated) & missing | updated,
        "not not": ~~missing,
        "window": C.in_latest_time_window(timedelta(hours=36)),
        "tags": C.executed_with_tags(**tags) | C.any_new_update_has_run_tags(tag_keys={"x"}),
        "all tags": C.all_new_updates_have_run_tags(),
        "of another": C.asset_matches(dg.AssetKey(["a", "b"]), missing),
        "checks": C.any_checks_match(C.check_passed() | C.check_failed() | C.execution_failed(), blocking_only=True),
        "versions": C.code_version_changed() | C.data_version_changed() | C.initial_evaluation(),
        "no label": eager.with_label(None),
        "label": missing.with_label("gone").newly_true(),
        "replaced name": eager.replace("missing", updated),
        "replaced label": eager.replace("newly_missing", missing),
        "replaced part": eager.replace(~C.in_progress(), ~missing),
        "replaced whole": eager.replace("eager", missing),
        "replaced operator": named.replace("AND", updated),
        "replaced nothing": eager.replace("nobody", missing),
        "replaced in since": missing.since(updated).replace("newly_updated", named),
        "replaced in deps": C.any_deps_match(missing).replace("missing", updated),
        "replaced in another": C.asset_matches("a", missing).replace("missing", updated),
        "replaced in newly": missing.newly_true().replace("missing", updated),
        "replaced in checks": C.any_checks_match(missing).replace("missing", updated),
        "without": eager.without(~C.any_deps_missing()),
    }
    return {
        **{name: tree(one) for name, one in whole.items()},
        "equal": [eager == C.eager(), eager == eager.with_label("x"), hash(eager) == hash(C.eager())],
        "wrong": kit.outcomes(
            dg,
            {
                "no part": kit.fine(lambda: eager.without(missing)),
                "one left": kit.fine(lambda: (missing & updated).without(missing)),
                "no such": kit.fine(lambda: missing.allow(dg.AssetSelection.all())),
                "cron": kit.fine(lambda: C.cron_tick_passed("nonsense")),
            },
        ),
    }
