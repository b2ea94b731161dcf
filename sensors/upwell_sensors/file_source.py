"""The file source at work: looks where the kernel hints at, where a file may have settled, and now and then anyway."""

from __future__ import annotations

import errno
import heapq
import math
import os
import threading
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial

import anyio
import anyio.to_thread
import structlog

from upwell.clock import Clock
from upwell.durations import parse_duration
from upwell.events import FileChanged, SourceAdvanced
from upwell.sources.background import Background, first_of
from upwell.sources.source import Cursor, Emitted
from upwell_sensors.contents import Stopped, digest
from upwell_sensors.known_files import Change, FileTable
from upwell_sensors.notification import Hints, Watcher, hears_itself, mount_notifies, set_when_cancelled
from upwell_sensors.patterns import FilePattern
from upwell_sensors.scanning import Found, look

_POLL = 5.0  # seconds between looks where notification is of no use
_BREATH = 0.01  # seconds; files that settle one after the other are looked at together
_CHUNK = 500  # files in one commit
_READ = 1 << 28  # bytes to be read for one commit, where content counts
_REPORTED = 20  # names that are refused after one look, each with a line of its own
_SKEW = 3600.0  # seconds that the clock of another machine, whose files these are, may be slow
_PROBE_PATIENCE = 5.0  # seconds; setting watches on 20,000 folders takes 2.7
_LOOK_AGAIN_AFTER = (0.25, 1.0)  # seconds; files made in a new folder before its watch was set are not told
# Notification may fail without a word, so the whole tree is looked at unasked: each minute, or so seldom that it
# takes no more than a thousandth of a core.
_UNASKED_AFTER = 60.0
_UNASKED_SHARE = 1000.0
_GONE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)  # the last: it has become a link
_BEGAN = ""  # the cursor's entry that says since when this source is at work; no file has that name

log = structlog.get_logger(__name__)


class FileSource:
    """Watches a tree; the cursor is the fingerprint of each file that was told, by path."""

    def __init__(
        self,
        name: str,
        *,
        root: str,
        pattern: str,
        settle: str | timedelta = "200ms",
        content: bool = False,
        deleted: bool = False,
        poll: str | timedelta | None = None,
    ) -> None:
        self.name = name
        self._pattern = FilePattern(root=root, segments=tuple(pattern.split("/")))
        self._settle = parse_duration(settle, what="settle").total_seconds()
        self._content = content
        self._deleted = deleted
        self._poll = None if poll is None else parse_duration(poll, what="poll").total_seconds()
        self._remote = False
        self._reported: set[str] = set()

    async def events(self, cursor: Cursor, clock: Clock) -> AsyncIterator[Sequence[Emitted]]:
        self._remote = not await anyio.to_thread.run_sync(mount_notifies, self._pattern.root)
        table = FileTable(cursor, settle=self._needed_settle(), skew=_SKEW if self._remote else 0.0)
        hints, rescans, stopped = Hints(), _Rescans(self._poll), threading.Event()
        caught_up, began = bool(cursor), _BEGAN in cursor
        async with Background() as background:
            background.start_soon(partial(set_when_cancelled, stopped))
            background.start_soon(partial(self._listen, hints, rescans))
            while True:
                for portion in _portions(await self._look(table, hints, rescans, clock), read=self._content):
                    if self._content:
                        portion = await anyio.to_thread.run_sync(self._read, table, portion, stopped, clock)
                    if portion:
                        yield [self._event(change, table, caught_up) for change in portion]
                if touched := table.touched():
                    yield [SourceAdvanced(source=self.name, cursor=touched)]
                if not began:
                    yield [SourceAdvanced(source=self.name, cursor={_BEGAN: clock.now().isoformat()})]
                caught_up, began = False, True
                await _rest(table, hints, rescans, clock)

    def _needed_settle(self) -> float:
        # Network file systems answer from memory for some seconds: what has not changed must be seen by two looks.
        return max(self._settle, self._poll or _POLL) if self._remote and self._settle else self._settle

    async def _look(self, table: FileTable, hints: Hints, rescans: _Rescans, clock: Clock) -> list[Change]:
        """What is new where somebody hinted at, where a file may have settled, and where a look is due anyway."""
        started = clock.monotonic()
        hinted = hints.take()
        # Before the look: a file's age counts up to when it was looked at, and no further.
        now = clock.now().timestamp()
        # What is written from elsewhere, the kernel here knows nothing of.
        young_after = math.inf if self._remote else now - self._settle
        paths = hinted | rescans.take(started) | table.due(now=now, elapsed=started)

        def look_and_compare() -> tuple[Found, list[Change]]:
            found = look(self._pattern, {""} if "" in paths else paths, young_after=young_after)
            return found, table.update(found, now=now, elapsed=clock.monotonic(), deleted=self._deleted)

        found, changes = await anyio.to_thread.run_sync(look_and_compare)
        self._report(found)
        elapsed = clock.monotonic()
        rescans.looked(hinted & found.folders, everything="" in paths, elapsed=elapsed, took=elapsed - started)
        return changes

    def _read(
        self, table: FileTable, changes: Sequence[Change], stopped: threading.Event, clock: Clock
    ) -> list[Change]:
        """Those of the changes that are changes of content. Blocks; for a thread."""
        told = []
        for change in changes:
            if change.kind == "deleted":
                told.append(change)
                continue
            try:
                found = digest(self._absolute(change.path), change.fingerprint, stopped)
            except Stopped:
                return []
            except OSError as error:
                if error.errno in _GONE:
                    table.doubt(change, elapsed=clock.monotonic())
                    continue
                # It cannot be read here, but perhaps by whoever is told of it.
                log.warning("source.content_unread", source=self.name, path=change.path, error=str(error))
                told.append(change)
                continue
            if found is None:
                table.doubt(change, elapsed=clock.monotonic())
            elif table.differs(change, found):
                told.append(change)
        return told

    def _event(self, change: Change, table: FileTable, caught_up: bool) -> FileChanged:
        gone = change.kind == "deleted"
        return FileChanged(
            source=self.name,
            path=self._absolute(change.path),
            data={"name": change.path, "size": change.fingerprint.size},
            captures=self._pattern.match(change.path) or {},
            change=change.kind,
            occurred_at=None if gone else _instant(change.fingerprint.mtime_ns),
            caught_up=caught_up,
            cursor={**table.forgotten(), change.path: table.remembered(change.path)},
        )

    def _absolute(self, path: str) -> str:
        return f"{self._pattern.root.rstrip('/')}/{path}"

    def _report(self, found: Found) -> None:
        """Say once of each name that it is not what it should be."""
        wrong = {**found.refused, **dict.fromkeys(found.unreadable, "cannot be read")}
        news = sorted(wrong.keys() - self._reported)
        for path in news[:_REPORTED]:
            log.warning(
                "source.path_refused",
                source=self.name,
                path=os.fsencode(path).decode(errors="replace") or self._pattern.root,
                reason=wrong[path],
            )
        if len(news) > _REPORTED:
            log.warning("source.paths_refused", source=self.name, more=len(news) - _REPORTED)
        kept = set() if "" in found.looked_at else self._reported - found.looked_at
        self._reported = kept | wrong.keys()

    async def _listen(self, hints: Hints, rescans: _Rescans) -> None:
        """Let the kernel give hints; where it does not, say so and look now and then."""
        if self._poll is not None:
            return
        watcher = Watcher(self._pattern, hints)
        reason = await first_of(watcher.run, partial(self._try_out, watcher, hints, rescans))
        self._remote = True
        log.warning("source.polling", source=self.name, root=self._pattern.root, seconds=_POLL, reason=reason)
        rescans.poll(_POLL)
        hints.wake()

    async def _try_out(self, watcher: Watcher, hints: Hints, rescans: _Rescans) -> str:
        """Return why `watcher` is of no use, or let it work for ever."""
        if not await hears_itself(watcher, self._pattern.root, patience=_PROBE_PATIENCE):
            return "the kernel did not tell of a file made on trial"
        rescans.look_now()  # at what came before the watch was set
        hints.wake()
        await anyio.sleep_forever()
        raise AssertionError("unreachable: for ever has ended")


class _Rescans:
    """When to look without a hint, in seconds that never go back."""

    def __init__(self, poll: float | None) -> None:
        self._poll = poll
        self._everything_at = -math.inf
        self._again: list[tuple[float, str]] = []  # heap

    def poll(self, seconds: float) -> None:
        """From now on, look at everything so often."""
        self._poll = seconds
        self.look_now()

    def look_now(self) -> None:
        """Look at everything as soon as somebody wakes up."""
        self._everything_at = -math.inf

    def take(self, elapsed: float) -> set[str]:
        """What is due."""
        due = {""} if self._everything_at <= elapsed else set()
        while self._again and self._again[0][0] <= elapsed:
            due.add(heapq.heappop(self._again)[1])
        return due

    def looked(self, hinted_folders: Iterable[str], *, everything: bool, elapsed: float, took: float) -> None:
        """Plan further looks after one that took `took` seconds."""
        if everything:
            self._everything_at = elapsed + (self._poll or max(_UNASKED_AFTER, took * _UNASKED_SHARE))
        for folder in hinted_folders:
            for pause in _LOOK_AGAIN_AFTER if folder else _LOOK_AGAIN_AFTER[-1:]:
                heapq.heappush(self._again, (elapsed + pause, folder))

    def next_in(self, elapsed: float) -> float:
        """Seconds until one is due."""
        return min(self._everything_at, self._again[0][0] if self._again else math.inf) - elapsed


async def _rest(table: FileTable, hints: Hints, rescans: _Rescans, clock: Clock) -> None:
    """Return when there is something to look at."""
    elapsed = clock.monotonic()
    waits = (rescans.next_in(elapsed), table.settles_in(now=clock.now().timestamp(), elapsed=elapsed))
    await first_of(hints.wait, partial(clock.sleep, max(_BREATH, min(waits))))


def _portions(changes: Sequence[Change], *, read: bool) -> Iterator[list[Change]]:
    """What is committed together: so many files, and not more to be read than takes a moment."""
    portion: list[Change] = []
    size = 0
    for change in changes:
        portion.append(change)
        size += change.fingerprint.size
        if len(portion) == _CHUNK or (read and size >= _READ):
            yield portion
            portion, size = [], 0
    if portion:
        yield portion


def _instant(nanoseconds: int) -> datetime | None:
    try:
        return datetime.fromtimestamp(nanoseconds / 1e9, UTC)
    except (ValueError, OverflowError, OSError):
        return None  # a file may carry any time, also that of the year 30,000
