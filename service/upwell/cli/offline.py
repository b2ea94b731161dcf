"""The API without a service: the web station over a journal that is only read, and definitions loaded just for it."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from anyio import to_thread
from starlette.types import ASGIApp

from upwell.cli.definitions import Found, find_definitions
from upwell.cli.failures import Unreachable
from upwell.cli.output import note
from upwell.clock import SystemClock
from upwell.definitions.freshness.defaults import default_policies
from upwell.definitions.project import Project
from upwell.definitions.snapshot import AssetNode, Snapshot
from upwell.errors import DefinitionError, JournalUnavailable
from upwell.events import Event
from upwell.journal.database import open_journal
from upwell.journal.journal import Progress, Receipt, Record, StillQueued
from upwell.journal.queries import Queries
from upwell.journal.reading import read_journal
from upwell.runtime.messages import LocationSpec
from upwell.settings import Settings
from upwell.web.app import build_app
from upwell.web.parts import WebParts


class ClosedJournal:
    """A journal that nothing can be written to: no service runs."""

    def __init__(self, head: int) -> None:
        self.head = head

    async def append(
        self, *events: Event, progress: Progress | None = None, expect: Sequence[StillQueued] = ()
    ) -> tuple[Receipt, ...]:
        """Refuse."""
        raise JournalUnavailable("no service runs that could write the journal")

    def post(self, *events: Event) -> None:
        """Refuse."""
        raise JournalUnavailable("no service runs that could write the journal")

    async def flush(self) -> None:
        """Return: nothing waits."""

    async def subscribe(self, after: int) -> AsyncIterator[Sequence[Record]]:
        """End at once: nothing more will happen."""
        return
        yield


@asynccontextmanager
async def offline_app(
    settings: Settings, specs: Sequence[LocationSpec], reason: str, *, needs_definitions: bool
) -> AsyncIterator[ASGIApp]:
    """The API's application over what is on disk.

    Raises:
        Unreachable: neither a journal nor definitions are there.
    """
    path = settings.sqlite_path
    if path is None or not await to_thread.run_sync(path.is_file):
        path = None
    if path is None and not (specs and needs_definitions):
        raise Unreachable(
            f"the service at {settings.base_url} cannot be reached ({reason}), and there is no database in "
            f"{settings.home}. Start the service with `upwell dev -f FILE`, or set UPWELL_URL or UPWELL_HOME"
        )
    async with _queries(path) as queries:
        project = await _project(settings, specs, queries) if needs_definitions else Project()
        journal = ClosedJournal(await queries.head())
        yield build_app(WebParts(journal=journal, queries=queries, project=project, clock=SystemClock()))


@asynccontextmanager
async def _queries(path: Path | None) -> AsyncIterator[Queries]:
    if path is not None:
        async with read_journal(path) as queries:
            yield queries
        return
    # Nothing ever happened here: a journal that is empty says just that.
    with tempfile.TemporaryDirectory(prefix="upwell-") as folder:
        async with open_journal(f"sqlite+aiosqlite:///{folder}/upwell.db", clock=SystemClock()) as journal:
            yield journal.queries


async def _project(settings: Settings, specs: Sequence[LocationSpec], queries: Queries) -> Project:
    if specs:
        defaults = default_policies(settings.freshness.defaults)
        found: Found = await to_thread.run_sync(find_definitions, specs, settings.home, defaults)
        problems = "\n".join(map(str, found.problems))
        if problems and not found.project.loaded:
            raise DefinitionError(problems)
        if problems:
            note(problems)
        found.project.dynamic.replace(await queries.dynamic_partitions())
        return found.project
    # No definitions are known: the assets that the journal has heard of, without their edges.
    project = Project()
    known = await queries.asset_states()
    project.replace(Snapshot(location="journal", assets=tuple(AssetNode(key=key, step=None) for key in sorted(known))))
    return project
