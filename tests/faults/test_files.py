"""Everything at once in one folder: no file is missed, and none is told before it is complete."""

from __future__ import annotations

import itertools
import os
import random
import shutil
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import aclosing, contextmanager
from pathlib import Path
from typing import IO, Any

import anyio
import anyio.to_thread
import pytest

from upwell.clock import SystemClock
from upwell.events import FileChanged
from upwell_sensors.file_source import FileSource

pytestmark = pytest.mark.anyio

SETTLE = 0.3  # seconds; the slow writers below pause for less
STEPS = 150


class Producers:
    """What people and programs do to a folder of files; each version of a file has a size of its own."""

    def __init__(self, tmp_path: Path, seed: int) -> None:
        self.root = tmp_path / "landing"
        self.root.mkdir()
        self._outside = tmp_path / "outside"
        self._outside.mkdir()
        self._chance = random.Random(seed)
        self._number = itertools.count(1)
        self.complete: dict[str, set[int]] = defaultdict(set)

    def work(self) -> None:
        """Do many things, one after the other."""
        common: list[Callable[[], None]] = [
            self.write_slowly,
            self.rename_into_place,
            self.replace,
            self.fill_a_new_folder,
            self.move_a_folder_in,
            self.delete,
        ]
        rare = [self.delete_a_folder, self.remake_the_root, self.swap_the_root, self.leave_what_is_no_file]
        for _ in range(STEPS):
            self._chance.choice(common if self._chance.random() < 0.9 else rare)()
            time.sleep(self._chance.choice([0.0, 0.0, 0.02]))

    def files(self) -> dict[str, int]:
        """The files that are there, and their sizes."""
        found = (path for path in self.root.rglob("*.csv") if path.is_file() and not path.is_symlink())
        return {str(path): path.stat().st_size for path in found if os.fsencode(path).isascii()}

    def write_slowly(self) -> None:
        path, size = self._new(self._folder())
        with path.open("w") as file:
            for _ in range(3):
                file.write("x" * (size // 3))
                file.flush()
                time.sleep(self._chance.uniform(0.0, 0.05))
            file.write("x" * (size - 3 * (size // 3)))

    def rename_into_place(self) -> None:
        path, size = self._new(self._folder())
        self._put(path, size)

    def replace(self) -> None:
        if there := sorted(self.files()):
            path, size = Path(self._chance.choice(there)), next(self._number)
            self.complete[str(path)].add(size)
            self._put(path, size)

    def fill_a_new_folder(self) -> None:
        folder = self._folder() / f"k{next(self._number)}" / "deep" / "er"
        folder.mkdir(parents=True)
        for _ in range(20):
            path, size = self._new(folder)
            path.write_text("x" * size)

    def move_a_folder_in(self) -> None:
        name = f"m{next(self._number)}"
        (self._outside / name / "sub").mkdir(parents=True)
        target = self.root / name
        for _ in range(10):
            path, size = self._new(target / "sub")
            (self._outside / name / "sub" / path.name).write_text("x" * size)
        (self._outside / name).rename(target)

    def delete(self) -> None:
        if there := sorted(self.files()):
            Path(self._chance.choice(there)).unlink()

    def delete_a_folder(self) -> None:
        if there := sorted(path for path in self.root.iterdir() if path.is_dir() and not path.is_symlink()):
            shutil.rmtree(self._chance.choice(there))

    def remake_the_root(self) -> None:
        shutil.rmtree(self.root)
        time.sleep(self._chance.choice([0.0, 0.2]))
        self.root.mkdir()

    def swap_the_root(self) -> None:
        self.root.rename(self._outside / f"old{next(self._number)}")
        self.root.mkdir()

    def leave_what_is_no_file(self) -> None:
        number = next(self._number)
        (self.root / f"link{number}.csv").symlink_to("/etc/hostname")
        os.mkfifo(self.root / f"pipe{number}.csv")
        Path(os.fsdecode(os.fsencode(self.root) + b"/bad\xff%d.csv" % number)).write_text("x")

    def _put(self, path: Path, size: int) -> None:
        temporary = path.with_name(f".{path.name}.tmp")
        temporary.write_text("x" * size)
        temporary.replace(path)

    def _new(self, folder: Path) -> tuple[Path, int]:
        size = next(self._number)
        path = folder / f"f{size}.csv"
        self.complete[str(path)].add(size)
        return path, size

    def _folder(self) -> Path:
        there = sorted(path for path in self.root.rglob("*") if path.is_dir() and not path.is_symlink())
        return self._chance.choice([self.root, *there])


class Listener:
    """A source that is ended and started again, from what it had told."""

    def __init__(self, producers: Producers, **options: Any) -> None:
        self._make = lambda: FileSource(
            "files", root=str(producers.root), pattern="**/*.csv", settle=f"{SETTLE}s", **options
        )
        self._cursor: dict[str, Any] = {}
        self.told: dict[str, list[int]] = defaultdict(list)

    async def live(self, seconds: float) -> None:
        with anyio.move_on_after(seconds):
            batches = self._make().events(dict(self._cursor), SystemClock())
            async with aclosing(batches):  # type: ignore[type-var]
                async for batch in batches:
                    for event in batch:
                        self._cursor.update(event.cursor)
                        self._cursor = {name: value for name, value in self._cursor.items() if value is not None}
                        if isinstance(event, FileChanged):
                            self.told[event.path or ""].append(event.data["size"])


LIMITED = """
import sys
import anyio
from upwell.clock import SystemClock
from upwell_sensors import file_source

file_source._POLL = 0.2

async def main(folder):
    print("up", flush=True)
    source = file_source.FileSource("files", root=folder, pattern="**/*.csv", settle="10ms")
    async for batch in source.events({}, SystemClock()):
        for event in batch:
            print("told", getattr(event, "path", None), flush=True)

anyio.run(main, sys.argv[1])
"""


@contextmanager
def restricted(tmp_path: Path, *flags: str, before: str = ":") -> Iterator[IO[str]]:
    """What a process says that watches a folder from within a user namespace of its own."""
    if not shutil.which("unshare") or subprocess.run(["unshare", "-U", *flags, "true"], check=False).returncode:
        pytest.skip("no namespace of our own can be had here")
    command = [sys.executable, "-c", LIMITED, str(tmp_path)]
    inside = ["sh", "-c", f'{before} || {{ echo cannot; exit; }}; exec "$@"', "sh", *command]
    with subprocess.Popen(["unshare", "-U", *flags, *inside], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            if (first := process.stdout.readline()) == "cannot\n":
                pytest.skip("no limits of our own can be set here")
            assert first == "up\n"
            yield process.stdout
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("limit", "value", "reason"),
    [
        ("max_inotify_instances", 0, "the kernel makes no watcher: Error creating"),
        ("max_inotify_watches", 10, "the kernel sets no watch: OS file watch limit reached"),
    ],
)
def test_where_the_kernel_has_no_watches_left_it_says_so_and_looks_by_the_clock(
    tmp_path: Path, limit: str, value: int, reason: str
) -> None:
    for number in range(20):
        (tmp_path / str(number)).mkdir()
    with restricted(tmp_path, "-r", before=f"echo {value} > /proc/sys/user/{limit}") as said:
        assert reason in next(line for line in said if "source.polling" in line)
        (tmp_path / "7" / "a.csv").write_text("x")
        assert f"told {tmp_path / '7' / 'a.csv'}\n" in said


def test_a_folder_that_may_not_be_read_is_reported_and_deafens_no_other(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0)
    (tmp_path / "open").mkdir()
    with restricted(tmp_path) as said:
        refused = next(line for line in said if "source.path_refused" in line)
        assert "cannot be read" in refused and "closed" in refused
        time.sleep(1.0)
        (tmp_path / "open" / "a.csv").write_text("x")
        before = time.monotonic()
        assert f"told {tmp_path / 'open' / 'a.csv'}\n" in said
        assert time.monotonic() - before < 5.0, "by the look each minute only"


@pytest.mark.parametrize("options", [{}, {"content": True}, {"poll": "100ms"}], ids=["notified", "read", "polled"])
@pytest.mark.parametrize("seed", [1, 2])
async def test_whatever_happens_every_file_is_told_once_it_is_complete(
    tmp_path: Path, seed: int, options: dict[str, Any]
) -> None:
    producers = Producers(tmp_path, seed)
    listener, chance = Listener(producers, **options), random.Random(seed)
    worked = anyio.Event()

    async def work() -> None:
        await anyio.to_thread.run_sync(producers.work)
        worked.set()

    def unseen() -> set[str]:
        return {path for path, size in producers.files().items() if listener.told[path][-1:] != [size]}

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(work)
        for _ in range(3):
            await listener.live(chance.uniform(0.2, 1.2))
        tasks.start_soon(listener.live, 600.0)
        await worked.wait()
        with anyio.move_on_after(15):
            while unseen():
                await anyio.sleep(0.1)
        tasks.cancel_scope.cancel()
    assert unseen() == set()
    half = {path: sizes for path, sizes in listener.told.items() if not set(sizes) <= producers.complete[path]}
    assert half == {}
