"""`http_poll` against a real server that answers well, badly, slowly, or not at all."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import anyio
import anyio.abc
import httpx
import pytest
import structlog

from upwell import EnvVar
from upwell.clock import FakeClock
from upwell.errors import DefinitionError
from upwell.sources.secrets import resolved
from upwell_sensors import http_poll
from upwell_sensors.http_source import HttpPollSource

pytestmark = pytest.mark.anyio

NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)
HANG, DROP, ENDLESS = "hang", "drop", "endless"


class Server:
    """Answers each request with `answer`: a body as JSON, a whole response, or something bad."""

    def __init__(self) -> None:
        self.url = ""
        self.requests: list[httpx.Request] = []
        self.answer: Any = {}

    async def serve(self, stream: anyio.abc.SocketStream) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            head += await stream.receive()
        lines, _, body = head.partition(b"\r\n\r\n")
        first, *headers = lines.decode().split("\r\n")
        method, path, _ = first.split(" ")
        pairs = [(name.lower(), value) for name, _, value in (line.partition(": ") for line in headers)]
        while len(body) < int(dict(pairs).get("content-length", 0)):
            body += await stream.receive()
        self.requests.append(httpx.Request(method, self.url + path, headers=pairs, content=body))
        await self._answer(stream, self.answer() if callable(self.answer) else self.answer)

    async def _answer(self, stream: anyio.abc.SocketStream, answer: Any) -> None:
        async with stream:
            if answer == HANG:
                await anyio.sleep_forever()
            elif answer == DROP:
                await stream.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n[{")
            elif answer == ENDLESS:
                await stream.send(b"HTTP/1.1 200 OK\r\n\r\n")
                with pytest.raises(anyio.BrokenResourceError):
                    while True:
                        await stream.send(b"x" * 65536)
            else:
                reply = answer if isinstance(answer, httpx.Response) else httpx.Response(200, json=answer)
                head = "".join(f"{name}: {value}\r\n" for name, value in reply.headers.items())
                await stream.send(f"HTTP/1.1 {reply.status_code} X\r\nConnection: close\r\n{head}\r\n".encode())
                if reply.content:
                    await stream.send(reply.content)

    async def asked(self, times: int) -> None:
        with anyio.fail_after(20):
            while len(self.requests) < times:
                await anyio.sleep(0.002)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    served = Server()
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    served.url = f"http://127.0.0.1:{listener.extra(anyio.abc.SocketAttribute.local_port)}"
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, served.serve)
        yield served
        tasks.cancel_scope.cancel()


@pytest.fixture
def poll(server: Server, listening: Callable[..., Any], poll_clock: Callable[..., Any]) -> Callable[..., Any]:
    """Listen to the server: `async with poll(items=…) as heard` has looked, `await heard.turn()` looks again."""

    @asynccontextmanager
    async def polling(since: Any = None, batches: int | None = None, **options: Any) -> AsyncIterator[Any]:
        on = http_poll(server.url, **options)
        source = HttpPollSource(on.source.name, **on.source.params)
        async with listening(source, clock := poll_clock(), since, batches=batches) as heard:
            heard.turn, heard.clock = clock.turn, clock
            if batches is None:
                await clock.turn()
            else:
                await clock.advance(5)
                await heard.until(lambda: heard.killed)
            yield heard

    return polling


def with_etag(server: Server, etag: str, content: Any) -> Callable[[], httpx.Response]:
    def answer() -> httpx.Response:
        if server.requests[-1].headers.get("if-none-match") == etag:
            return httpx.Response(304)
        return httpx.Response(
            200, json=content, headers={"ETag": etag, "Last-Modified": "Fri, 01 Mar 2024 11:00:00 GMT"}
        )

    return answer


class TestWholeAnswers:
    async def test_are_told_when_they_change(self, server: Server, poll: Callable[..., Any]) -> None:
        server.answer = {"rate": 1}
        async with poll() as heard:
            await heard.turn()
            server.answer = {"rate": 2}
            await heard.turn()
            server.answer = {"rate": 1}
            await heard.turn()
        assert heard.data == [{"rate": 1}, {"rate": 2}, {"rate": 1}]

    async def test_that_are_unchanged_are_not_sent_again(self, server: Server, poll: Callable[..., Any]) -> None:
        server.answer = with_etag(server, '"v1"', {"rate": 1})
        async with poll() as heard:
            await heard.turn()
        assert heard.data == [{"rate": 1}]
        assert server.requests[1].headers["if-none-match"] == '"v1"'
        assert server.requests[1].headers["if-modified-since"] == "Fri, 01 Mar 2024 11:00:00 GMT"

    async def test_are_remembered_over_a_restart(self, server: Server, poll: Callable[..., Any]) -> None:
        server.answer = with_etag(server, '"v1"', {"rate": 1})
        async with poll() as before:
            pass
        async with poll(before.cursor) as after:
            server.answer = {"rate": 2}
            await after.turn()
        assert server.requests[1].headers["if-none-match"] == '"v1"'
        assert [(event.data, event.caught_up) for event in after.events] == [({"rate": 2}, False)]

    async def test_that_changed_meanwhile_are_caught_up(self, server: Server, poll: Callable[..., Any]) -> None:
        async with poll() as before:
            pass
        server.answer = {"rate": 2}
        async with poll(before.cursor) as after:
            pass
        assert [event.caught_up for event in after.events] == [True]

    async def test_other_than_json_are_told_as_text(self, server: Server, poll: Callable[..., Any]) -> None:
        server.answer = httpx.Response(200, text="a;b\n1;2\n")
        async with poll() as heard:
            pass
        assert heard.data == ["a;b\n1;2\n"]
        assert heard.events[0].headers == {"content-type": "text/plain; charset=utf-8"}

    async def test_at_the_first_start_are_not_told_if_only_the_latest_count(
        self, server: Server, poll: Callable[..., Any]
    ) -> None:
        server.answer = {"rate": 1}
        async with poll(initial="latest") as heard:
            server.answer = {"rate": 2}
            await heard.turn()
        assert heard.data == [{"rate": 2}]

    async def test_told_but_not_committed_are_told_again(self, server: Server, poll: Callable[..., Any]) -> None:
        server.answer = with_etag(server, '"v1"', {"rate": 1})
        async with poll(batches=0) as killed:
            pass
        assert killed.cursor == {}
        async with poll(killed.cursor) as heard:
            pass
        assert heard.data == [{"rate": 1}]


class TestItems:
    async def test_are_told_once_each_by_their_id(self, server: Server, poll: Callable[..., Any]) -> None:
        server.answer = {"results": [{"id": 1}, {"id": 2}]}
        async with poll(items="$.results[*]", item_id="$.id") as heard:
            server.answer = {"results": [{"id": 2, "seen": True}, {"id": 3}]}
            await heard.turn()
        assert heard.data == [{"id": 1}, {"id": 2}, {"id": 3}]
        assert [event.delivery_id for event in heard.events] == ["1", "2", "3"]

    async def test_without_an_id_are_told_once_each_by_their_content(
        self, server: Server, poll: Callable[..., Any]
    ) -> None:
        server.answer = [{"a": 1, "b": 2}]
        async with poll(items="$[*]") as heard:
            server.answer = [{"b": 2, "a": 1}, {"a": 2}]
            await heard.turn()
        assert heard.data == [{"a": 1, "b": 2}, {"a": 2}]

    async def test_with_a_cursor_are_told_again_when_it_has_grown(
        self, server: Server, poll: Callable[..., Any]
    ) -> None:
        server.answer = [{"id": 1, "at": "2024-01-02"}, {"id": 2, "at": "2024-01-01"}]
        async with poll(items="$[*]", item_id="$.id", cursor="$.at") as heard:
            server.answer = [{"id": 1, "at": "2024-01-02"}, {"id": 2, "at": "2024-01-03"}]
            await heard.turn()
        assert [(item["id"], item["at"][-1]) for item in heard.data] == [(2, "1"), (1, "2"), (2, "3")]
        assert heard.events[-1].delivery_id == "2@2024-01-03"

    async def test_that_share_the_largest_cursor_are_not_lost(self, server: Server, poll: Callable[..., Any]) -> None:
        server.answer = [{"id": 1, "at": 7}]
        options = {"items": "$[*]", "item_id": "$.id", "cursor": "$.at"}
        async with poll(**options) as before:
            pass
        server.answer = [{"id": 1, "at": 7}, {"id": 2, "at": 7}]
        async with poll(before.cursor, **options) as after:
            pass
        assert after.data == [{"id": 2, "at": 7}]

    async def test_are_asked_for_from_the_largest_cursor_on(self, server: Server, poll: Callable[..., Any]) -> None:
        server.answer = lambda: httpx.Response(200, json=[{"id": 1, "at": 7}], headers={"ETag": '"v"'})
        async with poll(items="$[*]", cursor="$.at", cursor_param="since") as heard:
            await heard.turn()
            await heard.turn()
        assert [dict(request.url.params) for request in server.requests] == [{}, {"since": "7"}, {"since": "7"}]
        # The ETag was of another question.
        assert [request.headers.get("if-none-match") for request in server.requests] == [None, None, '"v"']

    async def test_that_do_not_say_who_they_are_are_set_aside(self, server: Server, poll: Callable[..., Any]) -> None:
        server.answer = [{"name": "nobody"}, {"id": 1}]
        with structlog.testing.capture_logs() as lines:
            async with poll(items="$[*]", item_id="$.id") as heard:
                server.answer = [{"name": "nobody"}, {"id": 1}, {"id": 2}]
                await heard.turn()
        assert heard.data == [{"id": 1}, {"id": 2}]
        assert [line["event"] for line in lines] == ["source.item_refused"]

    async def test_of_a_long_answer_told_in_part_go_on_after_a_kill(
        self, server: Server, poll: Callable[..., Any]
    ) -> None:
        server.answer = with_etag(server, '"v1"', [{"id": number} for number in range(1200)])
        async with poll(items="$[*]", item_id="$.id", batches=2) as killed:
            pass
        async with poll(killed.cursor, items="$[*]", item_id="$.id") as heard:
            pass
        assert [item["id"] for item in killed.data + heard.data] == [*range(1200)]
        assert "if-none-match" not in server.requests[1].headers

    async def test_may_be_none_at_all(self, server: Server, poll: Callable[..., Any]) -> None:
        server.answer = httpx.Response(204)
        async with poll(items="$[*]") as heard:
            server.answer = [1]
            await heard.turn()
        assert heard.data == [1]

    async def test_at_the_first_start_are_not_told_if_only_the_latest_count(
        self, server: Server, poll: Callable[..., Any]
    ) -> None:
        server.answer = []
        async with poll(items="$[*]", initial="latest") as heard:
            server.answer = [1]
            await heard.turn()
        assert heard.data == [1]


class TestTrouble:
    @pytest.mark.parametrize("bad", [httpx.Response(500), httpx.Response(302, headers={"Location": "/x"}), DROP, HANG])
    async def test_moves_nothing_and_is_got_over(self, server: Server, poll: Callable[..., Any], bad: Any) -> None:
        server.answer = {"rate": 1}
        async with poll(timeout="200ms") as heard:
            cursor = dict(heard.cursor)
            server.answer = bad
            await heard.turn()
            assert heard.cursor == cursor
            server.answer = {"rate": 2}
            await heard.turn()
        assert heard.data == [{"rate": 1}, {"rate": 2}]
        assert len({request.url.path for request in server.requests}) == 1

    async def test_is_logged_once_a_kind_and_so_is_its_end(self, server: Server, poll: Callable[..., Any]) -> None:
        server.answer = httpx.Response(500)
        with structlog.testing.capture_logs() as lines:
            async with poll(timeout="200ms") as heard:
                await heard.turn()
                server.answer = DROP
                await heard.turn()
                await heard.turn()
                server.answer = {}
                await heard.turn()
        assert [(line["event"], line.get("kind")) for line in lines] == [
            ("source.unreachable", "status 500"),
            ("source.unreachable", "RemoteProtocolError"),
            ("source.recovered", None),
        ]

    async def test_makes_the_pauses_grow(self, server: Server, poll: Callable[..., Any]) -> None:
        server.answer = httpx.Response(500)
        pauses = []
        async with poll() as heard:
            for _ in range(10):
                before = heard.clock.now()
                await heard.turn()
                pauses.append((heard.clock.now() - before).total_seconds())
        assert all(0.5 * 2**n <= pause <= 2**n for n, pause in enumerate(pauses[:9]))
        assert pauses[9] <= 300

    @pytest.mark.parametrize("header", ["120", "Fri, 01 Mar 2024 12:02:05 GMT"])
    async def test_that_says_for_how_long_is_believed(
        self, server: Server, poll: Callable[..., Any], header: str
    ) -> None:
        server.answer = httpx.Response(429, headers={"Retry-After": header})
        async with poll() as heard:
            before = heard.clock.now()
            await heard.turn()
        assert 120 <= (heard.clock.now() - before).total_seconds() <= 125.001

    async def test_of_an_endless_answer_ends_with_the_limit(self, server: Server, poll: Callable[..., Any]) -> None:
        server.answer = ENDLESS
        with structlog.testing.capture_logs() as lines:
            async with poll() as heard:
                pass
        assert heard.events == []
        assert [line["kind"] for line in lines] == ["size"]

    @pytest.mark.parametrize(
        "body", [b"{", b"[NaN]", b"[1e999]", b'["\\ud800"]', b"[" * 200_000, b"[" * 150 + b"]" * 150]
    )
    async def test_of_a_body_that_is_not_json_is_told(
        self, server: Server, poll: Callable[..., Any], body: bytes
    ) -> None:
        server.answer = httpx.Response(200, content=body, headers={"Content-Type": "application/json"})
        with structlog.testing.capture_logs() as lines:
            async with poll() as heard:
                pass
        assert heard.events == []
        assert [line["kind"] for line in lines] == ["content"]


class TestRequests:
    async def test_carry_headers_and_secrets(self, server: Server, listening: Callable[..., Any]) -> None:
        on = http_poll(server.url, headers={"X-Api-Key": EnvVar("KEY"), "Accept": "text/csv"}, bearer=EnvVar("TOKEN"))
        assert "hush" not in repr(on)
        params = resolved(on.source.params, {"KEY": "hush", "TOKEN": "quiet"})
        clock = FakeClock(NOON)
        async with listening(HttpPollSource("secretive", **params), clock) as heard:
            await clock.advance(5)
            await heard.until(lambda: heard.events)
        sent = server.requests[0].headers
        assert (sent["x-api-key"], sent["authorization"], sent["accept"]) == ("hush", "Bearer quiet", "text/csv")

    async def test_with_a_body_are_posted(self, server: Server, poll: Callable[..., Any]) -> None:
        async with poll(method="POST", body={"query": "orders"}):
            pass
        [request] = server.requests
        assert (request.method, json.loads(request.content)) == ("POST", {"query": "orders"})

    async def test_of_many_sources_do_not_come_together(self, server: Server) -> None:
        clock = FakeClock(NOON)
        server.answer = []
        async with anyio.create_task_group() as tasks:

            async def run(number: int) -> None:
                source = HttpPollSource(f"poll{number}", url=server.url, interval="30s")
                async for _ in source.events({}, clock):
                    pass

            for number in range(50):
                tasks.start_soon(run, number)
            await clock.advance(1)
            await server.asked(1)
            await anyio.sleep(0.2)
            assert 1 <= len(server.requests) <= 25
            tasks.cancel_scope.cancel()


class TestDeclarations:
    @pytest.mark.parametrize(
        ("url", "options", "mistake"),
        [
            ("orders", {}, "no URL"),
            ("file:///etc/passwd", {}, "only http and https"),
            ("https://me:pw@host/", {}, "password"),
            ("https://host/", {"headers": {"Authorization": "Bearer x"}}, "does not belong into code"),
            ("https://host/", {"bearer": "x"}, "does not belong into code"),
            ("https://host/", {"item_id": "$.id"}, "items="),
            ("https://host/", {"items": "$[*]", "cursor_param": "since"}, "cursor="),
            ("https://host/", {"items": "$[*"}, "no JSONPath"),
            ("https://host/", {"initial": "none"}, "initial"),
            ("https://host/", {"method": "DELETE"}, "method"),
            ("https://host/", {"interval": "1ms"}, "interval"),
            ("https://host/", {"timeout": "0s"}, "timeout"),
            ("https://host/", {"max_bytes": 0}, "max_bytes"),
        ],
    )
    async def test_that_cannot_be_carried_out_say_why(self, url: str, options: dict[str, Any], mistake: str) -> None:
        with pytest.raises(DefinitionError, match=mistake):
            http_poll(url, **options)

    async def test_are_called_after_the_variable_that_has_the_url(self) -> None:
        assert http_poll(EnvVar("ORDERS_URL"), filter="$.rate > 1").source.name == "http_poll:$ORDERS_URL"
