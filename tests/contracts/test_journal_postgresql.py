"""What holds of the PostgreSQL journal beyond the contract: connections that break, and answers that get lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import anyio
import asyncpg
import pytest
from asyncpg.transaction import Transaction

from upwell.clock import SystemClock
from upwell.errors import JournalError, JournalUnavailable
from upwell.events import Canary, WebhookAccepted
from upwell.journal.database import StoredJournal, open_journal
from upwell.journal.dialects import postgresql

pytestmark = pytest.mark.anyio

SERVER = "postgresql://postgres@127.0.0.1:5432"


@pytest.fixture
def database(postgres_database: str) -> str:
    """An empty one."""

    async def empty() -> None:
        await execute(postgres_database, "DROP SCHEMA public CASCADE; CREATE SCHEMA public")

    asyncio.run(empty())
    return postgres_database


async def execute(database: str, statement: str) -> None:
    connection = await asyncpg.connect(f"{SERVER}/{database}")
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@pytest.fixture
async def journal(database: str) -> AsyncIterator[StoredJournal]:
    async with open_journal(f"postgresql+asyncpg://postgres@127.0.0.1:5432/{database}", clock=SystemClock()) as journal:
        yield journal


async def told(journal: StoredJournal) -> list[str]:
    records = await journal.queries.events(newest_first=False)
    return [record.event.nonce for record in records if isinstance(record.event, Canary)]


async def break_connections(database: str) -> None:
    await execute(
        database,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )


async def test_broken_connections_are_made_anew_and_posts_survive(journal: StoredJournal, database: str) -> None:
    await journal.append(Canary(nonce="1"))
    await break_connections(database)
    journal.post(Canary(nonce="2"))
    with anyio.fail_after(10):
        await journal.flush()
    await journal.append(Canary(nonce="3"))
    assert await told(journal) == ["1", "2", "3"]


async def test_a_commit_whose_answer_was_lost_is_found_to_have_happened(
    journal: StoredJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit: Any = Transaction.commit

    async def lose_the_answer(self: Any) -> None:
        monkeypatch.undo()
        await commit(self)
        raise asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation")

    monkeypatch.setattr(Transaction, "commit", lose_the_answer)
    [receipt] = await journal.append(Canary(nonce="1"))
    assert (receipt.id, journal.head, await told(journal)) == (1, 1, ["1"])
    await journal.append(Canary(nonce="2"))
    assert await told(journal) == ["1", "2"]


async def test_a_commit_that_did_not_happen_is_told_and_leaves_nothing(
    journal: StoredJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def break_before(self: Any) -> None:
        monkeypatch.undo()
        raise asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation")

    monkeypatch.setattr(Transaction, "commit", break_before)
    with pytest.raises(JournalUnavailable, match="did not commit"):
        await journal.append(Canary(nonce="lost"))
    await journal.append(Canary(nonce="2"))
    assert await told(journal) == ["2"]
    assert journal.head == 1


async def test_a_character_that_postgresql_cannot_hold_fails_its_append_alone(journal: StoredJournal) -> None:
    with pytest.raises(JournalError, match=r"webhook.accepted cannot be stored"):
        await journal.append(WebhookAccepted(source="nul\0"))
    await journal.append(WebhookAccepted(source="webhook:orders", data={"text": "nul\0"}))
    [record] = await journal.queries.events()
    assert isinstance(record.event, WebhookAccepted)
    assert record.event.data == {"text": "nul\0"}


async def test_another_service_that_took_over_meanwhile_is_waited_for(
    journal: StoredJournal, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    usurper = await asyncpg.connect(f"{SERVER}/{database}")
    try:
        await execute(
            database,
            f"SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'"
            f" AND (classid::bigint << 32) + objid::bigint = {postgresql._LOCK}",
        )
        await usurper.execute("SELECT pg_advisory_lock($1)", postgresql._LOCK)
        journal.post(Canary(nonce="1"))
        with pytest.raises(JournalUnavailable, match="in use by another service"):
            await journal.append(Canary(nonce="refused"))
    finally:
        await usurper.close()
    with anyio.fail_after(10):
        await journal.flush()
    assert await told(journal) == ["1"]


async def test_a_server_that_cannot_be_reached_is_said_to_be_without_the_password() -> None:
    with pytest.raises(JournalUnavailable, match="cannot be reached") as error:
        async with open_journal("postgresql+asyncpg://bob:hunter2@127.0.0.1:1/none", clock=SystemClock()):
            pass
    assert "hunter2" not in str(error.value)


async def test_a_newer_schema_is_refused_and_the_lock_given_back(database: str) -> None:
    url = f"postgresql+asyncpg://postgres@127.0.0.1:5432/{database}"
    async with open_journal(url, clock=SystemClock()):
        pass
    await execute(database, "UPDATE alembic_version SET version_num = '9999'")
    for _ in range(2):
        with pytest.raises(JournalError, match="made by a newer version"):
            async with open_journal(url, clock=SystemClock()):
                pass
