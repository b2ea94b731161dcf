"""Readiness: the service takes work, has code, and a canary just went through journal and reactor."""

from __future__ import annotations

from upwell.journal.canary import CanaryProbe, Stuck
from upwell.web.models import Readiness
from upwell.web.parts import WebParts


class NotReady(Exception):
    """A hop of the way fails; `hop` names it."""

    def __init__(self, hop: str, detail: str) -> None:
        self.hop = hop
        self.detail = detail
        super().__init__(detail)


class ReadinessProbe:
    """Asks whether an event would be taken, decided and answered now."""

    def __init__(self, parts: WebParts) -> None:
        self._parts = parts
        self._canaries = CanaryProbe(parts.journal, parts.clock)

    async def prove(self) -> Readiness:
        """The proof, not older than two seconds.

        Raises:
            NotReady: with the hop that fails: stopping, definitions, journal or reactor.
        """
        if self._parts.draining.is_set():
            raise NotReady("stopping", "The service is stopping.")
        if not self._parts.project.loaded:
            raise NotReady("definitions", "No code location is loaded yet.")
        try:
            proof = await self._canaries.prove()
        except Stuck as stuck:
            raise NotReady(stuck.hop, stuck.detail) from None
        return Readiness(event_id=proof.event_id, milliseconds=proof.milliseconds)
