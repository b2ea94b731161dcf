"""How much of the time an asset was fresh: exact, from the transitions that the journal holds. Pure.

Late is the time in FAIL; fresh and warned time is within the objective. Time before the policy was known, before
anything was ever made, and of declared maintenance counts neither way. All sums are of whole microseconds.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias

from upwell.events import FreshnessChanged, FreshnessState
from upwell.journal.journal import Record

Interval: TypeAlias = tuple[datetime, datetime]
"""From an instant up to, not including, another."""

_NONE = timedelta(0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Stretch:
    """A time in which the state was the same; `state` is null where nobody knows any more."""

    start: datetime
    end: datetime
    state: FreshnessState | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Totals:
    """What a window of time consists of."""

    fresh: timedelta = _NONE
    warned: timedelta = _NONE
    late: timedelta = _NONE
    unknown: timedelta = _NONE
    not_applicable: timedelta = _NONE
    excluded: timedelta = _NONE
    unrecorded: timedelta = _NONE

    @property
    def measured(self) -> timedelta:
        """The time that counts."""
        return self.fresh + self.warned + self.late

    @property
    def late_ratio(self) -> float | None:
        """The part of the time that counts in which the asset was late; null when no time counts."""
        return self.late / self.measured if self.measured else None

    def burn_rate(self, objective: float) -> float | None:
        """How fast the error budget goes: at 1 it is used up when the window is over, at 2 after half of it.

        Args:
            objective: the part of the time in which the asset is to be fresh, less than 1.
        """
        return None if self.late_ratio is None else self.late_ratio / (1.0 - objective)

    def budget(self, objective: float) -> timedelta:
        """How long the asset may be late in the time that counts."""
        return self.measured * (1.0 - objective)


class Timeline:
    """The states of one asset, as its transitions say, corrections taken in."""

    def __init__(self, *, complete_from: datetime, state: FreshnessState | None = None) -> None:
        """Begin without transitions.

        Args:
            complete_from: every transition that was written since then will be told here.
            state: what has held since then, if there are none.
        """
        self._complete_from = complete_from
        self._before = state
        self._told = False
        self._ids: list[int] = []
        self._at: list[datetime] = []
        self._states: list[FreshnessState] = []

    def take(self, event_id: int, change: FreshnessChanged) -> None:
        """Take in the next transition, in the order in which they were written."""
        if not self._told:
            self._told = True
            self._before = None if change.corrects else change.previous_state
        while self._ids and self._ids[-1] in change.corrects:
            for part in (self._ids, self._at, self._states):
                part.pop()
        # Of two changes the one written later holds; it is never dated before the other.
        self._at.append(max(change.changed_at, self._at[-1]) if self._at else change.changed_at)
        self._ids.append(event_id)
        self._states.append(change.state)

    def forget(self, before: datetime) -> None:
        """Let go of what is over by then: questions about earlier times will not be asked."""
        over = bisect_right(self._at, before) - 1
        if over > 0:
            del self._ids[:over], self._at[:over], self._states[:over]
        self._complete_from = max(self._complete_from, before)

    @property
    def state(self) -> FreshnessState | None:
        """The state told last."""
        return self._states[-1] if self._states else self._before

    @property
    def since(self) -> datetime | None:
        """When the state told last began, if it was told."""
        return self._at[-1] if self._at else None

    def changes_in(self, start: datetime, end: datetime) -> Sequence[int]:
        """The transitions in force that are dated in a window, by the ids of their events."""
        return [event_id for event_id, at in zip(self._ids, self._at, strict=True) if start <= at < end]

    def stretches(self, start: datetime, end: datetime) -> Iterator[Stretch]:
        """The window cut where the state changes, in order and without a gap."""
        place = bisect_right(self._at, start)
        if place > 0:
            state: FreshnessState | None = self._states[place - 1]
        else:
            state = self._before
            if state != "NOT_APPLICABLE" and start < self._complete_from:
                known = min(self._complete_from, end, *self._at[:1])
                if start < known:
                    yield Stretch(start=start, end=known, state=None)
                    start = known
        for at, following in zip(self._at[place:], self._states[place:], strict=True):
            if at >= end:
                break
            if start < at:
                yield Stretch(start=start, end=at, state=state)
            start, state = at, following
        if start < end:
            yield Stretch(start=start, end=end, state=state)


def timeline_of(
    asset: str, records: Iterable[Record], *, complete_from: datetime, state: FreshnessState | None = None
) -> Timeline:
    """The timeline of one asset, of the records (in order) that are transitions of it."""
    timeline = Timeline(complete_from=complete_from, state=state)
    for record in records:
        if isinstance(record.event, FreshnessChanged) and record.event.asset == asset:
            timeline.take(record.id, record.event)
    return timeline


def totals(stretches: Iterable[Stretch], excluded: Sequence[Interval] = ()) -> Totals:
    """How long each state lasted.

    Args:
        excluded: times that count neither way, disjoint and in order.
    """
    sums: dict[FreshnessState | None, timedelta] = {}
    left_out = _NONE
    for one in stretches:
        out = sum((_overlap(one, interval) for interval in excluded), _NONE)
        left_out += out
        sums[one.state] = sums.get(one.state, _NONE) + (one.end - one.start) - out
    return Totals(
        fresh=sums.get("PASS", _NONE),
        warned=sums.get("WARN", _NONE),
        late=sums.get("FAIL", _NONE),
        unknown=sums.get("UNKNOWN", _NONE),
        not_applicable=sums.get("NOT_APPLICABLE", _NONE),
        excluded=left_out,
        unrecorded=sums.get(None, _NONE),
    )


def _overlap(one: Stretch, interval: Interval) -> timedelta:
    return max(_NONE, min(one.end, interval[1]) - max(one.start, interval[0]))


def united(intervals: Iterable[Interval]) -> list[Interval]:
    """The same time as disjoint intervals, in order."""
    found: list[Interval] = []
    for start, end in sorted(intervals):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        elif start < end:
            found.append((start, end))
    return found
