"""Tells when source files of code locations change, for live reload in development."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from datetime import timedelta
from itertools import islice
from pathlib import Path

import anyio.to_thread
from watchfiles import Change, awatch

from upwell import logs
from upwell.clock import Clock
from upwell.runtime.messages import LocationSpec
from upwell.runtime.preload import code_folders

log = logs.get_logger()

_DEBOUNCE = 50  # milliseconds of quiet after a change: an editor writes in several strokes
_MOST_FOLDERS = 500
_PAUSE = timedelta(seconds=1)


async def changed_locations(specs: Sequence[LocationSpec], clock: Clock) -> AsyncIterator[Collection[str]]:
    """Yield the names of locations below whose folders a Python file changed, without end.

    Only folders that hold Python files are watched, each by itself: a landing folder full of data below the working
    directory costs nothing.
    """
    while True:
        watched = await anyio.to_thread.run_sync(_watched, specs)
        try:
            async for changes in awatch(
                *set().union(*watched.values()),
                watch_filter=_is_code_or_folder,
                debounce=1600,
                step=_DEBOUNCE,
                recursive=False,
            ):
                paths = [Path(path) for _, path in changes]
                code = [path for path in paths if path.suffix == ".py"]
                names = {name for name, folders in watched.items() if any(path.parent in folders for path in code)}
                if names:
                    yield names
                if len(code) < len(paths):
                    break  # folders came or went: watch those that there are now
        except (OSError, RuntimeError, ValueError) as error:
            # Such as a folder that has gone, or a file name that is not text.
            log.warning("reload.watch_interrupted", reason=str(error))
            await clock.sleep_until(clock.now() + _PAUSE)


def _watched(specs: Sequence[LocationSpec]) -> dict[str, set[Path]]:
    return {spec.name: set(_folders(spec)) for spec in specs}


def _folders(spec: LocationSpec) -> Iterator[Path]:
    directory = Path(spec.working_directory).resolve()
    yield directory
    yield from ((directory / file).resolve().parent for file in spec.files)
    yield from islice(code_folders(directory), _MOST_FOLDERS)


def _is_code_or_folder(change: Change, path: str) -> bool:
    name = Path(path).name
    return name.endswith(".py") or ("." not in name and name != "__pycache__")
