"""Files as an event source: each new or changed file that matches a pattern, once it is complete."""

from __future__ import annotations

import heapq
import math
import os
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial

import anyio
import anyio.to_thread
import structlog

from upwell.clock import Clock
from upwell.definitions.reactions import On, SourceSpec
from upwell.events import FileChanged
from upwell.sources.background import Background, first_of
from upwell.sources.durations import format_duration, parse_duration
from upwell.sources.source import Cursor
from upwell_sensors.notification import Hints, Watcher, hears_itself, mount_notifies
from upwell_sensors.patterns import FilePattern
from upwell_sensors.scanning import Change, FileTable, Found, look

_SETTLE = "200ms"
_POLL = 5.0  # seconds between looks where notification is of no use
_BREATH = 0.01  # seconds; files that settle one after the other are looked at together
_CHUNK = 500  # files in one commit
_PROBE_PATIENCE = 5.0  # seconds; setting watches on 20,000 folders takes 2.7
_LOOK_AGAIN_AFTER = (0.25, 1.0)  # seconds; files made in a new folder before its watch was set are not told
# Notification may fail without a word, so the whole tree is looked at unasked: each minute, or so seldom that it
# takes no more than a thousandth of a core.
_UNASKED_AFTER = 60.0
_UNASKED_SHARE = 1000.0

log = structlog.get_logger(__name__)


def files(
    pattern: str,
    *,
    settle: str | timedelta = _SETTLE,
    deleted: bool = False,
    poll: str | timedelta | None = None,
) -> On:
    """An event for each file that is new or has changed, once it is complete; `event.path` is its absolute path.

    Files that came while the service was down come at its start, marked `caught_up`; at the very first start those
    that are there already count as new. Links, pipes and devices are refused.

    Args:
        pattern: relative to the working directory of the code location, or absolute. `*`, `?` and `[abc]` stay within a
            name, `**` is any number of folders, `{date}` captures a part of a name: the partition. Hidden names and
            those of unfinished files (`x.tmp`, `x~`) match only where the pattern says so itself.
        settle: a file is complete when its size and time have not changed for so long.
        deleted: whether a file that is gone is an event, too.
        poll: look so often instead of trusting notification. Where the mount is known to give none (NFS, SMB …), or a
            trial at the start fails, that is done each 5 seconds anyway.

    Raises:
        DefinitionError: the pattern or a duration cannot be read.
    """
    found = FilePattern.parse(pattern, base=os.getcwd())  # noqa: PTH109 (Path.cwd() is no shorter)
    params = {
        "root": found.root,
        "pattern": "/".join(found.segments),
        "settle": format_duration(parse_duration(settle, what="settle")),
        "deleted": deleted,
        "poll": None if poll is None else format_duration(parse_duration(poll, what="poll")),
    }
    return On(source=SourceSpec(kind="files", name=f"files:{pattern}", params=params))


class FileSource:
    """Watches a tree; the cursor is the fingerprint of each file that was told, by path."""

    def __init__(
        self,
        name: str,
        *,
        root: str,
        pattern: str,
        settle: str | timedelta = _SETTLE,
        deleted: bool = False,
        poll: str | timedelta | None = None,
    ) -> None:
        self.name = name
        self._pattern = FilePattern(root=root, segments=tuple(pattern.split("/")))
        self._settle = parse_duration(settle, what="settle").total_seconds()
        self._deleted = deleted
        self._poll = None if poll is None else parse_duration(poll, what="poll").total_seconds()
        self._reported: set[str] = set()

    async def events(self, cursor: Cursor, clock: Clock) -> AsyncIterator[Sequence[FileChanged]]:
        table = FileTable(cursor, settle=self._settle)
        hints, rescans = Hints(), _Rescans(self._poll)
        caught_up = bool(cursor)
        async with Background() as background:
            background.start_soon(partial(self._listen, hints, rescans))
            while True:
                for batch in await self._look(table, hints, rescans, clock):
                    yield [self._event(change, table.forgotten(), caught_up) for change in batch]
                caught_up = False
                await _rest(table, hints, rescans, clock)

    async def _look(
        self, table: FileTable, hints: Hints, rescans: _Rescans, clock: Clock
    ) -> Iterable[Sequence[Change]]:
        """What is new where somebody hinted at, where a file may have settled, and where a look is due anyway."""
        started = clock.monotonic()
        hinted = hints.take()
        now = (
            clock.now().timestamp()
        )  # before the look: a file's age counts up to when it was looked at, and no further
        paths = hinted | rescans.take(started) | table.due(now=now, elapsed=started)

        def look_and_compare() -> tuple[Found, list[Change]]:
            found = look(self._pattern, {""} if "" in paths else paths)
            return found, table.update(found, now=now, elapsed=clock.monotonic(), deleted=self._deleted)

        found, changes = await anyio.to_thread.run_sync(look_and_compare)
        self._report(found)
        elapsed = clock.monotonic()
        rescans.looked(hinted & found.folders, everything="" in paths, elapsed=elapsed, took=elapsed - started)
        return (changes[at : at + _CHUNK] for at in range(0, len(changes), _CHUNK))

    def _event(self, change: Change, forgotten: Mapping[str, None], caught_up: bool) -> FileChanged:
        size, mtime_ns, _ = change.fingerprint
        gone = change.kind == "deleted"
        return FileChanged(
            source=self.name,
            path=f"{self._pattern.root.rstrip('/')}/{change.path}",
            data={"name": change.path, "size": size},
            captures=self._pattern.match(change.path) or {},
            change=change.kind,
            occurred_at=None if gone else _instant(mtime_ns),
            caught_up=caught_up,
            cursor={**forgotten, change.path: None if gone else list(change.fingerprint)},
        )

    def _report(self, found: Found) -> None:
        """Say once of each name that it is not what it should be."""
        wrong = found.refused | found.unreadable
        for path in wrong - self._reported:
            reason = "cannot be read" if path in found.unreadable else "is no regular file with a UTF-8 name"
            log.warning(
                "source.path_refused",
                source=self.name,
                path=os.fsencode(path).decode(errors="replace") or self._pattern.root,
                reason=reason,
            )
        self._reported = (self._reported - found.looked_at) | wrong

    async def _listen(self, hints: Hints, rescans: _Rescans) -> None:
        """Let the kernel give hints; where it does not, say so and look now and then."""
        if self._poll is not None:
            return
        reason = await self._why_deaf(hints, rescans)
        log.warning("source.polling", source=self.name, root=self._pattern.root, seconds=_POLL, reason=reason)
        rescans.poll(_POLL)
        hints.wake()

    async def _why_deaf(self, hints: Hints, rescans: _Rescans) -> str:
        """Follow the kernel's notification for ever, or return why that is no use."""
        if not await anyio.to_thread.run_sync(mount_notifies, self._pattern.root):
            return "this file system does not tell of changes made elsewhere"
        watcher = Watcher(self._pattern, hints)
        return await first_of(watcher.run, partial(self._try_out, watcher, hints, rescans))

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


def _instant(nanoseconds: int) -> datetime | None:
    try:
        return datetime.fromtimestamp(nanoseconds / 1e9, UTC)
    except (ValueError, OverflowError, OSError):
        return None  # a file may carry any time, also that of the year 30,000
