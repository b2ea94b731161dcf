"""Which partitions are there, and which of those that are due is the first that is not. Pure."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from datetime import datetime

from upwell.clock import NEVER
from upwell.definitions.freshness.evaluate import Missing, asks_for_after
from upwell.definitions.freshness.model import AnyFreshnessPolicy, CronFreshnessPolicy, TimeWindowFreshnessPolicy
from upwell.definitions.partitions.multi import time_part
from upwell.definitions.partitions.ticks import shifted
from upwell.definitions.partitions.time_windows import TimeWindowPartitionsDefinition
from upwell.definitions.partitions.union import AnyPartitionsDefinition


def judged_by_partition(policy: AnyFreshnessPolicy, partitions: AnyPartitionsDefinition | None) -> bool:
    """Whether the policy asks for the partitions that are due, not for the newest materialisation.

    By default a time window does not: it is about how recent the newest partition is. Nor does any policy where a
    partition exists before it ends (`end_offset` over 0), for it is then made again and again.
    """
    if not isinstance(partitions, TimeWindowPartitionsDefinition):
        return False
    if policy.per is not None:
        return policy.per == "partition"
    return not isinstance(policy, TimeWindowFreshnessPolicy) and partitions.end_offset <= 0


class Coverage:
    """The time that is covered by the partitions that are there, as stretches without a hole.

    Adding one costs O(log n) of the stretches, and there are as many as there are holes: a million partitions without
    one are a single stretch.
    """

    __slots__ = ("_asked_from", "_definition", "_ends", "_starts")

    def __init__(self, definition: TimeWindowPartitionsDefinition, policy: AnyFreshnessPolicy, since: datetime) -> None:
        self._definition = definition
        self._starts: list[datetime] = []
        self._ends: list[datetime] = []
        self._asked_from = self._first_asked_for(asks_for_after(policy, since), by_start=_is_about_data(policy))

    @property
    def asked_from(self) -> datetime:
        """Where the first partition that the policy asks for begins; earlier ones change nothing."""
        return self._asked_from

    def add(self, key: str) -> None:
        """Take in a partition that was made; a key that is none is left out."""
        start = self._definition.start_of(key)
        if start is None or start < self._asked_from:
            return
        end = self._definition.ticks.after(start)
        first, last = bisect_left(self._ends, start), bisect_right(self._starts, end)
        if first < last:  # it touches these: they become one
            start, end = min(start, self._starts[first]), max(end, self._ends[last - 1])
        self._starts[first:last] = [start]
        self._ends[first:last] = [end]

    @property
    def missing(self) -> Missing:
        """The first partition that the policy asks for and that is not there."""
        start = self._asked_from
        if self._starts and self._starts[0] <= start:
            start = self._ends[0]
        end = self._definition.ticks.after(start) if start < NEVER else NEVER
        last = self._definition.end_at
        if end >= NEVER or (last is not None and end > last):
            return Missing()
        return Missing(starts_at=start, exists_at=self._exists_at(end))

    def _exists_at(self, end: datetime) -> datetime:
        return shifted(self._definition.ticks, end, -self._definition.end_offset)

    def _first_asked_for(self, after: datetime, *, by_start: bool) -> datetime:
        first, ticks = self._definition.first_start, self._definition.ticks
        if after <= first:
            return first
        start = ticks.after(after)
        if by_start:
            return start
        # It is their existence that counts: go back to the first one that exists only after that.
        while start > first:
            before = ticks.before(start)
            if self._exists_at(start) <= after:
                break
            start = before
        return start


def _is_about_data(policy: AnyFreshnessPolicy) -> bool:
    """Whether the age of what is missing counts from its start, up to which the data are complete."""
    return policy.basis == "data" and not isinstance(policy, CronFreshnessPolicy)


def window_end(partitions: AnyPartitionsDefinition | None, key: str | None) -> datetime | None:
    """Where the time window of a partition ends, if it has one."""
    found = None if key is None else time_part(partitions, key)
    if found is None:
        return None
    windows, part = found
    start = windows.start_of(part)
    return None if start is None else windows.ticks.after(start)
