"""By when an asset has to be made next, and how often that was tried. Pure."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from upwell.clock import NEVER
from upwell.definitions.freshness.deadlines import EARLIEST, opened_at
from upwell.definitions.freshness.evaluate import Known, evaluate
from upwell.definitions.freshness.model import CronFreshnessPolicy
from upwell.definitions.freshness.partitions import Coverage
from upwell.definitions.partitions.multi import newest_keys
from upwell.definitions.partitions.time_windows import TimeWindowPartitionsDefinition
from upwell.freshness.standings import Standing

MOST_ATTEMPTS = 3
"""How many runs are demanded for one deadline, when they fail."""

_LONGEST_PAUSE = timedelta(minutes=1)
_MOST_PARTITIONS = 100  # made in one run
_MOST_MISSED = 1000  # deadlines in a row
_JUST_BEFORE = timedelta(microseconds=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Demanded:
    """What was demanded last for an asset.

    `pending` until the reactor has answered; `consumed` when no further attempt is to be made for this deadline: the
    run did not fail, yet did not make the asset, or somebody cancelled it.
    """

    deadline: datetime
    at: datetime
    id: int = 0
    partition: str | None = None
    attempt: int = 1
    run_id: str | None = None
    pending: bool = False
    consumed: bool = False

    @property
    def exhausted(self) -> bool:
        return self.consumed or self.attempt >= MOST_ATTEMPTS


@dataclass(frozen=True, kw_only=True, slots=True)
class Occasion:
    """The next deadline of an asset, and what has to be made for it.

    Attributes:
        first: the first partition that is due, where the policy asks for partitions.
        keys: what is to be made of the asset.
        opens_at: what is made before this does not count.
        not_before: no demand before this, since one was made already.
    """

    asset: str
    deadline: datetime
    first: str | None
    keys: tuple[str | None, ...]
    opens_at: datetime = EARLIEST
    attempt: int = 1
    not_before: datetime = EARLIEST


def occasion_of(standing: Standing, demanded: Demanded | None, now: datetime) -> Occasion | None:
    """When the asset has to be made next; None when it never has, or when there is nothing of it that could be made."""
    deadline = standing.verdict(now).deadline
    keys = _keys(standing, now)
    if deadline >= NEVER or not keys:
        return None
    first = _first_missing(standing)
    found = Occasion(asset=standing.asset, deadline=deadline, first=first, keys=keys)
    if demanded is not None and not _is_served(standing, demanded, first):
        found = _after(found, demanded, standing)
    elif demanded is not None and (demanded.deadline, demanded.partition) == (deadline, first):
        # It was made, but does not count: too early.
        found = _after(found, replace(demanded, consumed=False), standing)
    return replace(found, opens_at=_opens_at(standing, found.deadline, now))


def is_settled(standing: Standing, demanded: Demanded | None, deadline: datetime) -> bool:
    """Whether what was demanded last has no bearing on this deadline any more."""
    if demanded is None:
        return True
    return demanded.deadline != deadline and _is_served(standing, demanded, _first_missing(standing))


def _after(found: Occasion, demanded: Demanded, standing: Standing) -> Occasion:
    """What is next when a demand has not led to what it was for."""
    if not demanded.exhausted:
        left = demanded.deadline - demanded.at
        pause = min(_LONGEST_PAUSE, left / 10) if left > timedelta(0) else _LONGEST_PAUSE
        return replace(
            found,
            deadline=max(found.deadline, demanded.deadline),
            attempt=demanded.attempt + 1,
            not_before=demanded.at + pause,
        )
    deadline = _deadline_after(standing, demanded)
    half = (deadline - demanded.at) / 2 if deadline < NEVER else NEVER - demanded.at
    return replace(found, deadline=deadline, not_before=demanded.at + half)


def _is_served(standing: Standing, demanded: Demanded, first: str | None) -> bool:
    if standing.coverage is not None:
        return first != demanded.partition
    return standing.last is not None and standing.last >= demanded.at


def _deadline_after(standing: Standing, demanded: Demanded) -> datetime:
    """The deadline that would be next had the last one been kept, just so."""
    if standing.coverage is None:
        return _later_deadline(standing, demanded)
    rest = copy.deepcopy(standing.coverage)
    for _ in range(_MOST_PARTITIONS):
        key = _key_of(standing, rest)
        if key is None:
            return NEVER
        rest.add(key)
        known = Known(since=standing.known_since, made_at=demanded.at, data_time=demanded.at, missing=rest.missing)
        deadline = evaluate(standing.policy, known, demanded.at).deadline
        if deadline > demanded.deadline:
            return deadline
    return NEVER


def _later_deadline(standing: Standing, demanded: Demanded) -> datetime:
    deadline = demanded.deadline
    for _ in range(_MOST_MISSED):
        at = deadline - _JUST_BEFORE
        known = Known(since=standing.known_since, made_at=at, data_time=at)
        deadline = evaluate(standing.policy, known, at).deadline
        if deadline > max(demanded.at, demanded.deadline):
            return deadline
    known = Known(since=standing.known_since, made_at=demanded.at, data_time=demanded.at)
    return evaluate(standing.policy, known, demanded.at).deadline


def _keys(standing: Standing, now: datetime) -> tuple[str | None, ...]:
    partitions = standing.partitions
    if partitions is None:
        return (None,)
    if standing.coverage is not None:
        return _missing_keys(standing, standing.coverage, now)
    return tuple(newest_keys(partitions, now))[-_MOST_PARTITIONS:]


def _missing_keys(standing: Standing, coverage: Coverage, now: datetime) -> tuple[str, ...]:
    """The partitions that exist and are not there, oldest first; of those that are still to come, the first."""
    first = _key_of(standing, coverage)
    if first is None:
        return ()
    if coverage.missing.exists_at > now:
        return (first,)
    found = [first]
    rest = copy.deepcopy(coverage)
    while len(found) < _MOST_PARTITIONS:
        rest.add(found[-1])
        key = _key_of(standing, rest)
        if key is None or rest.missing.exists_at > now:
            break
        found.append(key)
    return tuple(found)


def _first_missing(standing: Standing) -> str | None:
    return None if standing.coverage is None else _key_of(standing, standing.coverage)


def _key_of(standing: Standing, coverage: Coverage) -> str | None:
    starts_at = coverage.missing.starts_at
    if starts_at >= NEVER or not isinstance(standing.partitions, TimeWindowPartitionsDefinition):
        return None
    return standing.partitions.key_of(starts_at)


def _opens_at(standing: Standing, deadline: datetime, now: datetime) -> datetime:
    if standing.coverage is not None:
        return standing.coverage.missing.exists_at
    policy = standing.policy
    if isinstance(policy, CronFreshnessPolicy) and policy.lower_bound_delta is not None and now < deadline < NEVER:
        return opened_at(deadline, policy.lower_bound_delta, ZoneInfo(policy.timezone))
    return EARLIEST
