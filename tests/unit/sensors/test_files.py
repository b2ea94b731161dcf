"""The file source on a real disk, with real notification."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import pytest
import structlog

from upwell.clock import Clock, FakeClock, SystemClock
from upwell.errors import DefinitionError
from upwell.events import FileChanged
from upwell_sensors import file_source, files, notification
from upwell_sensors.file_source import FileSource
from upwell_sensors.notification import Watcher, mount_notifies

pytestmark = pytest.mark.anyio


class Landing:
    """A folder, and what the source says of it."""

    def __init__(self, root: Path, cursor: dict[str, Any] | None = None) -> None:
        self.root = root
        self.cursor = dict(cursor or {})
        self.events: list[FileChanged] = []

    async def listen(self, source: FileSource, clock: Clock | None = None) -> None:
        async with aclosing(source.events(self.cursor, clock or SystemClock())) as batches:  # type: ignore[type-var]
            async for batch in batches:
                self.events += [event for event in batch if isinstance(event, FileChanged)]
                for event in batch:
                    for path, value in event.cursor.items():
                        self.cursor[path] = value
                        if value is None:
                            del self.cursor[path]

    @property
    def known(self) -> set[str]:
        """The files in the cursor."""
        return self.cursor.keys() - {""}

    @property
    def names(self) -> list[str]:
        return [os.path.relpath(event.path or "", self.root) for event in self.events]

    async def until(self, claim: Callable[[], Any], seconds: float = 10.0) -> None:
        with anyio.move_on_after(seconds):
            while not claim():
                await anyio.sleep(0.01)
        assert claim(), self.names


@asynccontextmanager
async def landing(
    root: Path, pattern: str = "*.csv", cursor: dict[str, Any] | None = None, **options: Any
) -> AsyncIterator[Landing]:
    """A source over `root`, already listening."""
    on = files(str(root / pattern), **{"settle": "50ms", **options})
    heard = Landing(root, cursor)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(heard.listen, FileSource(on.source.name, **on.source.params))
        await anyio.sleep(0.4)
        yield heard
        tasks.cancel_scope.cancel()


def write(path: Path, text: str = "x", *, age: float = 0.0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    if age:
        os.utime(path, (time.time() - age,) * 2)
    return path


async def test_a_new_file_is_told_with_its_path_and_captures(tmp_path: Path) -> None:
    async with landing(tmp_path, "{date}.csv") as heard:
        path = write(tmp_path / "2024-01-01.csv", "four")
        await heard.until(lambda: heard.events)
    [event] = heard.events
    assert (event.path, event.change, event.captures) == (str(path), "added", {"date": "2024-01-01"})
    assert event.data == {"name": "2024-01-01.csv", "size": 4}
    assert not event.caught_up


async def test_files_that_were_there_before_the_first_start_count_as_new(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", age=3600)
    async with landing(tmp_path) as heard:
        await heard.until(lambda: heard.events)
    assert [(event.change, event.caught_up) for event in heard.events] == [("added", False)]


async def test_what_came_and_changed_while_it_was_down_is_caught_up_and_the_rest_not_repeated(tmp_path: Path) -> None:
    write(tmp_path / "same.csv", age=3600)
    write(tmp_path / "changed.csv", age=3600)
    async with landing(tmp_path) as before:
        await before.until(lambda: len(before.events) == 2)
    write(tmp_path / "changed.csv", "longer", age=1800)
    write(tmp_path / "new.csv", age=900)
    async with landing(tmp_path, cursor=before.cursor) as heard:
        await heard.until(lambda: len(heard.events) == 2)
    assert [(event.change, event.caught_up) for event in heard.events] == [("modified", True), ("added", True)]
    assert heard.names == ["changed.csv", "new.csv"]


async def test_a_slowly_written_file_is_told_once_when_it_is_complete(tmp_path: Path) -> None:
    async with landing(tmp_path, settle="200ms") as heard:
        with (tmp_path / "big.csv").open("w") as file:
            for _ in range(10):
                file.write("x" * 100)
                file.flush()
                await anyio.sleep(0.05)
        assert heard.events == []
        await heard.until(lambda: heard.events)
        await anyio.sleep(0.3)
    assert [event.data["size"] for event in heard.events] == [1000]


async def test_a_file_renamed_into_place_is_told_under_its_name_only(tmp_path: Path) -> None:
    async with landing(tmp_path, "*") as heard:
        write(tmp_path / ".a.csv.tmp", age=10).rename(tmp_path / "a.csv")
        await heard.until(lambda: heard.events)
    assert heard.names == ["a.csv"]


async def test_a_file_renamed_into_place_is_told_without_waiting_for_it_to_settle(tmp_path: Path) -> None:
    async with landing(tmp_path, settle="1h") as heard:
        write(tmp_path / "written.csv")
        write(tmp_path / "temporary", age=10).rename(tmp_path / "renamed.csv")
        await heard.until(lambda: heard.events)
        await anyio.sleep(0.3)
    assert heard.names == ["renamed.csv"]


async def test_a_file_moved_in_from_elsewhere_is_told(tmp_path: Path) -> None:
    outside = write(tmp_path / "outside.csv", age=3600)
    (tmp_path / "landing").mkdir()
    async with landing(tmp_path / "landing") as heard:
        outside.rename(tmp_path / "landing" / "a.csv")
        await heard.until(lambda: heard.events)
    assert [event.change for event in heard.events] == ["added"]


@pytest.mark.parametrize("content", [False, True])
async def test_a_touch_is_an_event_unless_content_counts(tmp_path: Path, content: bool) -> None:
    path = write(tmp_path / "a.csv", age=3600)
    async with landing(tmp_path, content=content) as heard:
        await heard.until(lambda: heard.events)
        os.utime(path, (time.time() - 1800,) * 2)
        await anyio.sleep(0.4)
        write(tmp_path / "temporary", age=60).replace(path)  # the same bytes
        await anyio.sleep(0.4)
        touches = heard.names[1:]
        write(path, "other", age=30)
        await heard.until(lambda: len(heard.events) == len(touches) + 2)
    assert touches == ([] if content else ["a.csv", "a.csv"])


async def test_a_touch_while_it_was_down_is_no_event_where_content_counts(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", age=3600)
    async with landing(tmp_path, content=True) as before:
        await before.until(lambda: before.events)
    os.utime(path, (time.time() - 1800,) * 2)
    async with landing(tmp_path, cursor=before.cursor, content=True) as heard:
        write(tmp_path / "b.csv", age=60)
        await heard.until(lambda: heard.events)
    assert heard.names == ["b.csv"]
    assert heard.cursor["a.csv"][1] == path.stat().st_mtime_ns


async def test_what_came_into_an_empty_folder_while_it_was_down_is_caught_up(tmp_path: Path) -> None:
    async with landing(tmp_path) as before:
        pass
    write(tmp_path / "a.csv", age=10)
    async with landing(tmp_path, cursor=before.cursor) as heard:
        await heard.until(lambda: heard.events)
    assert [event.caught_up for event in heard.events] == [True]


@pytest.mark.parametrize(
    "name",
    [
        "with space",
        "-rf",
        "'\"`$(x)",
        "new\nline",
        "tab\t",
        "\x1b[31m",
        "back\\slash",
        "ünï-🦆",
        "a" * 250,
        "%00",
        "{x}",
    ],
)
async def test_odd_names_are_told_as_they_are(tmp_path: Path, name: str) -> None:
    async with landing(tmp_path, "{name}.csv") as heard:
        write(tmp_path / f"{name}.csv")
        await heard.until(lambda: heard.events)
    assert [(event.path, event.captures) for event in heard.events] == [(str(tmp_path / f"{name}.csv"), {"name": name})]


async def test_a_replaced_file_is_modified(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", age=10)
    async with landing(tmp_path) as heard:
        write(tmp_path / "a.tmp", "new", age=5).replace(tmp_path / "a.csv")
        await heard.until(lambda: len(heard.events) == 2)
    assert [event.change for event in heard.events] == ["added", "modified"]


async def test_chmod_is_no_news(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", age=10)
    async with landing(tmp_path) as heard:
        path.chmod(0o600)
        await anyio.sleep(0.4)
    assert heard.names == ["a.csv"]


async def test_files_in_folders_that_are_made_and_filled_at_once_are_all_told(tmp_path: Path) -> None:
    async with landing(tmp_path, "**/*.csv") as heard:
        for folder in range(40):
            for number in range(5):
                write(tmp_path / f"k{folder}" / "deep" / "er" / f"f{number}.csv")
        await heard.until(lambda: len(heard.events) == 200)
    assert len(set(heard.names)) == 200


async def test_a_full_folder_that_is_moved_in_is_told_and_so_is_what_comes_into_it_later(tmp_path: Path) -> None:
    root = tmp_path / "landing"
    root.mkdir()
    for number in range(20):
        write(tmp_path / "outside" / "sub" / f"f{number}.csv", age=10)
    async with landing(root, "**/*.csv") as heard:
        (tmp_path / "outside").rename(root / "moved")
        await heard.until(lambda: len(heard.events) == 20)
        write(root / "moved" / "sub" / "late.csv")
        await heard.until(lambda: "moved/sub/late.csv" in heard.names)


@pytest.mark.parametrize("pattern", ["*.csv", "**/*.csv"])
async def test_a_root_that_is_missing_deleted_or_replaced_is_followed(tmp_path: Path, pattern: str) -> None:
    root = tmp_path / "not" / "yet"
    async with landing(root, pattern) as heard:
        write(root / "first.csv")
        await heard.until(lambda: "first.csv" in heard.names)
        shutil.rmtree(root)
        await anyio.sleep(0.3)
        write(root / "second.csv")
        await heard.until(lambda: "second.csv" in heard.names)
        shutil.rmtree(tmp_path / "not")
        write(root / "third.csv")
        await heard.until(lambda: "third.csv" in heard.names)


@pytest.mark.parametrize("pattern", ["*.csv", "**/*.csv"])
async def test_a_root_that_is_renamed_away_is_left_for_the_one_in_its_place(tmp_path: Path, pattern: str) -> None:
    root = tmp_path / "landing"
    root.mkdir()
    async with landing(root, pattern) as heard:
        root.rename(tmp_path / "old")
        write(root / "new.csv")
        write(tmp_path / "old" / "stray.csv")
        await heard.until(lambda: heard.events)
        await anyio.sleep(0.3)
    assert heard.names == ["new.csv"]


async def test_a_root_that_is_a_link_is_followed_also_to_where_it_points_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notification, "_QUIET_MS", 100)
    for target in ("old", "new"):
        (tmp_path / target).mkdir()
    root = tmp_path / "current"
    root.symlink_to(tmp_path / "old")
    async with landing(root, "**/*.csv") as heard:
        write(tmp_path / "old" / "a.csv")
        await heard.until(lambda: heard.names == ["a.csv"])
        (tmp_path / "next").symlink_to(tmp_path / "new")
        (tmp_path / "next").replace(root)
        write(tmp_path / "new" / "b.csv")
        await heard.until(lambda: heard.names == ["a.csv", "b.csv"])
        await anyio.sleep(0.4)
        write(tmp_path / "new" / "c.csv")
        await heard.until(lambda: heard.names == ["a.csv", "b.csv", "c.csv"])


async def test_a_name_that_is_no_utf8_is_reported_once_and_stops_nothing(tmp_path: Path) -> None:
    with structlog.testing.capture_logs() as logs:
        async with landing(tmp_path) as heard:
            Path(os.fsdecode(os.fsencode(tmp_path) + b"/bad\xff.csv")).write_text("x")
            await anyio.sleep(0.4)
            write(tmp_path / "good.csv")
            await heard.until(lambda: heard.events)
    assert heard.names == ["good.csv"]
    refused = [line for line in logs if line["event"] == "source.path_refused"]
    assert [line["path"] for line in refused] == ["bad�.csv"]


async def test_links_and_pipes_are_refused_and_said_so(tmp_path: Path) -> None:
    secret = write(tmp_path / "secret")
    root = tmp_path / "landing"
    root.mkdir()
    with structlog.testing.capture_logs() as logs:
        async with landing(root) as heard:
            (root / "link.csv").symlink_to(secret)
            os.mkfifo(root / "pipe.csv")
            write(root / "good.csv")
            await heard.until(lambda: heard.events)
            (root / "pipe.csv").chmod(0o600)
            await anyio.sleep(0.3)
    assert heard.names == ["good.csv"]
    refused = [line["path"] for line in logs if line["event"] == "source.path_refused"]
    assert sorted(refused) == ["link.csv", "pipe.csv"]


async def test_a_thousand_bad_names_are_not_a_thousand_lines(tmp_path: Path) -> None:
    for number in range(1000):
        (tmp_path / f"{number}.csv").symlink_to(tmp_path / "nothing")
    with structlog.testing.capture_logs() as logs:
        async with landing(tmp_path) as heard:
            write(tmp_path / "good.csv")
            await heard.until(lambda: heard.events)
    lines = [line for line in logs if line["event"].startswith("source.path")]
    assert [line.get("more") for line in lines] == [None] * 20 + [980]


async def test_nobody_looks_more_than_once_a_minute_while_it_is_quiet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[object] = []
    plain = file_source.look
    monkeypatch.setattr(file_source, "look", lambda *given, **more: looks.append(given) or plain(*given, **more))
    monkeypatch.setattr(Watcher, "run", lambda self: anyio.sleep_forever())
    write(tmp_path / "a.csv", age=3600)
    clock = FakeClock(datetime.now(UTC))
    async with anyio.create_task_group() as tasks:
        source = FileSource("files:*.csv", root=str(tmp_path), pattern="*.csv")
        tasks.start_soon(Landing(tmp_path).listen, source, clock)
        await anyio.sleep(0.3)
        at_start = len(looks)
        for _ in range(60):
            await clock.advance(60)
            await anyio.sleep(0.01)
        tasks.cancel_scope.cancel()
    assert 50 <= len(looks) - at_start <= 60


async def test_a_deleted_file_is_silent_unless_asked_for(tmp_path: Path) -> None:
    for deleted in (False, True):
        path = write(tmp_path / f"a{deleted}.csv", age=10)
        async with landing(tmp_path, path.name, deleted=deleted) as heard:
            path.unlink()
            await anyio.sleep(0.3)
            write(tmp_path / "b.csv")
        assert [event.change for event in heard.events] == (["added", "deleted"] if deleted else ["added"])


async def test_a_deleted_file_leaves_the_cursor_with_the_next_event(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", age=10)
    async with landing(tmp_path) as heard:
        path.unlink()
        await anyio.sleep(0.3)
        assert heard.known == {"a.csv"}
        write(tmp_path / "b.csv")
        await heard.until(lambda: "b.csv" in heard.names)
    assert heard.known == {"b.csv"}


async def test_polling_finds_files_without_any_notification(tmp_path: Path) -> None:
    async with landing(tmp_path, poll="100ms") as heard:
        write(tmp_path / "a.csv")
        await heard.until(lambda: heard.events)


async def test_where_the_kernel_is_deaf_it_says_so_and_polls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def deaf(*paths: str, stop_event: threading.Event, **options: Any) -> Any:
        stop_event.wait()
        yield from ()

    monkeypatch.setattr(notification, "watch", deaf)
    monkeypatch.setattr(file_source, "_PROBE_PATIENCE", 0.3)
    monkeypatch.setattr(file_source, "_POLL", 0.1)
    with structlog.testing.capture_logs() as logs:
        async with landing(tmp_path) as heard:
            write(tmp_path / "a.csv")
            await heard.until(lambda: heard.events)
    [line] = [line for line in logs if line["event"] == "source.polling"]
    assert line["reason"] == "the kernel did not tell of a file made on trial"


async def test_on_a_mount_of_another_machine_only_two_equal_looks_make_a_file_complete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (file_source, notification):
        monkeypatch.setattr(module, "mount_notifies", lambda root: False)
    monkeypatch.setattr(file_source, "_POLL", 0.3)
    with structlog.testing.capture_logs() as logs:
        async with landing(tmp_path, settle="1ms") as heard:
            write(tmp_path / "temporary", "half", age=60).rename(tmp_path / "a.csv")  # by a clock that is slow
            for _ in range(4):
                await anyio.sleep(0.2)
                with (tmp_path / "a.csv").open("a") as file:
                    file.write("more")
                os.utime(tmp_path / "a.csv", (time.time() - 60,) * 2)
            await heard.until(lambda: heard.events)
    assert [event.data["size"] for event in heard.events] == [20]
    [line] = [line for line in logs if line["event"] == "source.polling"]
    assert line["reason"] == "this file system does not tell of changes made elsewhere"


async def test_no_trial_file_is_left_behind(tmp_path: Path) -> None:
    async with landing(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


async def test_many_more_sources_than_threads_in_the_pool_watch_at_once(tmp_path: Path) -> None:
    async with anyio.create_task_group() as tasks:
        heard = []
        for number in range(45):
            root = tmp_path / str(number)
            root.mkdir()
            on = files(str(root / "*.csv"), settle="0s")
            heard.append(Landing(root))
            tasks.start_soon(heard[-1].listen, FileSource(on.source.name, **on.source.params))
        await anyio.sleep(1.0)
        for number in range(45):
            write(tmp_path / str(number) / "a.csv")
        await heard[-1].until(lambda: all(each.events for each in heard), 20)
        tasks.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("kind", "notifies"), [("ext4", True), ("overlay", True), ("nfs4", False), ("9p", False), ("fuse.sshfs", False)]
)
def test_mounts_that_hear_only_of_local_changes_are_known(kind: str, notifies: bool) -> None:
    table = f"22 1 8:1 / / rw - ext4 /dev/sda rw\n40 22 0:40 / /mnt/land\\040ing rw shared:1 - {kind} server:/x rw\n"
    assert mount_notifies("/mnt/land ing/in", mounts=lambda: table) is notifies
    assert mount_notifies("/mnt/other", mounts=lambda: table)


def test_a_pattern_is_resolved_where_it_is_declared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    on = files("landing/{date}.csv")
    assert on.source.name == "files:landing/{date}.csv"
    assert on.source.params["root"] == str(tmp_path / "landing")


def test_files_take_the_options_of_every_source() -> None:
    on = files("*.csv", debounce="2s", filter="$.size > 0", content=True)
    assert (on.debounce, on.filter, on.source.params["content"]) == (2.0, "$[?@.size > 0]", True)


def test_declaring_loads_nothing_that_watches() -> None:
    code = "import sys, upwell_sensors; sys.exit('watchfiles' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("options", [{"settle": "soon"}, {"poll": "5"}, {"settle": None}])
def test_a_wrong_option_is_refused_at_once(options: dict[str, Any]) -> None:
    with pytest.raises(DefinitionError):
        files("*.csv", **options)


async def test_a_slow_look_does_not_make_a_fresh_file_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = file_source.look

    def slow(*arguments: Any, **options: Any) -> Any:
        found = plain(*arguments, **options)
        time.sleep(0.5)
        return found

    async with landing(tmp_path, settle="400ms") as heard:
        monkeypatch.setattr(file_source, "look", slow)
        with (tmp_path / "a.csv").open("w") as file:
            for _ in range(10):
                file.write("x" * 100)
                file.flush()
                await anyio.sleep(0.1)
        await heard.until(lambda: heard.events)
    assert [event.data["size"] for event in heard.events] == [1000]
