from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import TypeAdapter

from upwell.clock import NEVER
from upwell.definitions.asset_decorator import asset
from upwell.definitions.definitions import Definitions
from upwell.definitions.freshness.evaluate import Known, Verdict, evaluate
from upwell.definitions.freshness.model import AnyFreshnessPolicy, FreshnessPolicy
from upwell.definitions.snapshot import AssetNode, Snapshot
from upwell.definitions.specs import AssetSpec, apply_freshness_policy
from upwell.errors import DefinitionError

NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
POLICY = FreshnessPolicy.time_window(2 * HOUR, HOUR)


def after(hours: float) -> datetime:
    return NOON + timedelta(hours=hours)


def verdict(policy: AnyFreshnessPolicy, now: datetime, last: datetime | None = NOON) -> Verdict:
    return evaluate(policy, Known(since=NOON, made_at=last), now)


@pytest.mark.parametrize(
    ("hours", "state", "since", "changes_at"),
    [
        (0, "PASS", 0, after(1)),
        (0.999, "PASS", 0, after(1)),
        (1, "WARN", 1, after(2)),
        (1.999, "WARN", 1, after(2)),
        (2, "FAIL", 2, NEVER),
        (2000, "FAIL", 2, NEVER),
    ],
)
def test_windows_are_half_open_and_states_begin_at_their_deadline(
    hours: float, state: str, since: float, changes_at: datetime
) -> None:
    expected = Verdict(state=state, since=after(since), deadline=after(2), changes_at=changes_at)  # type: ignore[arg-type]
    assert verdict(POLICY, after(hours)) == expected


def test_without_a_warning_an_asset_goes_from_pass_to_fail() -> None:
    policy = FreshnessPolicy.time_window(HOUR)
    assert verdict(policy, after(0.5)).changes_at == after(1)
    assert verdict(policy, after(1)).state == "FAIL"


@pytest.mark.parametrize(
    ("grace", "hours", "state", "deadline"),
    [
        (None, 0, "UNKNOWN", 2),
        (None, 1.9, "UNKNOWN", 2),
        (None, 2, "FAIL", 2),
        (timedelta(hours=5), 4.9, "UNKNOWN", 5),
        (timedelta(hours=5), 5, "FAIL", 5),
        (timedelta(0), 0, "FAIL", 0),
    ],
)
def test_never_materialised_is_unknown_for_a_grace_and_then_fails(
    grace: timedelta | None, hours: float, state: str, deadline: float
) -> None:
    found = verdict(FreshnessPolicy.time_window(2 * HOUR, grace=grace), after(hours), last=None)
    assert (found.state, found.deadline) == (state, after(deadline))
    assert found.changes_at == (NEVER if state == "FAIL" else after(deadline))


def test_an_instant_in_the_future_makes_nothing_fresher_than_now() -> None:
    assert verdict(POLICY, NOON, last=after(1000)) == verdict(POLICY, NOON, last=NOON)


@pytest.mark.parametrize("window", [timedelta(seconds=1), timedelta(days=366), timedelta.max])
def test_windows_from_a_second_to_for_ever(window: timedelta) -> None:
    found = verdict(FreshnessPolicy.time_window(window), NOON)
    assert found.state == "PASS"
    assert NOON < found.changes_at <= NEVER


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"fail_window": timedelta(milliseconds=999)}, "the shortest is one second"),
        ({"fail_window": timedelta(0)}, "the shortest is one second"),
        ({"fail_window": HOUR, "warn_window": HOUR}, "must be shorter than fail_window"),
        ({"fail_window": HOUR, "warn_window": 2 * HOUR}, "must be shorter than fail_window"),
        ({"fail_window": HOUR, "warn_window": timedelta(0)}, "warn_window is 0:00:00"),
        ({"fail_window": HOUR, "grace": -HOUR}, "grace is"),
        ({"fail_window": 3600}, "fail_window is a timedelta, for example"),
        ({"fail_window": None}, "fail_window is a timedelta"),
    ],
)
def test_a_window_that_cannot_be_kept_is_refused(arguments: dict[str, Any], complaint: str) -> None:
    with pytest.raises(DefinitionError, match=complaint):
        FreshnessPolicy.time_window(**arguments)


def test_a_policy_has_the_names_that_dagster_users_know() -> None:
    assert isinstance(POLICY, FreshnessPolicy)
    assert (POLICY.fail_window, POLICY.warn_window) == (2 * HOUR, HOUR)
    assert FreshnessPolicy.time_window(fail_window=HOUR).warn_window is None
    assert FreshnessPolicy.time_window(fail_window=2 * HOUR, warn_window=HOUR) == POLICY


@pytest.mark.parametrize("policy", [POLICY, FreshnessPolicy.time_window(HOUR, grace=timedelta(0))])
def test_a_policy_survives_the_snapshot(policy: AnyFreshnessPolicy) -> None:
    snapshot = Snapshot(location="here", assets=(AssetNode(key="a", step="a", freshness=policy),))
    adapter = TypeAdapter(Snapshot)
    assert adapter.validate_json(adapter.dump_json(snapshot, exclude_defaults=True)) == snapshot


def test_a_policy_is_applied_over_a_selection() -> None:
    @asset(group_name="marts")
    def a() -> None: ...

    @asset(group_name="marts", freshness_policy=FreshnessPolicy.time_window(9 * HOUR))
    def b() -> None: ...

    @asset
    def c() -> None: ...

    def fresh(spec: AssetSpec) -> AssetSpec:
        return apply_freshness_policy(spec, POLICY, overwrite_existing=False)

    defs = Definitions(assets=[a, b, c, AssetSpec("d")]).map_asset_specs(func=fresh, selection="group:marts or key:d")
    policies = {spec.key.to_user_string(): spec.freshness_policy for spec in defs.resolve_all_asset_specs()}
    assert policies == {"a": POLICY, "b": FreshnessPolicy.time_window(9 * HOUR), "c": None, "d": POLICY}
