"""Tells somebody outside, again and again, that the service is alive: who hears nothing any more knows that it is not.

It is told only after everything that has to make progress has proved that it does. A part that is stuck makes it stop,
as a service that has ended does; the log says which part it was.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

import anyio
import anyio.abc
import httpx
import structlog

from upwell.alerts.blotting import blotted
from upwell.alerts.outgoing import CallRefused, Outgoing
from upwell.clock import Clock
from upwell.journal.canary import Stuck

Proof: TypeAlias = Callable[[], Awaitable[object]]
"""Returns when a part makes progress, and raises `Stuck`, in bounded time, when it does not."""

_LONGEST_CALL = 10.0

log = structlog.get_logger(__name__)


class Heartbeat:
    """One beat each interval.

    Args:
        url: what is asked; it is secret, for whoever knows it can keep the watch quiet.
        proofs: of each part that has to make progress.
        tell_failures: whether `url/fail` is asked, with the reason, when one does not.
    """

    def __init__(
        self,
        url: str,
        interval: float,
        proofs: Sequence[Proof],
        outgoing: Outgoing,
        clock: Clock,
        *,
        tell_failures: bool = False,
    ) -> None:
        self._url = url
        self._interval = interval
        self._proofs = tuple(proofs)
        self._outgoing = outgoing
        self._clock = clock
        self._tell_failures = tell_failures
        self._stuck: str | None = None

    async def run(self, *, task_status: anyio.abc.TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Beat for ever."""
        task_status.started()
        while True:
            await self.beat()
            await self._clock.sleep(self._interval)

    async def beat(self) -> None:
        """Ask everybody for a proof, and tell the outside if all have one."""
        stuck = await self._who_is_stuck()
        if stuck is None:
            if self._stuck is not None:
                log.info("heartbeat.resumed", part=self._stuck)
            self._stuck = None
            await self._call(self._url, b"")
            return
        if stuck.hop != self._stuck:
            log.error("heartbeat.withheld", part=stuck.hop, reason=stuck.detail)
        self._stuck = stuck.hop
        if self._tell_failures:
            await self._call(f"{self._url.rstrip('/')}/fail", f"{stuck.hop}: {stuck.detail}".encode())

    async def _who_is_stuck(self) -> Stuck | None:
        for proof in self._proofs:
            try:
                await proof()
            except Stuck as stuck:
                return stuck
        return None

    async def _call(self, url: str, body: bytes) -> None:
        try:
            reply = await self._outgoing.post(url, body, timeout=_LONGEST_CALL)
        except (CallRefused, httpx.HTTPError, OSError, TimeoutError) as error:
            log.warning("heartbeat.failed", error=blotted(f"{type(error).__name__}: {error}", [self._url]))
            return
        if not 200 <= reply.status < 300:
            log.warning("heartbeat.failed", error=f"answered {reply.status}")
