"""`postgres_notify` on a real server, whose connections are ended and which stops answering."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import anyio
import anyio.abc
import asyncpg
import pytest
import structlog

from upwell import EnvVar
from upwell.clock import FakeClock
from upwell.errors import DefinitionError, SourceError
from upwell_sensors import postgres_notify
from upwell_sensors.postgres_source import NotificationSource

pytestmark = pytest.mark.anyio

NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)
OUTBOX = """
CREATE TABLE outbox (id BIGSERIAL PRIMARY KEY, payload JSONB);
CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN PERFORM pg_notify('orders', NEW.id::text); RETURN NEW; END $$;
CREATE TRIGGER told AFTER INSERT ON outbox FOR EACH ROW EXECUTE FUNCTION tell();
"""
CATCH_UP = "SELECT id, payload FROM outbox WHERE id > :cursor"
LISTENERS = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"


class Outbox:
    """A table whose rows are notified, and listeners to it."""

    def __init__(self, dsn: str, listening: Callable[..., Any]) -> None:
        self.dsn = dsn
        self._listening = listening

    async def execute(self, *statements: str) -> None:
        connection = await asyncpg.connect(self.dsn)
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()

    async def put(self, *numbers: int) -> None:
        await self.execute(*(f"INSERT INTO outbox (payload) VALUES ('{{\"order\": {number}}}')" for number in numbers))

    async def end_connections(self) -> None:
        await self.execute(f"SELECT pg_terminate_backend(pid) {LISTENERS}")

    @asynccontextmanager
    async def listen(self, since: Any = None, **options: Any) -> AsyncIterator[Any]:
        batches = options.pop("batches", None)
        on = postgres_notify("orders", dsn=self.dsn, **{"catch_up": CATCH_UP, **options})
        clock = FakeClock(NOON)
        source = NotificationSource(on.source.name, **on.source.params)
        async with self._listening(source, clock, since, batches=batches) as heard:
            heard.clock = clock
            if batches == 0:
                await heard.until(lambda: heard.killed)
            else:
                await self.ready()
            yield heard

    async def ready(self) -> None:
        """Return once the source listens and rests."""
        connection = await asyncpg.connect(self.dsn)
        try:
            with anyio.fail_after(20):
                while not await connection.fetchval(f"SELECT count(*) {LISTENERS} AND query ~ 'caught_up|SELECT 1'"):
                    await anyio.sleep(0.01)
        finally:
            await connection.close()
        await anyio.sleep(0.05)


@pytest.fixture
async def outbox(postgres_url: str, listening: Callable[..., Any]) -> Outbox:
    found = Outbox(postgres_url.replace("+asyncpg", ""), listening)
    await found.execute(OUTBOX)
    return found


def orders(heard: Any) -> list[int]:
    return [row["payload"]["order"] for row in heard.data]


class TestWithACatchUpQuery:
    async def test_rows_are_told_when_they_are_notified(self, outbox: Outbox) -> None:
        async with outbox.listen() as heard:
            await outbox.put(1, 2)
            await heard.until(lambda: len(heard.events) == 2)
        assert heard.data == [{"id": 1, "payload": {"order": 1}}, {"id": 2, "payload": {"order": 2}}]
        assert not any(event.caught_up for event in heard.events)

    async def test_rows_that_came_while_nobody_listened_are_caught_up(self, outbox: Outbox) -> None:
        async with outbox.listen() as before:
            await outbox.put(1)
            await before.until(lambda: before.events)
        await outbox.put(2)
        async with outbox.listen(before.cursor) as after:
            await after.until(lambda: after.events)
        assert [(row["id"], event.caught_up) for row, event in zip(after.data, after.events, strict=True)] == [
            (2, True)
        ]

    async def test_rows_told_but_not_committed_are_told_again(self, outbox: Outbox) -> None:
        await outbox.put(1, 2)
        async with outbox.listen(batches=0) as killed:
            pass
        async with outbox.listen(killed.cursor) as heard:
            await heard.until(lambda: len(heard.events) == 2)
        assert orders(heard) == [1, 2]

    async def test_nothing_is_lost_or_told_twice_when_the_server_ends_the_connection(self, outbox: Outbox) -> None:
        told, cursor = [], None
        for life in range(4):
            async with outbox.listen(cursor) as heard:
                await outbox.put(10 * life + 1)
                await outbox.end_connections()
                await outbox.put(10 * life + 2)
                await heard.clock.advance(5)
                await outbox.put(10 * life + 3)
                with anyio.fail_after(20):
                    while len(heard.events) < (3 if life == 0 else 4):
                        await heard.clock.advance(1)
                        await anyio.sleep(0.01)
                told += orders(heard)
                cursor = heard.cursor
            await outbox.put(10 * life + 4)
        assert told == [10 * life + each for life in range(4) for each in (1, 2, 3, 4)][:-1]

    async def test_a_transaction_that_ends_after_later_ones_is_not_lost(self, outbox: Outbox) -> None:
        async with outbox.listen() as heard:
            slow = await asyncpg.connect(outbox.dsn)
            async with slow.transaction():
                await slow.execute("INSERT INTO outbox (payload) VALUES ('{\"order\": 1}')")
                await outbox.put(2)
                await heard.until(lambda: heard.events)
            await heard.until(lambda: len(heard.events) == 2)
            await slow.close()
        assert orders(heard) == [2, 1]

    async def test_what_nobody_notified_is_found_after_the_interval(self, outbox: Outbox) -> None:
        await outbox.execute("DROP TRIGGER told ON outbox")
        async with outbox.listen(interval="10s") as heard:
            await outbox.put(1)
            await heard.clock.advance(16)
            await heard.until(lambda: heard.events)
        assert orders(heard) == [1]

    async def test_many_rows_come_in_batches(self, outbox: Outbox) -> None:
        await outbox.execute(
            "INSERT INTO outbox (payload) SELECT jsonb_build_object('order', n) FROM generate_series(1, 1700) n"
        )
        async with outbox.listen() as heard:
            await heard.until(lambda: len(heard.events) == 1700)
            await outbox.put(1701)
            await heard.until(lambda: len(heard.events) == 1701)
        assert orders(heard) == [*range(1, 1702)]
        assert len(heard.cursor) <= 1003

    async def test_the_first_start_begins_after_the_start_and_never_before(self, outbox: Outbox) -> None:
        await outbox.put(1, 2, 3)
        async with outbox.listen(start=2) as heard:
            await outbox.put(4)
            await heard.until(lambda: len(heard.events) == 2)
        assert orders(heard) == [3, 4]

    async def test_the_cursor_may_be_a_time(self, outbox: Outbox) -> None:
        await outbox.execute("ALTER TABLE outbox ADD at TIMESTAMPTZ DEFAULT clock_timestamp()")
        options = {
            "catch_up": "SELECT * FROM outbox WHERE at > :cursor AND payload::text <> ':cursor'::text",
            "cursor_column": "at",
            "start": datetime(2000, 1, 1, tzinfo=UTC),
            "overlap": "1m",
        }
        await outbox.put(1)
        async with outbox.listen(**options) as before:
            await before.until(lambda: before.events)
        async with outbox.listen(before.cursor, **options) as after:
            await outbox.put(2)
            await after.until(lambda: after.events)
        assert (orders(before), orders(after)) == ([1], [2])

    async def test_a_start_of_another_type_than_the_column_says_so(self, outbox: Outbox) -> None:
        with pytest.raises(ExceptionGroup) as caught:
            async with outbox._listening(
                NotificationSource("n", channel="c", dsn=outbox.dsn, catch_up="SELECT 1 AS id WHERE now() > $1"),
                FakeClock(NOON),
            ):
                await anyio.sleep(5)
        assert caught.group_contains(SourceError, match="start=")


class TestWithoutOne:
    async def test_payloads_are_told_as_json_or_as_text(self, outbox: Outbox) -> None:
        async with outbox.listen(catch_up=None) as heard:
            await outbox.execute("NOTIFY orders, '{\"order\": 1}'", "NOTIFY orders, 'plain {'", "NOTIFY orders")
            await heard.until(lambda: len(heard.events) == 3)
        assert heard.data == [{"order": 1}, "plain {", ""]

    async def test_payloads_are_heard_again_after_the_connection_was_ended(self, outbox: Outbox) -> None:
        async with outbox.listen(catch_up=None) as heard:
            with structlog.testing.capture_logs() as lines:
                await outbox.end_connections()
                await heard.until(lambda: lines)
                await heard.clock.advance(2)
                await outbox.ready()
            await outbox.execute("NOTIFY orders, 'again'")
            await heard.until(lambda: heard.events)
        assert heard.data == ["again"]
        assert [line["event"] for line in lines] == ["source.unreachable", "source.recovered"]

    async def test_a_channel_is_taken_by_its_very_name(self, outbox: Outbox, listening: Callable[..., Any]) -> None:
        source = NotificationSource("odd", channel='Or"ders; DROP', dsn=outbox.dsn)
        async with listening(source, FakeClock(NOON)) as heard:
            await outbox.ready()
            await outbox.execute('NOTIFY "Or""ders; DROP", \'x\'')
            await heard.until(lambda: heard.events)
        assert heard.data == ["x"]


class TestADeadServer:
    async def test_that_takes_the_connection_and_says_nothing_is_given_up(self, listening: Callable[..., Any]) -> None:
        async def silence(stream: anyio.abc.SocketStream) -> None:
            await anyio.sleep_forever()

        server = await anyio.create_tcp_listener(local_host="127.0.0.1")
        dsn = f"postgresql://me@127.0.0.1:{server.extra(anyio.abc.SocketAttribute.local_port)}/x"
        with structlog.testing.capture_logs() as lines:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(server.serve, silence)
                async with listening(
                    NotificationSource("n", channel="c", dsn=dsn, timeout="200ms"), FakeClock(NOON)
                ) as heard:
                    await heard.until(lambda: lines)
                tasks.cancel_scope.cancel()
        assert [line["kind"] for line in lines] == ["timeout"]

    async def test_that_went_silent_is_noticed_after_the_interval(
        self, outbox: Outbox, listening: Callable[..., Any]
    ) -> None:
        clock = FakeClock(NOON)
        async with (
            proxy(outbox.dsn) as line,
            listening(
                NotificationSource("n", channel="orders", dsn=line.dsn, interval="10s", timeout="300ms"), clock
            ) as heard,
        ):
            await outbox.ready()
            with structlog.testing.capture_logs() as lines:
                line.silent = True
                await clock.advance(16)
                await heard.until(lambda: lines)
                line.silent = False
                await clock.advance(2)
                await heard.until(lambda: len(lines) == 2)
            await outbox.execute("NOTIFY orders, 'x'")
            await heard.until(lambda: heard.events)
        assert [line["event"] for line in lines] == ["source.unreachable", "source.recovered"]


class Proxy:
    """A way to the server that can swallow everything, as a network that went away without a word."""

    def __init__(self) -> None:
        self.dsn = ""
        self.silent = False

    async def serve(self, client: anyio.abc.SocketStream) -> None:
        async with client, await anyio.connect_tcp("127.0.0.1", 5432) as server, anyio.create_task_group() as tasks:
            tasks.start_soon(self._pump, client, server, tasks.cancel_scope)
            tasks.start_soon(self._pump, server, client, tasks.cancel_scope)

    async def _pump(self, source: anyio.abc.SocketStream, sink: anyio.abc.SocketStream, scope: Any) -> None:
        try:
            async for piece in source:
                if not self.silent:
                    await sink.send(piece)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            pass
        scope.cancel()


@asynccontextmanager
async def proxy(dsn: str) -> AsyncIterator[Proxy]:
    found = Proxy()
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    found.dsn = dsn.replace("5432", str(listener.extra(anyio.abc.SocketAttribute.local_port)))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, found.serve)
        yield found
        tasks.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("channel", "options", "mistake"),
    [
        ("", {}, "a channel has a name"),
        ("x" * 64, {}, "a channel has a name"),
        ("orders", {"catch_up": "SELECT * FROM outbox"}, ":cursor"),
        ("orders", {"dsn": "postgresql://me:secret@host/x"}, "EnvVar"),
        ("orders", {"start": None}, "start="),
        ("orders", {"overlap": -1}, "overlap"),
    ],
)
async def test_a_declaration_that_cannot_be_carried_out_says_why(
    channel: str, options: dict[str, Any], mistake: str
) -> None:
    with pytest.raises(DefinitionError, match=mistake):
        postgres_notify(channel, **{"dsn": EnvVar("DB_URL"), **options})
