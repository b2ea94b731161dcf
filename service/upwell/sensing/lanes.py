"""The calls of one sensor: one after the other, in order, each with what the one before left. Pure."""

from __future__ import annotations

import hashlib
from collections import deque
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from upwell.clock import NEVER
from upwell.definitions.snapshot import SensorNode
from upwell.events import Listening, SensorEvaluated, SensorFailed
from upwell.journal.views import SensorState
from upwell.sensing.outcomes import Call, interval_of, pause_after

_LONGEST_PHASE = 30.0  # seconds within which every sensor that is new has been called


@dataclass(frozen=True, kw_only=True, slots=True)
class Memory:
    """What a sensor's next call has of those before."""

    cursor: str | None = None
    run_key: str | None = None
    called_at: datetime | None = None


@dataclass(kw_only=True, eq=False, slots=True)
class Lane:
    """One sensor, its calls that wait, and when the next one is due.

    Deadlines are instants of a steady clock. The first call in the queue holds up those behind it, also while it waits
    to be tried again: a sensor sees events in order.
    """

    name: str
    node: SensorNode | None = None
    location: str = ""
    code_hash: str = ""
    switched: bool | None = None
    memory: Memory = Memory()
    failures: int = 0
    queued: bool = False
    busy: bool = False
    waiting: deque[Call] = field(default_factory=deque)
    poll_at: datetime = NEVER

    @property
    def active(self) -> bool:
        """Whether it is defined and switched on."""
        return self.node is not None and (self.node.active if self.switched is None else self.switched)

    @property
    def what(self) -> Listening:
        """As what it is switched off and on."""
        return "schedule" if self.node is not None and self.node.kind == "schedule" else "sensor"

    def restore(self, state: SensorState) -> None:
        """Take over what the journal remembers."""
        self.memory = Memory(cursor=state.cursor, run_key=state.run_key, called_at=state.called_at)
        self.failures = state.failures

    def due_at(self) -> datetime:
        """When the next call is due, or NEVER."""
        if self.busy or not self.active:
            return NEVER
        return min(self.waiting[0].due_at, self.poll_at) if self.waiting else self.poll_at

    def follow(
        self,
        node: SensorNode | None,
        location: str,
        code_hash: str,
        switched: bool | None,
        *,
        wall: datetime,
        now: datetime,
    ) -> None:
        """Take over how it is defined and switched now."""
        before, was_active = self.node, self.active
        mended = bool(self.code_hash) and self.code_hash != code_hash
        self.node, self.location, self.code_hash = node, location, code_hash or self.code_hash
        self.switched = switched
        if node is None or node.kind != "polling":
            self.poll_at = NEVER
        elif before is None or before.kind != "polling" or before.interval != node.interval:
            self.poll_at = self._first_poll(node, wall, now)
        if mended:  # new code may do better
            self._make_due(now)
        elif before is not None and not was_active:
            self.resumed(now)

    def switch(self, active: bool, now: datetime) -> None:
        """Somebody switched it off or on."""
        was_active, self.switched = self.active, active
        if not was_active:
            self.resumed(now)

    def resumed(self, now: datetime) -> None:
        """It is active again: what it would have been called for is due at once."""
        if self.active and self.node is not None and self.node.kind == "polling":
            self.poll_at = now

    def take(self, now: datetime) -> Call | None:
        """The call that is due, if there is one; until it is settled there is no other."""
        if self.due_at() > now:
            return None
        self.busy = True
        if self.waiting and self.waiting[0].due_at <= now:
            return self.waiting[0]
        return Call(due_at=self.poll_at, attempt=self.failures + 1)

    def settle(self, call: Call, ended: SensorEvaluated | SensorFailed, *, wall: datetime, now: datetime) -> None:
        """The call has ended, at `wall`, and that is on disk."""
        self.busy = False
        self.memory = replace(self.memory, called_at=wall)
        pause = interval_of(self.node) if self.node is not None else 0.0
        if isinstance(ended, SensorEvaluated):
            keys = [run.run_key for run in ended.runs if run.run_key is not None]
            self.memory = replace(
                self.memory,
                cursor=self.memory.cursor if ended.cursor is None else ended.cursor,
                run_key=keys[-1] if keys else self.memory.run_key,
            )
            self.failures = 0
        else:
            self.failures = ended.attempt
            if ended.retry_at is not None:
                pause = (ended.retry_at - wall).total_seconds()
        after = now + timedelta(seconds=pause)
        if call.trigger_id is None:
            if self.node is not None and self.node.kind == "polling":
                self.poll_at = after
        elif isinstance(ended, SensorFailed) and ended.retry_at is not None:
            self.waiting[0] = replace(call, attempt=call.attempt + 1, due_at=after)
        else:
            self.waiting.popleft()

    def _first_poll(self, node: SensorNode, wall: datetime, now: datetime) -> datetime:
        """After a restart, when it would have been; for what is new, spread by name: not all at one instant."""
        interval = interval_of(node)
        if self.memory.called_at is None:
            digest = hashlib.blake2s(self.name.encode(), digest_size=4).digest()
            return now + timedelta(seconds=min(interval, _LONGEST_PHASE) * int.from_bytes(digest, "big") / 2**32)
        pause = max(interval, pause_after(self.failures, 0.5)) if self.failures else interval
        # The wall clock may have been set since: neither later than in one pause, nor before now.
        passed = max(0.0, (wall - self.memory.called_at).total_seconds())
        return now + timedelta(seconds=max(0.0, pause - passed))

    def _make_due(self, now: datetime) -> None:
        if self.failures and self.node is not None and self.node.kind == "polling":
            self.poll_at = min(self.poll_at, now)
        if self.waiting:
            self.waiting[0] = replace(self.waiting[0], due_at=min(self.waiting[0].due_at, now))
