"""The databases that the journal's contract holds on: a file, and a PostgreSQL server where there is one."""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

SERVER = "127.0.0.1:5432"


async def _execute(database: str, *statements: str) -> None:
    connection = await asyncpg.connect(f"postgresql://postgres@{SERVER}/{database}", timeout=3)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


@pytest.fixture(scope="session")
def postgres_database() -> Iterator[str]:
    """A database of this test session's own."""
    name = f"upwell_test_{uuid.uuid4().hex[:12]}"
    try:
        asyncio.run(_execute("postgres", f"CREATE DATABASE {name}"))
    except (OSError, asyncpg.PostgresError) as error:
        if "postgres" in os.environ.get("UPWELL_TEST_REQUIRE", ""):
            raise
        pytest.skip(f"no PostgreSQL at {SERVER}: {error}")
    yield name
    asyncio.run(_execute("postgres", f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture(params=["sqlite", "postgresql"])
def journal_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database, of each kind in turn."""
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path / 'upwell.db'}"
    name: str = request.getfixturevalue("postgres_database")
    asyncio.run(_execute(name, "DROP SCHEMA public CASCADE", "CREATE SCHEMA public"))
    return f"postgresql+asyncpg://postgres@{SERVER}/{name}"
