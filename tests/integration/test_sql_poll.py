"""`sql_poll` on real databases: SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import anyio
import anyio.abc
import pytest
import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool

from upwell import EnvVar
from upwell.clock import FakeClock
from upwell.errors import DefinitionError, SourceError
from upwell_sensors import sql_poll
from upwell_sensors.sql_source import SqlPollSource

pytestmark = pytest.mark.anyio

NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)


class Database:
    """A database with a table `orders`, and listeners to it."""

    def __init__(self, url: str, listening: Callable[..., Any], poll_clock: Callable[..., Any]) -> None:
        self.url = url
        self.engine = create_async_engine(url, poolclass=NullPool)
        self.listening, self.clock = listening, poll_clock

    async def execute(self, *statements: str) -> None:
        async with self.engine.begin() as connection:
            for statement in statements:
                await connection.execute(text(statement))

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        async with self.engine.begin() as connection:
            yield connection

    @asynccontextmanager
    async def poll(self, since: Any = None, batches: int | None = None, **options: Any) -> AsyncIterator[Any]:
        """A source that has looked once; `await heard.look()` has it look again."""
        options = {"table": "orders", "cursor_column": "updated", **options}
        if "query" in options:
            options |= {"table": None, "name": "query"}
        on = sql_poll(self.url, **options)
        source = SqlPollSource(on.source.name, **on.source.params)
        async with self.listening(source, clock := self.clock(), since, batches=batches) as heard:
            heard.look = clock.turn
            if batches is None:
                await clock.turn()
            else:
                await clock.advance(5)
                await heard.until(lambda: heard.killed)
            yield heard


@pytest.fixture
async def database(
    journal_url: str, listening: Callable[..., Any], poll_clock: Callable[..., Any]
) -> AsyncIterator[Database]:
    found = Database(journal_url, listening, poll_clock)
    await found.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, updated INTEGER, note TEXT)")
    yield found
    await found.engine.dispose()


@pytest.fixture
async def postgres(
    postgres_url: str, listening: Callable[..., Any], poll_clock: Callable[..., Any]
) -> AsyncIterator[Database]:
    found = Database(postgres_url, listening, poll_clock)
    yield found
    await found.engine.dispose()


def ids(heard: Any) -> list[int]:
    return [row["id"] for row in heard.data]


class TestRows:
    async def test_that_are_new_are_told_in_the_order_of_the_column(self, database: Database) -> None:
        async with database.poll() as heard:
            await database.execute("INSERT INTO orders VALUES (1, 20, 'b'), (2, 10, 'a')")
            await heard.look()
        assert heard.data == [{"id": 2, "updated": 10, "note": "a"}, {"id": 1, "updated": 20, "note": "b"}]

    async def test_that_change_are_told_again(self, database: Database) -> None:
        await database.execute("INSERT INTO orders VALUES (1, 10, 'a')")
        async with database.poll(initial="all") as heard:
            await database.execute("UPDATE orders SET updated = 11, note = 'b'")
            await heard.look()
            await heard.look()
        assert [row["note"] for row in heard.data] == ["a", "b"]

    async def test_that_were_there_at_the_first_start_are_not_told_unless_wanted(self, database: Database) -> None:
        await database.execute("INSERT INTO orders VALUES (1, 10, 'a'), (2, 10, 'b')")
        async with database.poll() as latest, database.poll(initial="all", name="other") as everything:
            await database.execute("INSERT INTO orders VALUES (3, 10, 'c')")
            await latest.look()
        assert ids(latest) == [3]
        assert ids(everything) == [1, 2]

    async def test_that_share_a_value_and_come_later_are_not_lost(self, database: Database) -> None:
        await database.execute("INSERT INTO orders VALUES (5, 10, 'a')")
        async with database.poll(initial="all") as before:
            pass
        await database.execute("INSERT INTO orders VALUES (1, 10, 'b'), (9, 10, 'c')")
        async with database.poll(before.cursor) as after:
            await after.look()
        assert ids(after) == [1, 9]
        assert all(event.caught_up for event in after.events)

    async def test_in_great_number_with_one_value_come_in_batches(self, database: Database) -> None:
        await database.execute(*(f"INSERT INTO orders VALUES ({number}, 10, 'a')" for number in range(25)))
        async with database.poll(initial="all", batch_size=10) as heard:
            await heard.until(lambda: len(heard.events) == 25)
            await database.execute("INSERT INTO orders VALUES (99, 10, 'a')")
            await heard.look()
            await heard.until(lambda: len(heard.events) == 26)
        assert ids(heard) == [*range(25), 99]

    async def test_told_but_not_committed_are_told_again_and_no_others(self, database: Database) -> None:
        await database.execute(*(f"INSERT INTO orders VALUES ({n}, {n // 4}, 'a')" for n in range(25)))
        async with database.poll(initial="all", batch_size=10, batches=1) as killed:
            pass
        async with database.poll(killed.cursor, initial="all", batch_size=10) as heard:
            await heard.until(lambda: len(heard.events) == 15)
        assert ids(killed) + ids(heard) == [*range(25)]

    async def test_that_lie_below_the_mark_are_found_within_the_overlap(self, database: Database) -> None:
        await database.execute("INSERT INTO orders VALUES (1, 100, 'a')")
        async with database.poll(overlap=10) as heard:
            await database.execute(
                "INSERT INTO orders VALUES (2, 95, 'late')", "INSERT INTO orders VALUES (3, 50, 'x')"
            )
            await heard.look()
            await heard.look()
        assert ids(heard) == [2]

    async def test_of_a_query_are_told(self, database: Database) -> None:
        query = "SELECT id AS number, updated FROM orders WHERE note = 'late';"
        async with database.poll(query=query, key="number") as heard:
            await database.execute("INSERT INTO orders VALUES (1, 10, 'late'), (2, 10, 'x')")
            await heard.look()
        assert heard.data == [{"number": 1, "updated": 10}]

    async def test_with_a_key_of_several_columns_are_told_apart(self, database: Database) -> None:
        await database.execute("CREATE TABLE lines (a INTEGER, b TEXT, at INTEGER)")
        async with database.poll(table="lines", cursor_column="at", key=["a", "b"], batch_size=2) as heard:
            await database.execute(
                "INSERT INTO lines VALUES (1, 'x', 7), (1, 'y', 7), (2, 'x', 7), (2, 'y', 7), (2, 'y', 8)"
            )
            await heard.look()
            await heard.until(lambda: len(heard.events) == 5)
        assert [(row["a"], row["b"]) for row in heard.data] == [(1, "x"), (1, "y"), (2, "x"), (2, "y"), (2, "y")]

    async def test_of_names_that_need_quotes_are_told(self, database: Database) -> None:
        await database.execute('CREATE TABLE "Order; DROP" ("the id" INTEGER, "At" INTEGER)')
        async with database.poll(table="Order; DROP", cursor_column="At", key="the id") as heard:
            await database.execute('INSERT INTO "Order; DROP" VALUES (1, 1)')
            await heard.look()
        assert heard.data == [{"the id": 1, "At": 1}]


class TestTypesOfPostgreSQL:
    async def test_arrive_as_plain_json(self, postgres: Database) -> None:
        await postgres.execute(
            "CREATE TABLE orders (id UUID, updated TIMESTAMPTZ, price NUMERIC, body JSONB, raw BYTEA, tags TEXT[])"
        )
        async with postgres.poll() as heard:
            await postgres.execute(
                "INSERT INTO orders VALUES ('00000000-0000-0000-0000-000000000001', '2024-01-01 12:00+00', 1.10,"
                """ '{"a": [1]}', '\\x00ff', '{x,y}')"""
            )
            await heard.look()
        assert heard.data == [
            {
                "id": "00000000-0000-0000-0000-000000000001",
                "updated": "2024-01-01T12:00:00+00:00",
                "price": "1.10",
                "body": {"a": [1]},
                "raw": "AP8=",
                "tags": ["x", "y"],
            }
        ]

    @pytest.mark.parametrize(
        "kind", ["TIMESTAMPTZ", "TIMESTAMP", "DATE", "NUMERIC", "BIGINT", "DOUBLE PRECISION", "TEXT"]
    )
    async def test_can_be_the_mark_over_restarts(self, postgres: Database, kind: str) -> None:
        values = ["2024-01-01", "2024-01-02"] if "T" in kind and kind != "BIGINT" else ["5000000000", "5000000001"]
        await postgres.execute(f"CREATE TABLE orders (id BIGINT PRIMARY KEY, updated {kind})")
        await postgres.execute(f"INSERT INTO orders VALUES (5000000000, '{values[0]}')")
        async with postgres.poll(initial="all") as before:
            pass
        await postgres.execute(f"INSERT INTO orders VALUES (5000000001, '{values[0]}'), (2, '{values[1]}')")
        async with postgres.poll(before.cursor, batch_size=1) as after:
            await after.until(lambda: len(after.events) == 2)
        assert (ids(before), ids(after)) == ([5000000000], [5000000001, 2])

    async def test_with_a_schema_are_found(self, postgres: Database) -> None:
        await postgres.execute("CREATE SCHEMA sales", "CREATE TABLE sales.orders (id INT, updated INT)")
        async with postgres.poll(table="sales.orders") as heard:
            await postgres.execute("INSERT INTO sales.orders VALUES (1, 1)")
            await heard.look()
        assert heard.data == [{"id": 1, "updated": 1}]


async def test_a_transaction_that_ends_late_is_heard_within_the_overlap(postgres: Database) -> None:
    await postgres.execute("CREATE TABLE orders (id INT PRIMARY KEY, updated TIMESTAMPTZ DEFAULT now())")
    async with postgres.poll(initial="all", overlap="1m") as heard:
        async with postgres.transaction() as slow:
            await slow.execute(text("INSERT INTO orders VALUES (1)"))
            await postgres.execute("INSERT INTO orders VALUES (2)")
            await heard.look()
            assert ids(heard) == [2]
        await heard.look()
        await heard.look()
    assert ids(heard) == [2, 1]


class TestTrouble:
    async def test_with_a_server_that_ends_the_connection_is_got_over(self, postgres: Database) -> None:
        await postgres.execute("CREATE TABLE orders (id INT PRIMARY KEY, updated INT)")
        async with postgres.poll(initial="all") as heard:
            await postgres.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid != pg_backend_pid()",
                "INSERT INTO orders VALUES (1, 1)",
            )
            await heard.look()
        assert ids(heard) == [1]

    async def test_with_a_table_that_is_not_there_is_logged_once_and_got_over(self, postgres: Database) -> None:
        with structlog.testing.capture_logs() as lines:
            async with postgres.poll(initial="all") as heard:
                await heard.look()
                await postgres.execute("CREATE TABLE orders (id INT, updated INT)", "INSERT INTO orders VALUES (1, 1)")
                await heard.look()
        assert ids(heard) == [1]
        assert [line["event"] for line in lines] == ["source.unreachable", "source.recovered"]
        assert "orders" in lines[0]["error"]

    async def test_with_a_server_that_does_not_answer_ends_with_the_timeout(
        self, listening: Callable[..., Any]
    ) -> None:
        async def silence(stream: anyio.abc.SocketStream) -> None:
            await anyio.sleep_forever()

        server = await anyio.create_tcp_listener(local_host="127.0.0.1")
        url = f"postgresql://me@127.0.0.1:{server.extra(anyio.abc.SocketAttribute.local_port)}/x"
        clock = FakeClock(NOON)
        source = SqlPollSource("t", url=url, table="t", cursor_column="c", interval="30s", timeout="200ms")
        with structlog.testing.capture_logs() as lines:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(server.serve, silence)
                async with listening(source, clock) as heard:
                    await clock.advance(5)
                    await heard.until(lambda: lines)
                tasks.cancel_scope.cancel()
        assert [line["kind"] for line in lines] == ["timeout"]

    async def test_with_a_query_that_takes_too_long_moves_nothing(self, postgres: Database) -> None:
        await postgres.execute("CREATE TABLE orders (id INT, updated INT)", "INSERT INTO orders VALUES (1, 1)")
        clock = FakeClock(NOON)
        source = SqlPollSource(
            "slow", url=postgres.url, query="SELECT *, pg_sleep(30) FROM orders", cursor_column="updated",
            interval="30s", timeout="200ms", initial="all",
        )  # fmt: skip
        with structlog.testing.capture_logs() as lines:
            async with postgres.listening(source, clock) as heard:
                await clock.advance(5)
                await heard.until(lambda: lines)
        assert (heard.events, heard.cursor) == ([], {})

    async def test_with_a_url_that_names_no_driver_there_is_says_so(self) -> None:
        source = SqlPollSource("orders", url="nosql://host/x", table="orders", cursor_column="c", interval="30s")
        with pytest.raises(SourceError, match=r"postgresql\+asyncpg"):
            await anext(aiter(source.events({}, FakeClock(NOON))))


@pytest.mark.parametrize(
    ("options", "mistake"),
    [
        ({}, "either table"),
        ({"table": "a", "query": "b"}, "either table"),
        ({"query": "SELECT 1"}, "name="),
        ({"table": "a", "key": []}, "key="),
        ({"table": "a", "batch_size": 0}, "batch_size"),
        ({"table": "a", "overlap": -1}, "overlap"),
        ({"table": "a", "initial": "first"}, "initial"),
    ],
)
async def test_a_declaration_that_cannot_be_carried_out_says_why(options: dict[str, Any], mistake: str) -> None:
    with pytest.raises(DefinitionError, match=mistake):
        sql_poll(EnvVar("DB_URL"), cursor_column="updated", **options)


async def test_a_password_does_not_belong_into_a_declaration() -> None:
    with pytest.raises(DefinitionError, match="EnvVar"):
        sql_poll("postgresql://me:secret@host/db", table="orders", cursor_column="updated")
    assert sql_poll(EnvVar("DB_URL"), table="orders", cursor_column="updated").source.params["url"] == {"env": "DB_URL"}
