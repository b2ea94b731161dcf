"""`objects` on S3: moto's server behind s3fs."""

from __future__ import annotations

import logging
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import anyio
import anyio.to_thread
import fsspec
import pytest
import structlog
from moto.server import ThreadedMotoServer

from upwell import EnvVar
from upwell.clock import FakeClock
from upwell.sources.secrets import resolved
from upwell_sensors import objects
from upwell_sensors.object_source import ObjectSource

pytestmark = pytest.mark.anyio

NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)
ENVIRON = {"S3_KEY": "upwell", "S3_SECRET": "quiet"}


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


class Bucket:
    """A bucket of S3, and listeners to it."""

    def __init__(self, endpoint: str, listening: Callable[..., Any]) -> None:
        self.name = f"b{uuid.uuid4().hex[:12]}"
        self.endpoint = endpoint
        self.files = fsspec.filesystem(
            "s3", key="upwell", secret="quiet", client_kwargs={"endpoint_url": endpoint}, skip_instance_cache=True
        )
        self.files.mkdir(self.name)
        self._listening = listening

    async def put(self, name: str, content: bytes = b"x") -> None:
        await anyio.to_thread.run_sync(self.files.pipe, f"{self.name}/{name}", content)

    async def remove(self, name: str) -> None:
        await anyio.to_thread.run_sync(self.files.rm, f"{self.name}/{name}")

    @asynccontextmanager
    async def listen(self, pattern: str, since: Any = None, **options: Any) -> AsyncIterator[Any]:
        on = objects(
            f"s3://{self.name}/{pattern}",
            storage_options={
                "key": EnvVar("S3_KEY"),
                "secret": EnvVar("S3_SECRET"),
                "client_kwargs": {"endpoint_url": self.endpoint},
            },
            **options,
        )
        clock = FakeClock(NOON)
        source = ObjectSource(on.source.name, **resolved(on.source.params, ENVIRON))
        async with self._listening(source, clock, since) as heard:

            async def until(claim: Callable[[], Any]) -> None:
                with anyio.fail_after(20):
                    while not claim():
                        await clock.advance(1)
                        await anyio.sleep(0.02)

            heard.until = until
            yield heard


@pytest.fixture
def bucket(endpoint: str, listening: Callable[..., Any]) -> Bucket:
    return Bucket(endpoint, listening)


def told(heard: Any) -> list[tuple[str, str]]:
    return [(event.change, event.data["name"]) for event in heard.events]


async def test_objects_of_s3_are_told_when_new_replaced_and_gone(bucket: Bucket) -> None:
    await bucket.put("orders/2024-01-01.csv")
    await bucket.put("orders/readme.txt")
    async with bucket.listen("orders/{date}.csv", deleted=True) as heard:
        await heard.until(lambda: len(heard.events) == 1)
        await bucket.put("orders/2024-01-01.csv", b"other")
        await heard.until(lambda: len(heard.events) == 2)
        await bucket.remove("orders/2024-01-01.csv")
        await heard.until(lambda: len(heard.events) == 3)
    assert [event.change for event in heard.events] == ["added", "modified", "deleted"]
    assert {event.path for event in heard.events} == {f"s3://{bucket.name}/orders/2024-01-01.csv"}
    assert {event.captures["date"] for event in heard.events} == {"2024-01-01"}
    assert heard.events[1].data == {"name": "2024-01-01.csv", "size": 5, "etag": "795f3202b17cb6bc3d4b771d8c6c9eaf"}


async def test_an_object_that_is_written_again_with_the_same_content_is_no_event(bucket: Bucket) -> None:
    await bucket.put("a.csv")
    async with bucket.listen("*.csv") as heard:
        await heard.until(lambda: heard.events)
        await bucket.put("a.csv")
        await bucket.put("b.csv")
        await heard.until(lambda: len(heard.events) == 2)
    assert told(heard) == [("added", "a.csv"), ("added", "b.csv")]


async def test_a_restart_tells_what_came_meanwhile_and_nothing_twice(bucket: Bucket) -> None:
    await bucket.put("in/fr/a.csv")
    async with bucket.listen("in/**/*.csv") as before:
        await before.until(lambda: "looked" in before.cursor)
    await bucket.put("in/de/north/b.csv")
    async with bucket.listen("in/**/*.csv", since=before.cursor) as after:
        await after.until(lambda: after.events)
        await bucket.put("in/c.csv")
        await after.until(lambda: len(after.events) == 2)
    assert [(*each, event.caught_up) for each, event in zip(told(after), after.events, strict=True)] == [
        ("added", "de/north/b.csv", True),
        ("added", "c.csv", False),
    ]


async def test_more_objects_than_one_page_of_s3_are_all_told(bucket: Bucket) -> None:
    names = {f"{bucket.name}/many/{number:04}.csv": b"x" for number in range(1100)}
    await anyio.to_thread.run_sync(bucket.files.pipe, names)
    async with bucket.listen("many/*.csv") as heard:
        await heard.until(lambda: len(heard.events) == 1100)
    assert len({event.path for event in heard.events}) == 1100


async def test_a_prefix_without_objects_is_well_and_a_bucket_that_is_not_there_is_trouble(bucket: Bucket) -> None:
    async with bucket.listen("nothing/*.csv") as heard:
        await heard.until(lambda: "looked" in heard.cursor)
    bucket.name = "no-such-bucket"
    with structlog.testing.capture_logs() as lines:
        async with bucket.listen("*.csv") as heard:
            await heard.until(lambda: lines)
    assert lines[0]["kind"] == "missing"


async def test_a_server_that_is_down_is_told_once_and_moves_nothing(bucket: Bucket) -> None:
    await bucket.put("a.csv")
    async with bucket.listen("*.csv", deleted=True) as before:
        await before.until(lambda: "looked" in before.cursor)
    bucket.endpoint = "http://127.0.0.1:9"
    with structlog.testing.capture_logs() as lines:
        async with bucket.listen("*.csv", deleted=True, since=before.cursor, timeout="300ms") as after:
            await after.until(lambda: lines)
            await anyio.sleep(0.5)
    assert (after.events, after.cursor) == ([], before.cursor)
    assert [line["event"] for line in lines] == ["source.unreachable"]
    assert "quiet" not in repr(lines)
