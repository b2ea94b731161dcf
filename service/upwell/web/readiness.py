"""Readiness as a proof of progress: a canary goes through journal and reactor, and its decision comes back.

An open port proves nothing. What is asked here is that an event would be stored, decided and seen by its followers now.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass

import anyio

from upwell.errors import JournalUnavailable
from upwell.events import Canary, EventDecided
from upwell.web.models import Readiness
from upwell.web.parts import WebParts

PROOF_FOR = 2.0
"""Seconds that a proof stays good, and the longest a canary may take."""


class NotReady(Exception):
    """A hop of the way fails; `hop` names it."""

    def __init__(self, hop: str, detail: str) -> None:
        self.hop = hop
        self.detail = detail
        super().__init__(detail)


@dataclass(frozen=True, kw_only=True)
class _Proof:
    readiness: Readiness
    at: float


class ReadinessProbe:
    """Sends canaries; many askers at one time share one."""

    def __init__(self, parts: WebParts) -> None:
        self._parts = parts
        self._one_at_a_time = anyio.Lock()
        self._proof: _Proof | None = None

    async def prove(self) -> Readiness:
        """The proof, not older than two seconds.

        Raises:
            NotReady: with the hop that fails: stopping, definitions, journal or reactor.
        """
        if self._parts.draining.is_set():
            raise NotReady("stopping", "The service is stopping.")
        if not self._parts.project.loaded:
            raise NotReady("definitions", "No code location is loaded yet.")
        async with self._one_at_a_time:
            now = self._parts.clock.monotonic()
            if self._proof is None or not 0 <= now - self._proof.at < PROOF_FOR:
                self._proof = None
                self._proof = await self._send_canary(now)
            return self._proof.readiness

    async def _send_canary(self, begun: float) -> _Proof:
        canary_id: int | None = None
        with anyio.move_on_after(PROOF_FOR):
            canary_id = await self._store_canary()
            decision_id = await self._decision_about(canary_id)
            at = self._parts.clock.monotonic()
            milliseconds = round((at - begun) * 1000, 3)
            return _Proof(readiness=Readiness(event_id=decision_id, milliseconds=milliseconds), at=at)
        if canary_id is None:
            raise NotReady("journal", f"The journal did not store an event within {PROOF_FOR} s.")
        raise NotReady("reactor", f"The reactor did not decide about event {canary_id} within {PROOF_FOR} s.")

    async def _store_canary(self) -> int:
        try:
            (receipt,) = await self._parts.journal.append(Canary(nonce=uuid.uuid4().hex))
        except JournalUnavailable:
            raise NotReady("journal", "The journal cannot store anything at present.") from None
        return receipt.id

    async def _decision_about(self, canary_id: int) -> int:
        async for records in self._parts.journal.subscribe(canary_id):
            for record in records:
                if isinstance(record.event, EventDecided) and canary_id in record.event.event_ids:
                    return record.id
        raise NotReady("journal", "The journal has ended.")
