from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from upwell.definitions.freshness.defaults import default_policies
from upwell.definitions.freshness.model import AnyFreshnessPolicy, FreshnessPolicy
from upwell.definitions.project import Project
from upwell.definitions.snapshot import AssetNode, Snapshot
from upwell.errors import SettingsError
from upwell.freshness_settings import FreshnessDefault, FreshnessSettings
from upwell.settings import load_settings

HOUR = timedelta(hours=1)
MARTS = {"group": "marts", "fail_window": "1h"}
GOLD = {"tag": "tier=gold", "deadline_cron": "0 9 * * *", "lower_bound_delta": "8h", "timezone": "Europe/Berlin"}
TIERED = {"tag": "tier", "maximum_lag": "2d"}


def policy_of(node: AssetNode, *defaults: dict[str, Any]) -> AnyFreshnessPolicy | None:
    settings = FreshnessSettings.model_validate({"defaults": defaults})
    project = Project(default_policies(settings.defaults))
    project.replace(Snapshot(location="here", assets=(node,)))
    return project.graph.assets[node.key].freshness


def asset(group: str = "default", policy: AnyFreshnessPolicy | None = None, **tags: str) -> AssetNode:
    return AssetNode(key="a", step="a", group=group, tags=tags, freshness=policy)


NINE = FreshnessPolicy.cron("0 9 * * *", 8 * HOUR, "Europe/Berlin")


@pytest.mark.parametrize(
    ("node", "policy"),
    [
        (asset("marts"), FreshnessPolicy.time_window(HOUR)),
        (asset("marts/finance"), FreshnessPolicy.time_window(HOUR)),
        (asset("martians"), None),
        (asset(tier="gold"), NINE),
        (asset(tier="silver"), FreshnessPolicy.maximum_lag(48 * HOUR)),
        (asset("marts", tier="gold"), FreshnessPolicy.time_window(HOUR)),  # the first that fits
        (asset(), None),
        (asset("marts", FreshnessPolicy.time_window(9 * HOUR)), FreshnessPolicy.time_window(9 * HOUR)),  # the code wins
    ],
)
def test_assets_without_a_policy_get_the_first_default_that_fits(
    node: AssetNode, policy: AnyFreshnessPolicy | None
) -> None:
    assert policy_of(node, MARTS, GOLD, TIERED) == policy


def test_defaults_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("UPWELL_CONFIG", raising=False)
    monkeypatch.setenv("UPWELL_FRESHNESS__DEFAULTS", '[{"group": "marts", "fail_window": "1h"}]')
    assert load_settings().freshness.defaults == (FreshnessDefault(group="marts", fail_window=3600),)


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"fail_window": "1h"}, "for a group or for a tag"),
        ({**MARTS, "tag": "tier"}, "for a group or for a tag"),
        ({"group": "marts"}, "one of fail_window, deadline_cron and maximum_lag"),
        ({**MARTS, "maximum_lag": "1h"}, "one of fail_window, deadline_cron and maximum_lag"),
        ({**MARTS, "fail_windw": "1h"}, "fail_windw"),
    ],
)
def test_a_default_that_is_none_is_refused(wrong: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        FreshnessDefault.model_validate(wrong)


def test_a_default_that_cannot_be_kept_names_whom_it_was_for() -> None:
    with pytest.raises(SettingsError, match=r"for group 'marts': warn_window .* must be shorter"):
        policy_of(asset(), {**MARTS, "warn_window": "2h"})
