"""A proof of progress: a canary goes through journal and reactor, and its decision comes back.

An open port proves nothing. What is asked here is that an event would be stored, decided and seen by its followers now.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass

import anyio

from upwell.clock import Clock
from upwell.errors import JournalUnavailable
from upwell.events import Canary, EventDecided
from upwell.journal.journal import Journal

PROOF_FOR = 2.0
"""Seconds that a proof stays good, and the longest a canary may take."""


class Stuck(Exception):
    """A hop of the way fails; `hop` names it: journal or reactor."""

    def __init__(self, hop: str, detail: str) -> None:
        self.hop = hop
        self.detail = detail
        super().__init__(detail)


@dataclass(frozen=True, kw_only=True, slots=True)
class Proof:
    """The decision that came back, how long it took, and when that was (of the monotonic clock)."""

    event_id: int
    milliseconds: float
    at: float


class CanaryProbe:
    """Sends canaries; many askers at one time share one."""

    def __init__(self, journal: Journal, clock: Clock) -> None:
        self._journal = journal
        self._clock = clock
        self._one_at_a_time = anyio.Lock()
        self._proof: Proof | None = None

    async def prove(self) -> Proof:
        """The proof, not older than two seconds.

        Raises:
            Stuck: with the hop that fails.
        """
        async with self._one_at_a_time:
            now = self._clock.monotonic()
            if self._proof is None or not 0 <= now - self._proof.at < PROOF_FOR:
                self._proof = None
                self._proof = await self._send_canary(now)
            return self._proof

    async def _send_canary(self, begun: float) -> Proof:
        canary_id: int | None = None
        with anyio.move_on_after(PROOF_FOR):
            canary_id = await self._store_canary()
            decision_id = await self._decision_about(canary_id)
            at = self._clock.monotonic()
            return Proof(event_id=decision_id, milliseconds=round((at - begun) * 1000, 3), at=at)
        if canary_id is None:
            raise Stuck("journal", f"The journal did not store an event within {PROOF_FOR} s.")
        raise Stuck("reactor", f"The reactor did not decide about event {canary_id} within {PROOF_FOR} s.")

    async def _store_canary(self) -> int:
        try:
            (receipt,) = await self._journal.append(Canary(nonce=uuid.uuid4().hex))
        except JournalUnavailable:
            raise Stuck("journal", "The journal cannot store anything at present.") from None
        return receipt.id

    async def _decision_about(self, canary_id: int) -> int:
        async for records in self._journal.subscribe(canary_id):
            for record in records:
                if isinstance(record.event, EventDecided) and canary_id in record.event.event_ids:
                    return record.id
        raise Stuck("journal", "The journal has ended.")
