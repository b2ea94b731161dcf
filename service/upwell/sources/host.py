"""Runs the declared sources: each in a task of its own, each batch committed before the next is asked for."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from typing import Protocol, TypeAlias

import anyio
import anyio.abc
import structlog

from upwell.clock import Clock
from upwell.definitions.graph import AssetGraph
from upwell.definitions.project import Project
from upwell.definitions.reactions import SourceSpec
from upwell.errors import JournalUnavailable, SourceError, UpwellError
from upwell.events import (
    ErrorInfo,
    Event,
    Json,
    ListeningPaused,
    ListeningResumed,
    SourceFailing,
    SourceWorking,
)
from upwell.sources.secrets import resolved
from upwell.sources.source import Emitted, EventSource
from upwell.sources.troubles import Failing, Troubles

SourceFactory: TypeAlias = Callable[..., EventSource]
"""Makes a source: `factory(name, **params)`."""

ENTRY_POINTS = "upwell.sources"
FED_BY_THE_WEB_SERVER = frozenset({"webhook"})

_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 60.0  # seconds before a source that failed is started again
_PROVEN_AFTER = 30.0  # seconds for which a source that failed has to run to be taken to work, if it tells nothing
_FIRST_RETRY, _LONGEST_RETRY = 0.1, 5.0  # seconds before a batch that could not be stored is tried again

log = structlog.get_logger(__name__)


class Switch(Protocol):
    """What somebody said last about whether something listens."""

    @property
    def what(self) -> str: ...

    @property
    def name(self) -> str: ...

    @property
    def active(self) -> bool: ...


class Told(Protocol):
    """An event of the journal in its place."""

    @property
    def event(self) -> Event: ...


class Inbox(Protocol):
    """What the host needs of the journal."""

    @property
    def head(self) -> int:
        """The id of the newest event."""

    def subscribe(self, after: int) -> AsyncIterator[Sequence[Told]]:
        """Every event with an id above `after`, without end."""

    async def append(self, *events: Emitted) -> object:
        """Write events in one transaction; return once they are on disk."""

    async def flush(self) -> None:
        """Return once everything appended before is on disk."""


class Cursors(Protocol):
    """What the host needs of the queries."""

    async def source_cursor(self, source: str) -> dict[str, Json]:
        """What the source's committed events told it to remember."""

    async def switches(self) -> Sequence[Switch]:
        """What somebody paused or resumed."""

    async def failing_sources(self) -> Sequence[Failing]:
        """The sources of which it was told that they fail."""


@dataclass(kw_only=True)
class _Running:
    spec: SourceSpec
    committed: int = 0  # events since it was started
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    ended: anyio.Event = field(default_factory=anyio.Event)


class SourceHost:
    """Every source of the graph except webhooks, started, stopped and restarted as the graph changes.

    A source that fails is logged and started again after a pause, from the cursor of its last commit; it hurts no
    other. That it fails, and that it works again, is told in the journal once. While the journal cannot store, a source
    waits with its batch. The cursor of a source that is no longer declared, or that is paused, is kept: when it comes
    back, it goes on from there.

    Args:
        clean: takes secrets out of what an error says.
    """

    def __init__(
        self,
        journal: Inbox,
        cursors: Cursors,
        project: Project,
        clock: Clock,
        factories: Mapping[str, SourceFactory] | None = None,
        environ: Mapping[str, str] = os.environ,
        *,
        clean: Callable[[str], str] = str,
    ) -> None:
        self._journal = journal
        self._cursors = cursors
        self._project = project
        self._clock = clock
        self._factories = dict(factories or {})
        self._environ = environ
        self._troubles = Troubles(clock, clean)
        self._running: dict[str, _Running] = {}
        self._paused: set[str] = set()
        self._changed = anyio.Event()

    async def run(self, *, task_status: anyio.abc.TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Keep the sources of the present graph running."""
        self._project.watch(self._on_change)
        known_until = self._journal.head
        self._paused = {one.name for one in await self._cursors.switches() if one.what == "source" and not one.active}
        self._troubles.restore(await self._cursors.failing_sources())
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._obey_switches, known_until)
            task_status.started()
            while True:
                self._changed = anyio.Event()
                self._reconcile(tasks)
                await self._changed.wait()

    async def _obey_switches(self, after: int) -> None:
        async for batch in self._journal.subscribe(after):
            for told in batch:
                match told.event:
                    case ListeningPaused(what="source", name=name):
                        self._paused.add(name)
                    case ListeningResumed(what="source", name=name):
                        self._paused.discard(name)
                    case _:
                        continue
                self._changed.set()

    def _on_change(self, graph: AssetGraph) -> None:
        self._changed.set()

    def _reconcile(self, tasks: anyio.abc.TaskGroup) -> None:
        declared = self._project.graph.sources
        wanted = {
            name: spec
            for name, spec in declared.items()
            if spec.kind not in FED_BY_THE_WEB_SERVER and name not in self._paused
        }
        for name, running in list(self._running.items()):
            if wanted.get(name) != running.spec:
                running.scope.cancel()
                if name not in wanted:
                    del self._running[name]
        for name, spec in wanted.items():
            before = self._running.get(name)
            if before is None or before.spec != spec:
                self._running[name] = running = _Running(spec=spec)
                tasks.start_soon(self._run, running, before)

    async def _run(self, running: _Running, before: _Running | None) -> None:
        """One source, until it is no longer wanted; begins when the one that it replaces has ended."""
        try:
            with running.scope:
                if before is not None:
                    await before.ended.wait()
                await self._keep_going(running)
        finally:
            running.ended.set()

    async def _keep_going(self, running: _Running) -> None:
        source, pause, last = running.spec.name, _FIRST_PAUSE, ""
        while True:
            running.committed = 0
            try:
                await self._listen(running, max(pause, _PROVEN_AFTER))
            except Exception as error:
                pause = _FIRST_PAUSE if running.committed else pause
                cause, reason = _innermost(error), _reason(error)
                # A sentence meant for people says everything; anything else shows its traceback once.
                trace = None if isinstance(cause, UpwellError) or reason == last else error
                log.error("source.failed", source=source, error=reason, retry_in=pause, exc_info=trace)
                last = reason
                if not isinstance(cause, JournalUnavailable):
                    told = self._troubles.failed(source, ErrorInfo(type=type(cause).__name__, message=reason))
                    await self._commit(source, told)
            await self._clock.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    async def _listen(self, running: _Running, proven_after: float) -> None:
        """Commit what the source tells, until it fails."""
        spec = running.spec
        source = self._make(spec)
        await self._journal.flush()  # a batch of its predecessor may still be on its way
        cursor = await self._cursors.source_cursor(spec.name)
        async with (
            self._proving(spec.name, proven_after),
            aclosing(source.events(cursor, self._clock)) as batches,  # type: ignore[type-var]
        ):
            async for batch in batches:
                running.committed += await self._take(spec.name, batch)
        raise SourceError(f"source {spec.name!r} ended; a source goes on for ever, or raises")

    @asynccontextmanager
    async def _proving(self, source: str, seconds: float) -> AsyncIterator[None]:
        """Meanwhile, take a source that failed to work again when it has run for so long."""
        if not self._troubles.unproven(source):
            yield
            return
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._prove, source, seconds)
            yield
            tasks.cancel_scope.cancel()

    async def _prove(self, source: str, seconds: float) -> None:
        await self._clock.sleep(seconds)
        if self._troubles.unproven(source):
            await self._commit(source, self._troubles.works(source))

    def _make(self, spec: SourceSpec) -> EventSource:
        return self._factory(spec.kind)(spec.name, **resolved(spec.params, self._environ))

    def _factory(self, kind: str) -> SourceFactory:
        if kind not in self._factories:
            installed = entry_points(group=ENTRY_POINTS)
            if kind not in installed.names:
                raise SourceError(
                    f"no source of kind {kind!r} is installed; there are {', '.join(sorted(installed.names))}. "
                    f"Install the package that has it, or register it as an entry point in {ENTRY_POINTS!r}"
                )
            self._factories[kind] = installed[kind].load()
        return self._factories[kind]

    async def _take(self, source: str, batch: Sequence[Emitted]) -> int:
        """Commit a batch; answer how many events it had."""
        if wrong := next((event.source for event in batch if event.source != source), None):
            raise SourceError(f"source {source!r} told an event of {wrong!r}; events carry their own source's name")
        await self._commit(source, self._troubles.read(source, batch))
        return sum(not isinstance(event, SourceFailing | SourceWorking) for event in batch)

    async def _commit(self, source: str, events: Sequence[Emitted]) -> None:
        """Write events, however long the journal refuses."""
        pause = _FIRST_RETRY
        while events:
            try:
                await self._journal.append(*events)
                self._troubles.note(events)
                return
            except JournalUnavailable as error:
                log.warning("source.waits", source=source, events=len(events), error=str(error), retry_in=pause)
            await self._clock.sleep(pause)
            pause = min(2 * pause, _LONGEST_RETRY)


def _reason(error: Exception) -> str:
    cause = _innermost(error)
    return str(cause) or type(cause).__name__


def _innermost(error: BaseException) -> BaseException:
    """The one that matters, out of the groups that task groups wrap around it."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error
