"""What may run at the same time: runs by lane, steps by slots, pools and the partition they write. Pure."""

from __future__ import annotations

import heapq
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from upwell.events import RunId

Resource: TypeAlias = Hashable
"""Something that only so many steps may hold at once."""

_STEPS: Resource = ("steps",)


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How much runs at once: runs, steps over all runs, and steps of each named pool (unnamed pools: no limit)."""

    max_runs: int = 16
    max_steps: int = 16
    pools: Mapping[str, int] = field(default_factory=dict)


class RunQueue:
    """Which queued run may start: the oldest whose lane is free, while fewer than `max_runs` are under way."""

    def __init__(self, max_runs: int) -> None:
        self._max_runs = max_runs
        self._waiting: dict[str, list[tuple[int, RunId]]] = {}  # by lane, a heap
        self._heads: list[
            tuple[int, RunId, str]
        ] = []  # candidates, a heap; stale entries are dropped when they surface
        self._lane_of: dict[RunId, str] = {}
        self._under_way: dict[str, RunId] = {}  # by lane

    def __len__(self) -> int:
        """How many runs wait."""
        return len(self._lane_of) - len(self._under_way)

    def add(self, run_id: RunId, lane: str, order: int) -> None:
        """Queue a run; `order` is its place in the journal."""
        self._lane_of[run_id] = lane
        heapq.heappush(self._waiting.setdefault(lane, []), (order, run_id))
        self._offer(lane)

    def occupy(self, run_id: RunId, lane: str) -> None:
        """Take a run as under way already (it was, before a restart)."""
        self._lane_of[run_id] = lane
        self._under_way[lane] = run_id

    def start_next(self) -> RunId | None:
        """Move the next run that may start out of the queue, if there is one."""
        while self._heads and len(self._under_way) < self._max_runs:
            _, run_id, lane = heapq.heappop(self._heads)
            if lane in self._under_way or self._head(lane) != run_id:
                continue
            heapq.heappop(self._waiting[lane])
            self._under_way[lane] = run_id
            return run_id
        return None

    def remove(self, run_id: RunId) -> None:
        """The run ended, or was cancelled while it waited."""
        lane = self._lane_of.pop(run_id, None)
        if lane is None:
            return
        if self._under_way.get(lane) == run_id:
            del self._under_way[lane]
        self._offer(lane)

    def _offer(self, lane: str) -> None:
        head = self._head(lane)
        if head is not None and lane not in self._under_way:
            heapq.heappush(self._heads, (self._waiting[lane][0][0], head, lane))

    def _head(self, lane: str) -> RunId | None:
        waiting = self._waiting.get(lane, [])
        while waiting and waiting[0][1] not in self._lane_of:
            heapq.heappop(waiting)
        if not waiting:
            self._waiting.pop(lane, None)
            return None
        return waiting[0][1]


@dataclass(frozen=True, slots=True)
class Ticket:
    """A step that wants to run, and all that it must hold for that."""

    run_id: RunId
    step_id: str
    attempt: int
    resources: tuple[Resource, ...]


class StepSlots:
    """Hands out what steps must hold, first come, first served; a step that lacks something holds nothing.

    A waiting ticket is parked at the first resource that it lacks, so that freeing one costs only those parked there.
    """

    def __init__(self, limits: Limits) -> None:
        self._capacity: dict[Resource, int] = {("pool", name): size for name, size in limits.pools.items()}
        self._capacity[_STEPS] = limits.max_steps
        self._used: dict[Resource, int] = {}
        self._parked: dict[Resource, dict[Ticket, None]] = {}
        self._parked_at: dict[Ticket, Resource] = {}

    def ticket(
        self,
        run_id: RunId,
        step_id: str,
        attempt: int,
        *,
        pool: str | None,
        writes: Iterator[tuple[str, str | None]],
    ) -> Ticket:
        """A ticket for a step that writes these partitions of assets; only one step may write each at a time."""
        resources: list[Resource] = [("asset", *pair) for pair in writes]
        if pool is not None and ("pool", pool) in self._capacity:
            resources.append(("pool", pool))
        return Ticket(run_id, step_id, attempt, (*resources, _STEPS))

    def take(self, ticket: Ticket) -> bool:
        """Whether the step may run now; if not, it is handed out by a later `release`."""
        for resource in ticket.resources:
            if self._used.get(resource, 0) >= self._limit(resource):
                self._parked.setdefault(resource, {})[ticket] = None
                self._parked_at[ticket] = resource
                return False
        for resource in ticket.resources:
            self._used[resource] = self._used.get(resource, 0) + 1
        return True

    def release(self, ticket: Ticket) -> list[Ticket]:
        """Give back what `ticket` held; return the tickets that may run now."""
        for resource in ticket.resources:
            self._used[resource] -= 1
            if not self._used[resource]:
                del self._used[resource]
        granted: list[Ticket] = []
        for resource in ticket.resources:
            self._wake(resource, granted)
        return granted

    def discard(self, ticket: Ticket) -> None:
        """Forget a ticket that waits."""
        resource = self._parked_at.pop(ticket, None)
        if resource is not None:
            self._unpark(ticket, resource)

    def _wake(self, resource: Resource, granted: list[Ticket]) -> None:
        while (parked := self._parked.get(resource)) and self._used.get(resource, 0) < self._limit(resource):
            ticket = next(iter(parked))
            del self._parked_at[ticket]
            self._unpark(ticket, resource)
            if self.take(ticket):
                granted.append(ticket)

    def _unpark(self, ticket: Ticket, resource: Resource) -> None:
        parked = self._parked[resource]
        del parked[ticket]
        if not parked:
            del self._parked[resource]

    def _limit(self, resource: Resource) -> int:
        return self._capacity.get(resource, 1)
