"""Freshness policies: how recent an asset has to be, as pure functions of time.

Windows are half-open: what was made at `t` is fresh in `[t, t + fail_window)`, and late from the instant
`t + fail_window` on, even if new data is committed at that very instant. A transition is dated at the instant
it follows from, never at the instant somebody looked.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias

from upwell.clock import NEVER
from upwell.errors import DefinitionError
from upwell.events import FreshnessState

_SHORTEST = timedelta(seconds=1)


class FreshnessPolicy(ABC):
    """How recent an asset has to be; made by `FreshnessPolicy.time_window(…)`."""

    @staticmethod
    def time_window(
        fail_window: timedelta, warn_window: timedelta | None = None, *, grace: timedelta | None = None
    ) -> TimeWindowFreshnessPolicy:
        """The asset must have been materialised within the window that ends now.

        Args:
            fail_window: its age, from one second, at which the asset fails.
            warn_window: its age, below `fail_window`, at which the asset warns.
            grace: how long an asset that was never materialised stays `UNKNOWN`, counted from when the policy became
                known; then it fails. By default `fail_window`.

        Raises:
            DefinitionError: a window under one second, or a warning that would come no earlier than the failure.
        """
        return TimeWindowFreshnessPolicy(fail_window=fail_window, warn_window=warn_window, grace=grace)

    @abstractmethod
    def evaluate(self, *, last_materialized_at: datetime | None, known_since: datetime, now: datetime) -> Verdict:
        """The state at `now`, as the function `evaluate` says."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a policy says at an instant.

    `since` is when the state began, `deadline` when the asset fails (or failed) unless it is materialised before,
    `changes_at` the next instant at which the state changes by itself: `NEVER` if only an event can change it.
    """

    state: FreshnessState
    since: datetime
    deadline: datetime
    changes_at: datetime


@dataclass(frozen=True, kw_only=True)
class TimeWindowFreshnessPolicy(FreshnessPolicy):
    """Fails (and before that may warn) when the newest materialisation is too old."""

    fail_window: timedelta
    warn_window: timedelta | None = None
    grace: timedelta | None = None

    def __post_init__(self) -> None:
        for name in ("fail_window", "warn_window", "grace"):
            _check_window(name, getattr(self, name), required=name == "fail_window")
        if self.warn_window is not None and self.warn_window >= self.fail_window:
            raise DefinitionError(
                f"warn_window ({self.warn_window}) must be shorter than fail_window ({self.fail_window}): "
                "an asset warns before it fails"
            )

    def evaluate(self, *, last_materialized_at: datetime | None, known_since: datetime, now: datetime) -> Verdict:
        if last_materialized_at is None:
            return self._before_the_first(known_since, now)
        made_at = min(last_materialized_at, now)
        deadline = _later(made_at, self.fail_window)
        if now >= deadline:
            return Verdict(state="FAIL", since=deadline, deadline=deadline, changes_at=NEVER)
        warns_at = deadline if self.warn_window is None else _later(made_at, self.warn_window)
        if now >= warns_at:
            return Verdict(state="WARN", since=warns_at, deadline=deadline, changes_at=deadline)
        return Verdict(state="PASS", since=made_at, deadline=deadline, changes_at=warns_at)

    def _before_the_first(self, known_since: datetime, now: datetime) -> Verdict:
        deadline = _later(known_since, self.fail_window if self.grace is None else self.grace)
        if now >= deadline:
            return Verdict(state="FAIL", since=deadline, deadline=deadline, changes_at=NEVER)
        return Verdict(state="UNKNOWN", since=known_since, deadline=deadline, changes_at=deadline)


AnyFreshnessPolicy: TypeAlias = TimeWindowFreshnessPolicy


def evaluate(
    policy: AnyFreshnessPolicy, *, last_materialized_at: datetime | None, known_since: datetime, now: datetime
) -> Verdict:
    """How fresh an asset is at `now`.

    Args:
        last_materialized_at: the newest materialisation that counts, none if there was never one. An instant after
            `now` counts as `now`: no clock can make an asset fresher than it could be.
        known_since: when the policy became known; the grace of an asset without any materialisation starts there.
        now: the present instant.
    """
    return policy.evaluate(last_materialized_at=last_materialized_at, known_since=known_since, now=now)


def _later(instant: datetime, window: timedelta) -> datetime:
    return instant + window if window < NEVER - instant else NEVER


def _check_window(name: str, window: object, *, required: bool) -> None:
    if window is None and not required:
        return
    if not isinstance(window, timedelta):
        raise DefinitionError(f"{name} is a timedelta, for example timedelta(hours=1), not {window!r}")
    if window < (timedelta(0) if name == "grace" else _SHORTEST):
        raise DefinitionError(f"{name} is {window}; the shortest {'is zero' if name == 'grace' else 'is one second'}")
