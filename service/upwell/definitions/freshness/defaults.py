"""Policies that an operator sets for whole groups or tags; what the code says always wins. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from upwell.definitions.freshness.model import AnyFreshnessPolicy, FreshnessPolicy
from upwell.definitions.snapshot import AssetNode, Snapshot
from upwell.errors import DefinitionError, SettingsError

if TYPE_CHECKING:  # workers import this, and need no settings
    from upwell.freshness_settings import FreshnessDefault


@dataclass(frozen=True, kw_only=True)
class DefaultPolicy:
    """A policy for the assets of a group, or with a tag (`key` or `key=value`)."""

    policy: AnyFreshnessPolicy
    group: str | None = None
    tag: str | None = None

    def fits(self, node: AssetNode) -> bool:
        """Whether it is for this asset."""
        if self.group is not None:
            return node.group == self.group or node.group.startswith(f"{self.group}/")
        key, equals, value = (self.tag or "").partition("=")
        return key in node.tags and (not equals or node.tags[key] == value)


def default_policies(settings: Iterable[FreshnessDefault]) -> tuple[DefaultPolicy, ...]:
    """What the settings say, as policies.

    Raises:
        SettingsError: one cannot be kept; names it and what is wrong.
    """
    found = []
    for one in settings:
        try:
            found.append(DefaultPolicy(policy=_policy(one), group=one.group, tag=one.tag))
        except DefinitionError as error:
            about = f"group {one.group!r}" if one.group is not None else f"tag {one.tag!r}"
            raise SettingsError(f"freshness.defaults, for {about}: {error}") from None
    return tuple(found)


def with_default_policies(snapshot: Snapshot, defaults: Sequence[DefaultPolicy]) -> Snapshot:
    """The code location, with the first default that fits on each asset without a policy of its own."""
    if not defaults:
        return snapshot
    return replace(snapshot, assets=tuple(_with_default(node, defaults) for node in snapshot.assets))


def _with_default(node: AssetNode, defaults: Sequence[DefaultPolicy]) -> AssetNode:
    if node.freshness is not None:
        return node
    fitting = next((one.policy for one in defaults if one.fits(node)), None)
    return node if fitting is None else replace(node, freshness=fitting)


def _policy(one: FreshnessDefault) -> AnyFreshnessPolicy:
    grace = _duration(one.grace)
    if one.fail_window is not None:
        fail, warn = timedelta(seconds=one.fail_window), _duration(one.warn_window)
        return FreshnessPolicy.time_window(fail, warn, grace=grace, basis=one.basis)
    if one.deadline_cron is not None:
        return FreshnessPolicy.cron(
            one.deadline_cron,
            _duration(one.lower_bound_delta),
            one.timezone,
            warn_before=_duration(one.warn_before),
            grace=grace,
            basis=one.basis,
        )
    assert one.maximum_lag is not None, "the settings have one of three"
    return FreshnessPolicy.maximum_lag(timedelta(seconds=one.maximum_lag), grace=grace)


def _duration(seconds: float | None) -> timedelta | None:
    return None if seconds is None else timedelta(seconds=seconds)
