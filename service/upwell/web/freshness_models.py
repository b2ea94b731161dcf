"""What the API says of freshness over time."""

from __future__ import annotations

from datetime import datetime

from upwell.events import FreshnessState
from upwell.web.models import Answer


class FreshnessTime(Answer):
    """What a window of time consists of, in seconds; the parts add up to the window.

    `unknown` is before anything was made, `not_applicable` without a policy, `excluded` declared maintenance, and
    `unrecorded` what retention has taken away. None of these counts.
    """

    fresh: float
    warned: float
    late: float
    unknown: float
    not_applicable: float
    excluded: float
    unrecorded: float


class ErrorBudget(Answer):
    """How long the asset may be late in the time that counts, in seconds; `used_percent` is null when none counts."""

    allowed: float
    used: float
    remaining: float
    used_percent: float | None


class BurnRate(Answer):
    """How fast the budget went in the newest part of the time: at 1 it lasts for the window of the objective."""

    window: str
    late: float
    rate: float | None


class FreshnessTransition(Answer):
    """A change of state. `at` is when it was so, `recorded_at` when it was written.

    One that turned out to be wrong names the event that put it right in `corrected_by`.
    """

    event_id: int
    at: datetime
    recorded_at: datetime
    state: FreshnessState
    previous_state: FreshnessState
    deadline: datetime | None
    overdue_seconds: float
    last_materialized: datetime | None
    cause: str | None
    inherited_from: str | None
    caught_up: bool
    corrects: tuple[int, ...]
    corrected_by: int | None


class FreshnessHistory(Answer):
    """How fresh an asset was in a window that ends now, and how that compares with an objective.

    `percent_fresh` is null when no time counts. `known_from` is from when it is known, where that is after `start`.
    Transitions come newest first; `more` says that there are older ones in the window.
    """

    asset: str
    start: datetime
    end: datetime
    known_from: datetime | None
    state: FreshnessState | None
    objective: float
    percent_fresh: float | None
    seconds: FreshnessTime
    budget: ErrorBudget
    burn_rates: tuple[BurnRate, ...]
    transitions: tuple[FreshnessTransition, ...]
    more: bool
