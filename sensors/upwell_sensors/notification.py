"""Hints from the kernel that files changed, so that nobody has to look without cause.

Hints are not the truth: notification loses events without a word (new folders that fill at once, queues that
overflow, a root that is moved away), so whoever uses them also looks by himself now and then.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from pathlib import Path

import anyio
import anyio.from_thread
import anyio.to_thread
import structlog
from watchfiles import watch
from watchfiles._rust_notify import WatchfilesRustInternalError

from upwell_sensors.patterns import PROBE, FilePattern

_STEP_MS = 25  # how often the watching thread collects what came, and how soon it stops; 0.14 % of a core
_DEBOUNCE_MS = 100  # how long a stream of changes may hold back the first of them
_QUIET_MS = 60_000  # then the watching thread sees for itself whether its folder is still the one of that name
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0  # seconds before watching again after an error
_MANY = 1000  # changes at once, from which on some may have been lost

_WITHOUT_NOTIFICATION = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "virtiofs", "vboxsf", "prl_fs", "afs", "ceph", "glusterfs", "drvfs"}
)


log = structlog.get_logger(__name__)


class Hints:
    """Paths (relative to the root) worth a look, gathered until somebody takes them; `""` is everything."""

    def __init__(self) -> None:
        self._paths: set[str] = set()
        self._came = anyio.Event()

    def add(self, *paths: str) -> None:
        self._paths.update(paths)
        if len(self._paths) > _MANY:
            self._paths = {""}
        self._came.set()

    def wake(self) -> None:
        """Have whoever waits look, without a hint where."""
        self._came.set()

    def take(self) -> set[str]:
        taken, self._paths = self._paths, set()
        self._came = anyio.Event()
        return {""} if "" in taken else taken

    async def wait(self) -> None:
        """Return once there is a hint."""
        await self._came.wait()


class Watcher:
    """Feeds `hints` from the kernel's notification, in a thread of its own.

    Follows the root when it is deleted, made again or replaced; while there is none, the nearest folder above it.
    """

    def __init__(self, pattern: FilePattern, hints: Hints) -> None:
        self._pattern = pattern
        self._hints = hints
        self.probe = f"{PROBE}{uuid.uuid4().hex}"  # a file below the root that is no news, but heard of
        self.heard_probe = anyio.Event()
        # Where folders that may not be read are left out, so are, without a word, those for which no watch is left.
        self._some_are_closed = False

    async def run(self) -> str:
        """Watch for ever, or return why the kernel will not."""
        pause = _FIRST_PAUSE
        while True:
            if not await anyio.to_thread.run_sync(mount_notifies, self._pattern.root):
                return "this file system does not tell of changes made elsewhere"
            target = await anyio.to_thread.run_sync(_nearest_folder, self._pattern.root)
            started = anyio.current_time()
            try:
                await self._follow(target)
            except (FileNotFoundError, NotADirectoryError):
                log.debug("source.watched_folder_gone", folder=target)
            except PermissionError as error:
                if self._some_are_closed:
                    return f"the kernel sets no watch: {error}"
                self._some_are_closed = True
            except WatchfilesRustInternalError as error:
                if str(error).startswith("Error creating"):  # as many watchers as the kernel allows a user
                    return f"the kernel makes no watcher: {error}"
                # A name that is no UTF-8 came, as a rule.
                quiet = anyio.current_time() - started > _LONGEST_PAUSE
                pause = _FIRST_PAUSE if quiet else min(2 * pause, _LONGEST_PAUSE)
                log.warning("source.watch_restarted", folder=target, error=str(error), retry_in=pause)
                await anyio.sleep(pause)
            except OSError as error:
                return f"the kernel sets no watch: {error}"
            self._hints.add("")

    async def _follow(self, target: str) -> None:
        stop = threading.Event()
        failure: Exception | None = None
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(set_when_cancelled, stop)
            try:
                # A limiter of its own, because a watching thread never comes back: it may not use up the shared ones.
                await anyio.to_thread.run_sync(self._watch, target, stop, limiter=anyio.CapacityLimiter(1))
            except (OSError, WatchfilesRustInternalError) as error:
                failure = error  # raised outside of the task group, which would wrap it
            tasks.cancel_scope.cancel()
        if failure is not None:
            raise failure

    def _watch(self, target: str, stop: threading.Event) -> None:
        root = self._pattern.root
        recursive = target == root and self._pattern.recursive
        before = _identity(target)
        paths = [target] if recursive or target == "/" else [target, str(Path(target).parent)]
        for changes in watch(
            *paths,
            watch_filter=None,
            debounce=_DEBOUNCE_MS,
            step=_STEP_MS,
            stop_event=stop,
            rust_timeout=_QUIET_MS,
            yield_on_timeout=True,
            raise_interrupt=False,
            force_polling=False,
            recursive=recursive,
            ignore_permission_denied=self._some_are_closed,
        ):
            if changes:
                anyio.from_thread.run_sync(self._tell, {path for _, path in changes})
            if _identity(target) != before or _nearest_folder(root) != target:
                return

    def _tell(self, paths: set[str]) -> None:
        prefix = self._pattern.root.rstrip("/") + "/"
        inside = {path[len(prefix) :] for path in paths if path.startswith(prefix)}
        if self.probe in inside:
            self.heard_probe.set()
            inside.remove(self.probe)
        if self._pattern.root in paths:
            inside.add("")
        if inside:
            self._hints.add(*inside)


async def set_when_cancelled(stop: threading.Event) -> None:
    """Wait to be cancelled, and then have a thread stop that looks at `stop`."""
    # Waiting for a thread cannot be cancelled; the thread has to be told.
    try:
        await anyio.sleep_forever()
    finally:
        stop.set()


async def hears_itself(watcher: Watcher, root: str, *, patience: float) -> bool:
    """Whether the kernel tells of a hidden file that we make in the root; true if we may not make one there."""
    path = Path(root, watcher.probe)
    try:
        with anyio.move_on_after(patience):
            while not watcher.heard_probe.is_set():
                if not await anyio.to_thread.run_sync(_touch, path):
                    return True
                with anyio.move_on_after(0.1):
                    await watcher.heard_probe.wait()
    finally:
        _remove(path)  # not in a thread: a cancellation must not leave it behind
    return watcher.heard_probe.is_set()


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)


def _touch(path: Path) -> bool:
    try:
        path.touch()
    except OSError:
        return False
    return True


def mount_notifies(root: str, *, mounts: Callable[[], str] = Path("/proc/self/mountinfo").read_text) -> bool:
    """False when the root lies on a file system whose changes from elsewhere this kernel does not hear of."""
    try:
        lines = [line.split() for line in mounts().splitlines()]
    except OSError:
        return True
    points = {_unescape(fields[4]): fields[fields.index("-") + 1] for fields in lines if "-" in fields}
    kind = points[max((point for point in points if _is_below(root, point)), key=len, default="/")] if points else ""
    return kind not in _WITHOUT_NOTIFICATION and not kind.startswith("fuse.")


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def _unescape(field: str) -> str:
    return field.encode().decode("unicode_escape") if "\\" in field else field


def _nearest_folder(root: str) -> str:
    folder = Path(root)
    while not folder.is_dir() and folder != folder.parent:
        folder = folder.parent
    return str(folder)


def _identity(folder: str) -> tuple[int, int] | None:
    try:
        status = Path(folder).stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
