"""`objects` over fsspec's file systems in memory and on disk, and how a listing is compared."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import fsspec
import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from upwell import EnvVar
from upwell.clock import FakeClock
from upwell.errors import DefinitionError, SourceError
from upwell_sensors import objects
from upwell_sensors.object_listing import Found, compare, look
from upwell_sensors.object_source import ObjectSource
from upwell_sensors.patterns import FilePattern

pytestmark = pytest.mark.anyio

NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)


class Store:
    """A bucket in memory, and listeners to it."""

    def __init__(self, listening: Callable[..., Any], poll_clock: Callable[..., Any]) -> None:
        self.bucket = uuid.uuid4().hex
        self.url = f"memory://{self.bucket}"
        self.files = fsspec.filesystem("memory")
        self.files.makedirs(f"/{self.bucket}")
        self._listening, self._clock = listening, poll_clock

    def put(self, name: str, content: bytes = b"x") -> None:
        self.files.pipe(f"/{self.bucket}/{name}", content)

    def remove(self, name: str) -> None:
        self.files.rm(f"/{self.bucket}/{name}")

    @asynccontextmanager
    async def listen(self, pattern: str = "*.csv", since: Any = None, **options: Any) -> AsyncIterator[Any]:
        batches = options.pop("batches", None)
        on = objects(f"{self.url}/{pattern}", **options)
        source = ObjectSource(on.source.name, **on.source.params)
        async with self._listening(source, clock := self._clock(), since, batches=batches) as heard:
            heard.turn = clock.turn
            if batches is None:
                await clock.turn()
            else:
                await clock.advance(5)
                await heard.until(lambda: heard.killed)
            yield heard


@pytest.fixture
def store(listening: Callable[..., Any], poll_clock: Callable[..., Any]) -> Store:
    return Store(listening, poll_clock)


def told(heard: Any) -> list[tuple[str, str]]:
    return [(event.change, event.data["name"]) for event in heard.events]


async def test_objects_are_told_when_they_are_new_and_when_they_are_replaced(store: Store) -> None:
    store.put("a.csv")
    async with store.listen() as heard:
        store.put("a.csv", b"y")
        store.put("b.csv")
        await heard.turn()
        await heard.turn()
    assert told(heard) == [("added", "a.csv"), ("modified", "a.csv"), ("added", "b.csv")]


async def test_an_event_has_the_url_the_captures_and_the_time(store: Store) -> None:
    store.put("2024/orders-fr.csv", b"four")
    async with store.listen("{year}/orders-{region}.csv") as heard:
        pass
    [event] = heard.events
    assert event.path == f"{store.url}/2024/orders-fr.csv"
    assert event.data == {"name": "2024/orders-fr.csv", "size": 4}
    assert event.captures == {"year": "2024", "region": "fr"}
    assert abs(event.occurred_at.timestamp() - time.time()) < 60


async def test_what_came_while_nobody_looked_is_caught_up_and_nothing_is_repeated(store: Store) -> None:
    store.put("a.csv")
    async with store.listen() as before:
        pass
    store.put("b.csv")
    async with store.listen(since=before.cursor) as after:
        store.put("c.csv")
        await after.turn()
    assert [(event.data["name"], event.caught_up) for event in after.events] == [("b.csv", True), ("c.csv", False)]


async def test_what_was_there_at_the_first_start_is_not_told_if_only_the_latest_counts(store: Store) -> None:
    store.put("a.csv")
    async with store.listen(initial="latest") as heard:
        store.put("b.csv")
        await heard.turn()
    assert told(heard) == [("added", "b.csv")]


async def test_an_object_that_is_gone_is_told_if_wanted(store: Store) -> None:
    store.put("a.csv")
    async with store.listen(deleted=True) as heard:
        store.remove("a.csv")
        await heard.turn()
    assert told(heard) == [("added", "a.csv"), ("deleted", "a.csv")]
    assert heard.cursor == {"looked": True}


async def test_an_object_that_comes_back_is_new_again(store: Store) -> None:
    store.put("a.csv")
    async with store.listen() as heard:
        store.remove("a.csv")
        await heard.turn()
        store.put("a.csv")
        await heard.turn()
    assert told(heard) == [("added", "a.csv")] * 2


async def test_many_objects_go_on_where_the_service_was_killed(store: Store) -> None:
    for number in range(1200):
        store.put(f"{number}.csv")
    async with store.listen(batches=1) as killed:
        pass
    async with store.listen(since=killed.cursor) as heard:
        await heard.until(lambda: len(killed.events) + len(heard.events) == 1200)
    assert len({name for _, name in told(killed) + told(heard)}) == 1200


async def test_a_bucket_that_is_not_there_is_trouble_and_not_the_end_of_its_objects(store: Store) -> None:
    store.put("a.csv")
    async with store.listen(deleted=True) as before:
        pass
    with structlog.testing.capture_logs() as lines:
        store.files.rm(f"/{store.bucket}", recursive=True)
        async with store.listen(deleted=True, since=before.cursor) as after:
            pass
    assert after.events == []
    assert [line["kind"] for line in lines] == ["missing"]


async def test_the_last_object_of_a_prefix_may_go(store: Store) -> None:
    store.put("in/a.csv")
    store.put("other")
    async with store.listen("in/*.csv", deleted=True) as heard:
        store.remove("in/a.csv")
        await heard.turn()
    assert told(heard) == [("added", "a.csv"), ("deleted", "a.csv")]


async def test_files_on_a_disk_are_objects_too(tmp_path: Path, listening: Callable[..., Any]) -> None:
    (tmp_path / "a.csv").write_text("x")
    on = objects(f"file://{tmp_path}/*.csv")
    clock = FakeClock(NOON)
    async with listening(ObjectSource(on.source.name, **on.source.params), clock) as heard:
        await clock.advance(5)
        await heard.until(lambda: heard.events)
    assert heard.events[0].path == str(tmp_path / "a.csv")


async def test_a_store_that_hangs_is_given_up_and_does_not_gather_threads(
    listening: Callable[..., Any], poll_clock: Callable[..., Any]
) -> None:
    hanging = threading.Semaphore(0)
    calls: list[str] = []

    class Hanging:
        def ls(self, path: str, detail: bool) -> list[dict[str, Any]]:
            calls.append(path)
            hanging.acquire()
            return []

    clock = poll_clock()
    source = ObjectSource("hanging", scheme="memory", root="/b", pattern="*", interval="1s", timeout="50ms")
    source._files = Hanging()
    with structlog.testing.capture_logs() as lines:
        async with listening(source, clock):
            for _ in range(4):
                await clock.turn()
        hanging.release()
    assert calls == ["b"]
    assert [line["kind"] for line in lines] == ["timeout"]


async def test_a_scheme_that_nobody_installed_says_what_to_install(listening: Callable[..., Any]) -> None:
    source = ObjectSource("o", scheme="nowhere", root="/b", pattern="*", interval="1s")
    clock = FakeClock(NOON)
    with pytest.raises(ExceptionGroup) as caught:
        async with listening(source, clock):
            await clock.advance(5)
            await anyio.sleep(5)
    assert caught.group_contains(SourceError, match="pip install")


class Listed:
    """A file system that lists what it is told to, and counts."""

    def __init__(self, *names: str) -> None:
        self.names = names
        self.asked: list[str] = []

    def ls(self, path: str, detail: bool) -> list[dict[str, Any]]:
        self.asked.append(path)
        below = dict(
            name.removeprefix(path + "/").partition("/")[::2] for name in self.names if name.startswith(path + "/")
        )
        return [
            {"name": f"{path}/{name}", "type": "directory" if rest else "file", "size": 1, "ETag": f'"{name}"'}
            for name, rest in below.items()
        ]


def pattern(text: str) -> FilePattern:
    return FilePattern.parse(text, base="/")


def test_only_folders_that_the_pattern_enters_are_listed() -> None:
    files = Listed("/b/2024/in/a.csv", "/b/2024/out/b.csv", "/b/old/in/c.csv")
    assert [*look(files, "/b", pattern("b/20*/in/*.csv"), threading.Event())] == ["2024/in/a.csv"]
    assert files.asked == ["/b", "/b/2024", "/b/2024/in"]


def test_the_marker_of_a_folder_is_no_object() -> None:
    class Marked(Listed):
        def ls(self, path: str, detail: bool) -> list[dict[str, Any]]:
            return [{"name": path, "type": "file", "size": 0}, *super().ls(path, detail)]

    assert [*look(Marked("/b/x/a.csv"), "/b", pattern("b/**/*"), threading.Event())] == ["x/a.csv"]


fingerprints = st.dictionaries(st.text(min_size=1, max_size=3), st.integers(0, 3))


@given(fingerprints, fingerprints)
def test_after_every_change_is_told_nothing_differs(known: dict[str, int], there: dict[str, int]) -> None:
    found = {path: Found(name=path, fingerprint=each, size=1, changed_at=None) for path, each in there.items()}
    changes = compare(known, found)
    for change in changes:
        assert (change.path in known) == (change.kind != "added")
        known.pop(change.path, None)
        if change.found is not None:
            known[change.path] = change.found.fingerprint
    assert known == there
    assert len({change.path for change in changes}) == len(changes)
    assert compare(known, found) == []


@pytest.mark.parametrize(
    ("url", "options", "mistake"),
    [
        ("bucket/*.csv", {}, "write a URL"),
        ("s3://*/a.csv", {}, "name the bucket"),
        ("s3://bucket", {}, "name the bucket"),
        ("s3://bucket/{a b}.csv", {}, r"objects\('s3://.* is no name for a capture"),
        ("s3://bucket/*", {"storage_options": {"key": "AKIA"}}, "does not belong into code"),
        ("s3://bucket/*", {"storage_options": {"client_kwargs": {"aws_secret_access_key": "x"}}}, "does not belong"),
        ("s3://bucket/*", {"initial": "none"}, "initial"),
    ],
)
def test_a_declaration_that_cannot_be_carried_out_says_why(url: str, options: dict[str, Any], mistake: str) -> None:
    with pytest.raises(DefinitionError, match=mistake):
        objects(url, **options)


def test_secrets_travel_by_name() -> None:
    on = objects("s3://bucket/*", storage_options={"key": EnvVar("KEY"), "client_kwargs": {"endpoint_url": "http://h"}})
    assert on.source.params["storage_options"] == {"key": {"env": "KEY"}, "client_kwargs": {"endpoint_url": "http://h"}}
