"""Tells every sink, each on a lane of its own; makes the sinks that the settings ask for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import entry_points
from typing import Protocol

import anyio
import anyio.abc
import structlog

from upwell.alerts.blotting import blotted, secrets_of
from upwell.alerts.lane import CONSUMERS, Lane, Outlet, Readers
from upwell.alerts.outgoing import Outgoing
from upwell.alerts.routing import Knowing, Reader
from upwell.alerts.sinks.sink import MakeSink, SinkOptions
from upwell.clock import Clock
from upwell.errors import JournalUnavailable
from upwell.journal.journal import Journal, Progress

ENTRY_POINTS = "upwell.alert_sinks"

_RETIRED = 2**62  # the position of a sink that is no more: it holds back nothing that is old enough to be pruned
_PAUSE = 5.0  # seconds, while the journal refuses

log = structlog.get_logger(__name__)


class DispatchQueries(Readers, Protocol):
    """What the dispatcher asks of the journal."""

    async def consumers(self, prefix: str) -> Mapping[str, int]: ...


class KnowingLater(Knowing, Protocol):
    """What is known of assets, once any code is loaded."""

    async def until_known(self) -> None: ...


class Dispatcher:
    """Starts a lane for each outlet. One that is new is told what happens from now on.

    Args:
        clean: takes secrets out of what user code said.
    """

    def __init__(
        self,
        journal: Journal,
        queries: DispatchQueries,
        knowing: KnowingLater,
        clock: Clock,
        outlets: Sequence[Outlet],
        *,
        clean: Callable[[str], str] = str,
    ) -> None:
        self._journal = journal
        self._queries = queries
        self._knowing = knowing
        self._clock = clock
        self._outlets = tuple(outlets)
        self._lanes = {outlet.name: Lane(outlet, journal, queries, knowing, clock, clean) for outlet in outlets}

    async def run(self, *, task_status: anyio.abc.TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Tell for ever."""
        positions = await self._positions()
        task_status.started()
        async with anyio.create_task_group() as tasks:
            for outlet in self._outlets:
                tasks.start_soon(self._tell, outlet, positions[outlet.name])

    async def _tell(self, outlet: Outlet, position: int) -> None:
        if outlet.reader.is_particular:
            await self._knowing.until_known()
        await self._lanes[outlet.name].run(position)

    async def _positions(self) -> dict[str, int]:
        """How far each lane is; those that are new, and those that are gone, are noted."""
        while True:
            try:
                known = await self._queries.consumers(CONSUMERS)
                head = self._journal.head
                positions = {one.name: min(known.get(one.consumer, head), head) for one in self._outlets}
                for outlet in self._outlets:
                    if known.get(outlet.consumer) != positions[outlet.name]:
                        await self._note(outlet.consumer, positions[outlet.name])
                for consumer in known.keys() - {outlet.consumer for outlet in self._outlets}:
                    await self._note(consumer, _RETIRED)
                return positions
            except JournalUnavailable as error:
                log.warning("alerts.waiting", reason=str(error))
            await self._clock.sleep(_PAUSE)

    async def _note(self, consumer: str, position: int) -> None:
        await self._journal.append(progress=Progress(consumer=consumer, event_id=position))


def make_outlet(
    kind: str,
    options: SinkOptions,
    reader: Reader,
    outgoing: Outgoing,
    clock: Clock,
    *,
    rate: int,
    give_up_after: float,
    kinds: Callable[[], Mapping[str, MakeSink]] | None = None,
) -> Outlet | None:
    """A sink of the settings; None, with a line that says why, where it cannot be made."""
    try:
        sink = _maker(kind, kinds)(options, outgoing, clock)
    except Exception as error:  # noqa: BLE001  # a plugin may raise anything, and the other sinks are to work
        text = blotted(str(error), secrets_of(options))
        log.error("alert.sink_unusable", sink=options.name, kind=kind, reason=text)
        return None
    return Outlet(
        name=options.name,
        sink=sink,
        reader=reader,
        rate=rate,
        timeout=options.timeout,
        give_up_after=give_up_after,
        secrets=secrets_of(options),
    )


def _maker(kind: str, kinds: Callable[[], Mapping[str, MakeSink]] | None) -> MakeSink:
    if kinds is not None:
        return kinds()[kind]
    found = {point.name: point for point in entry_points(group=ENTRY_POINTS)}
    if kind not in found:
        raise ValueError(f"there is no kind of sink {kind!r}; there are {', '.join(sorted(found))}")
    try:
        maker: MakeSink = found[kind].load()
    except ImportError as error:
        raise ValueError(f"it needs a library that is not installed ({error}); pip install 'upwell[alerts]'") from error
    return maker
