"""Bad clients against a real socket: none of them holds a connection or memory for longer than it may."""

from __future__ import annotations

import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import anyio
import anyio.abc
import anyio.to_thread
import psutil
import pytest
from starlette.types import Receive, Scope, Send

from upwell.web.protocol import ConnectionLimits
from upwell.web.server import serve

pytestmark = pytest.mark.anyio

LIMITS = ConnectionLimits(
    request_for=0.4, unread_for=0.5, keep_alive_for=0.3, head_bytes=8192, connections_per_client=20, connections=30
)
POST = b"POST /webhooks/x HTTP/1.1\r\nhost: localhost\r\n"


class Echo:
    """Reads a request whole and answers with its size; /early answers before, /long with 64 MiB."""

    def __init__(self) -> None:
        self.requests = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.requests += 1
        size, more = 0, scope["path"] != "/early"
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            size += len(message.get("body", b""))
            more = message.get("more_body", False)
        chunks = [b"x" * 65536] * 1024 if scope["path"] == "/long" else [b"%d" % size]
        length = b"%d" % sum(map(len, chunks))
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", length)]})
        for chunk in chunks:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    def drain(self) -> None:
        pass


Connect = Callable[..., Awaitable[anyio.abc.SocketStream]]


@asynccontextmanager
async def serving(app: Echo, limits: ConnectionLimits = LIMITS) -> AsyncIterator[Connect]:
    async with anyio.create_task_group() as tasks:
        port: int = await tasks.start(
            lambda *, task_status: serve(app, "127.0.0.1", 0, limits=limits, task_status=task_status)
        )

        async def connect(first: bytes = b"") -> anyio.abc.SocketStream:
            stream = await anyio.connect_tcp("127.0.0.1", port)
            if first:
                await stream.send(first)
            return stream

        yield connect
        tasks.cancel_scope.cancel()


async def everything(stream: anyio.abc.SocketStream) -> bytes:
    """What the server says until it hangs up."""
    parts = []
    try:
        while True:
            parts.append(await stream.receive())
    except (anyio.EndOfStream, anyio.BrokenResourceError):
        return b"".join(parts)


async def ask(stream: anyio.abc.SocketStream, request: bytes) -> bytes:
    await stream.send(request)
    return await stream.receive()


async def drip(stream: anyio.abc.SocketStream, byte: bytes) -> None:
    """Send a byte every 50 ms, until the connection is cut."""
    with pytest.raises((anyio.BrokenResourceError, anyio.ClosedResourceError)):
        while True:
            await stream.send(byte)
            await anyio.sleep(0.05)


@pytest.mark.parametrize("first", [b"", b"\r\n", b"P", POST, POST + b"x: ", POST + b"content-length: 10\r\n\r\nabc"])
async def test_a_client_that_falls_silent_is_cut(first: bytes) -> None:
    async with serving(Echo()) as connect:
        stream = await connect(first)
        begun = time.monotonic()
        with anyio.fail_after(2):
            said = await everything(stream)
        assert 0.2 < time.monotonic() - begun < 1.5
    assert said.startswith(b"HTTP/1.1 408 ") or said == b""


@pytest.mark.parametrize(
    ("first", "byte"),
    [
        pytest.param(POST + b"x: ", b"a", id="head"),
        pytest.param(POST + b"content-length: 1000\r\n\r\n", b"a", id="body"),
        pytest.param(POST + b"transfer-encoding: chunked\r\n\r\n", b"1\r\na\r\n", id="chunks"),
        pytest.param(b"", b"\r\n", id="empty lines"),
    ],
)
async def test_a_request_may_not_take_longer_than_its_deadline_however_busy_it_is(first: bytes, byte: bytes) -> None:
    async with serving(Echo()) as connect:
        stream = await connect(first)
        begun = time.monotonic()
        with anyio.fail_after(3):
            await drip(stream, byte)
        assert time.monotonic() - begun < 2


async def test_a_body_that_goes_on_after_an_early_answer_is_cut() -> None:
    async with serving(Echo()) as connect:
        stream = await connect(b"POST /early HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\n")
        assert (await stream.receive()).startswith(b"HTTP/1.1 200 ")
        with anyio.fail_after(3):
            await drip(stream, b"a")


async def test_an_idle_connection_is_closed_after_its_answer() -> None:
    async with serving(Echo()) as connect:
        stream = await connect()
        assert await ask(stream, POST + b"content-length: 3\r\n\r\nabc")
        with anyio.fail_after(2):
            assert await everything(stream) == b""


async def test_a_busy_connection_is_kept_beyond_every_deadline() -> None:
    async with serving(Echo()) as connect:
        stream = await connect()
        begun = time.monotonic()
        while time.monotonic() - begun < 1.2:
            assert (await ask(stream, POST + b"content-length: 3\r\n\r\nabc")).endswith(b"\r\n\r\n3")
            await anyio.sleep(0.1)


HEADS = {
    "many headers": b"".join(b"x%d: a\r\n" % number for number in range(2000)),
    "one long header": b"x: " + b"a" * 20_000 + b"\r\n",
    "a long name": b"x" * 20_000 + b": a\r\n",
}


@pytest.mark.parametrize("piece", [700, 1_000_000])
@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS.keys())
async def test_a_head_over_its_size_is_431(head: bytes, piece: int) -> None:
    app = Echo()
    request = POST + head + b"\r\n"
    async with serving(app) as connect:
        stream = await connect()
        with anyio.fail_after(3):
            try:
                for start in range(0, len(request), piece):
                    await stream.send(request[start : start + piece])
                    await anyio.sleep(0.005)
            except anyio.BrokenResourceError:
                pass
            said = await everything(stream)
    assert app.requests == 0
    assert said.startswith(b"HTTP/1.1 431 ") or said == b""


async def test_a_long_url_is_431() -> None:
    async with serving(Echo()) as connect:
        stream = await connect(b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nhost: x\r\n\r\n")
        assert (await everything(stream)).startswith(b"HTTP/1.1 431 ")


async def test_trailers_count_as_head() -> None:
    async with serving(Echo()) as connect:
        stream = await connect(POST + b"transfer-encoding: chunked\r\n\r\n0\r\n")
        with pytest.raises((anyio.BrokenResourceError, anyio.ClosedResourceError)), anyio.fail_after(5):
            while True:
                await stream.send(HEADS["many headers"][:1000])
                await anyio.sleep(0.001)


async def test_endless_headers_take_no_memory() -> None:
    process = psutil.Process()
    async with serving(Echo()) as connect:
        stream = await connect(POST)
        before = process.memory_info().rss
        with pytest.raises((anyio.BrokenResourceError, anyio.ClosedResourceError)), anyio.fail_after(10):
            for number in range(200):
                await stream.send(b"x%d: " % number + b"a" * 2**20 + b"\r\n")
        assert process.memory_info().rss - before < 30 * 2**20


@pytest.mark.parametrize(
    "request_",
    [
        POST + b"content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        POST + b"content-length: 3\r\ncontent-length: 4\r\n\r\nabcd",
        POST + b"content-length: -1\r\n\r\n",
        POST + b"content-length: 3\r\nx: a\r\n b\r\n\r\nabc",
        POST + b"transfer-encoding: identity, chunked\r\ncontent-length: 1\r\n\r\n0\r\n\r\n",
        b"POST /x HTTP/1.1\nhost: x\n content-length: 3\n\nabc",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
    ids=["length and chunked", "two lengths", "negative", "folded", "two encodings", "bare line feeds", "TLS"],
)
async def test_what_could_be_read_in_two_ways_is_refused(request_: bytes) -> None:
    app = Echo()
    async with serving(app) as connect:
        with anyio.fail_after(3):
            said = await everything(await connect(request_))
    assert said.startswith(b"HTTP/1.1 400 ")


async def test_one_client_may_hold_so_many_connections() -> None:
    async with serving(Echo()) as connect:
        streams = [await connect() for _ in range(40)]
        await anyio.sleep(0.1)
        alive = 0
        for stream in streams:
            try:
                alive += (await ask(stream, POST + b"content-length: 0\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
            except (anyio.EndOfStream, anyio.BrokenResourceError):
                continue
        assert alive == LIMITS.connections_per_client
        for stream in streams:
            await stream.aclose()
        await anyio.sleep(0.1)
        assert (await ask(await connect(), POST + b"content-length: 0\r\n\r\n")).startswith(b"HTTP/1.1 200 ")


async def test_an_answer_that_nobody_reads_is_dropped() -> None:
    async with serving(Echo()) as connect:
        stream = await connect()
        port = stream.extra(anyio.abc.SocketAttribute.remote_port)
        with socket.create_connection(("127.0.0.1", port)) as reader:
            reader.sendall(b"GET /long HTTP/1.1\r\nhost: x\r\n\r\n")
            await anyio.sleep(1.2)
            assert await anyio.to_thread.run_sync(_read_all, reader) < 64 * 2**20


def _read_all(reader: socket.socket) -> int:
    reader.settimeout(5)
    size = 0
    try:
        while chunk := reader.recv(2**20):
            size += len(chunk)
    except ConnectionResetError:
        pass  # how a cut connection ends
    return size


async def test_an_answer_that_is_read_slowly_but_steadily_comes_whole() -> None:
    async with serving(Echo()) as connect:
        stream = await connect(b"GET /long HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        received = 0
        with anyio.fail_after(20):
            while received < 64 * 2**20:
                received += len(await stream.receive(2**20))
                await anyio.sleep(0.001)


async def test_a_good_sender_is_served_while_bad_ones_attack() -> None:
    async with serving(Echo(), ConnectionLimits(request_for=0.4, head_bytes=8192)) as connect:
        good = await connect()
        async with anyio.create_task_group() as tasks:
            for first in (b"", POST + b"x: ", POST + b"content-length: 9999\r\n\r\n"):
                for _ in range(30):
                    tasks.start_soon(_attack, connect, first)
            slowest = 0.0
            for _ in range(100):
                begun = time.monotonic()
                assert (await ask(good, POST + b"content-length: 3\r\n\r\nabc")).endswith(b"3")
                slowest = max(slowest, time.monotonic() - begun)
            tasks.cancel_scope.cancel()
    assert slowest < 1.0


async def _attack(connect: Connect, first: bytes) -> None:
    while True:
        stream = await connect(first)
        await everything(stream)
