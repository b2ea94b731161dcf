"""Runs `objects`: lists a store in a thread, and tells what is new, replaced or gone."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from functools import partial

import anyio
import anyio.to_thread
import fsspec

from upwell.clock import Clock
from upwell.durations import parse_duration
from upwell.errors import SourceError
from upwell.events import FileChanged, Json, SourceAdvanced
from upwell.sources.source import Cursor, Emitted
from upwell_sensors.object_listing import Change, FileSystem, Stopped, compare, look
from upwell_sensors.patterns import FilePattern
from upwell_sensors.rhythm import Rhythm, Trouble

_CHUNK = 500  # objects in one commit
_OBJECT, _LOOKED = "object:", "looked"
_LOCAL = ("file", "local")


class ObjectSource:
    """Lists what a pattern matches; the cursor is the fingerprint of each object that was told, by path."""

    def __init__(
        self,
        name: str,
        *,
        scheme: str,
        root: str,
        pattern: str,
        interval: str,
        deleted: bool = False,
        initial: str = "all",
        storage_options: Mapping[str, Json] | None = None,
        timeout: str = "5m",
    ) -> None:
        self.name = name
        self._scheme = scheme
        self._pattern = FilePattern(root=root, segments=tuple(pattern.split("/")))
        self._root = root if scheme in _LOCAL else root.lstrip("/")
        self._interval = parse_duration(interval, what="interval").total_seconds()
        self._deleted = deleted
        self._initial = initial
        self._options = dict(storage_options or {})
        self._timeout = parse_duration(timeout, what="timeout").total_seconds()
        self._files: FileSystem | None = None
        self._looking = threading.Lock()

    async def events(self, cursor: Cursor, clock: Clock) -> AsyncIterator[Sequence[Emitted]]:
        known = {
            item.removeprefix(_OBJECT): fingerprint
            for item, fingerprint in cursor.items()
            if item.startswith(_OBJECT) and fingerprint is not None
        }
        first, catching_up = not cursor.get(_LOOKED), bool(cursor)
        rhythm = Rhythm(self.name, self._interval, clock)
        while True:
            await rhythm.rest()
            try:
                changes = await self._look(known)
            except Trouble as trouble:
                if told := rhythm.failed(trouble):
                    yield told
                continue
            for batch in self._batches(changes, known, first and self._initial == "latest", catching_up):
                yield batch
            if first:
                yield [SourceAdvanced(source=self.name, cursor={_LOOKED: True})]
            first = catching_up = False
            if told := rhythm.succeeded():
                yield told

    async def _look(self, known: Mapping[str, Json]) -> list[Change]:
        stopped = threading.Event()
        try:
            with anyio.fail_after(self._timeout):
                return await anyio.to_thread.run_sync(
                    partial(self._list_and_compare, known, stopped), abandon_on_cancel=True
                )
        except TimeoutError:
            raise Trouble("timeout", f"not listed within {self._timeout:g} s") from None
        finally:
            stopped.set()

    def _list_and_compare(self, known: Mapping[str, Json], stopped: threading.Event) -> list[Change]:
        # A look that hangs is given up, its thread cannot be: no second one is to hang beside it.
        if not self._looking.acquire(blocking=False):
            raise Trouble("timeout", "the look before still hangs")
        try:
            self._files = self._files or self._file_system()
            return compare(known, look(self._files, self._root, self._pattern, stopped))
        except (Trouble, Stopped, SourceError):
            raise
        except Exception as error:  # each file system has errors of its own
            raise Trouble(type(error).__name__, f"{type(error).__name__}: {error}") from error
        finally:
            self._looking.release()

    def _file_system(self) -> FileSystem:
        try:
            files: FileSystem = fsspec.filesystem(
                self._scheme, **self._options, use_listings_cache=False, skip_instance_cache=True
            )
        except (ImportError, ValueError) as error:
            raise SourceError(
                f"source {self.name!r}: there is no file system for {self._scheme}:// ({error}). "
                "s3:// comes with pip install 'upwell[objects]', gs:// with gcsfs"
            ) from None
        return files

    def _batches(
        self, changes: Sequence[Change], known: dict[str, Json], silent: bool, catching_up: bool
    ) -> Iterator[list[Emitted]]:
        for at in range(0, len(changes), _CHUNK):
            batch: list[Emitted] = []
            for change in changes[at : at + _CHUNK]:
                if change.found is None:
                    del known[change.path]
                else:
                    known[change.path] = change.found.fingerprint
                cursor = {_OBJECT + change.path: known.get(change.path)}
                if silent or (change.found is None and not self._deleted):
                    batch.append(SourceAdvanced(source=self.name, cursor=cursor))
                else:
                    batch.append(self._event(change, cursor, catching_up))
            yield batch

    def _event(self, change: Change, cursor: Mapping[str, Json], catching_up: bool) -> FileChanged:
        found = change.found
        name = found.name if found is not None else f"{self._pattern.root.rstrip('/')}/{change.path}"
        return FileChanged(
            source=self.name,
            path="/" + name.lstrip("/") if self._scheme in _LOCAL else f"{self._scheme}://{name.lstrip('/')}",
            data=_data(change),
            captures=self._pattern.match(change.path) or {},
            change=change.kind,
            occurred_at=found.changed_at if found is not None else None,
            caught_up=catching_up,
            cursor=cursor,
        )


def _data(change: Change) -> Json:
    if (found := change.found) is None:
        return {"name": change.path}
    known_by_hash = isinstance(found.fingerprint, str)
    return {"name": change.path, "size": found.size, **({"etag": found.fingerprint} if known_by_hash else {})}
