"""What holds of the SQLite file itself."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
import subprocess
import sys
import textwrap
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine
from sqlalchemy.exc import DatabaseError
from structlog.testing import capture_logs

from upwell.clock import FakeClock
from upwell.errors import JournalError, JournalUnavailable
from upwell.events import Canary
from upwell.journal import schema, tables
from upwell.journal.database import open_journal
from upwell.journal.dialects.sqlite import APPLICATION_ID, open_store
from upwell.journal.reading import read_journal
from upwell.journal.statements import Statement
from upwell.journal.store import Fetch, Transaction

pytestmark = pytest.mark.anyio

CLOCK = FakeClock(datetime(2024, 5, 1, tzinfo=UTC))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "home" / "upwell.db"


def url(file: Path) -> str:
    return f"sqlite+aiosqlite:///{file}"


async def make(file: Path) -> None:
    async with open_journal(url(file), clock=CLOCK) as journal:
        await journal.append(Canary(nonce="1"))


def pragma(name: str) -> Transaction[Any]:
    [[value]] = yield Fetch(Statement(f"PRAGMA {name}", ()))
    return value


async def test_the_writer_syncs_each_commit_and_the_file_can_shrink(file: Path) -> None:
    async with open_store(file) as store:
        assert await store.transact(pragma("synchronous")) == 2
        assert await store.transact(pragma("journal_mode")) == "wal"
        assert await store.transact(pragma("auto_vacuum")) == 2
        assert await store.transact(pragma("application_id")) == APPLICATION_ID
        assert await store.transact(pragma("trusted_schema")) == 0


async def test_only_its_owner_can_read_the_database(file: Path) -> None:
    async with open_journal(url(file), clock=CLOCK) as journal:
        await journal.append(Canary(nonce="1"))
        modes = {one.name: stat.S_IMODE(one.stat().st_mode) for one in file.parent.iterdir()}
    assert set(modes) == {"upwell.db", "upwell.db-wal", "upwell.db-shm", "upwell.db.lock"}
    assert set(modes.values()) == {0o600}


async def test_readers_cannot_write(file: Path) -> None:
    async with open_store(file) as store, store.reading() as connection:
        with pytest.raises(DatabaseError, match="readonly"):
            await connection.exec_driver_sql("DELETE FROM events")


async def test_a_read_leaves_no_transaction_open(file: Path) -> None:
    async with open_journal(url(file), clock=CLOCK) as journal:
        await journal.append(Canary(nonce="1"))
        await journal.queries.events()
        await journal.queries.unfinished_runs()
        with closing(sqlite3.connect(file)) as other:
            busy, *_ = other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    assert busy == 0


async def test_closing_leaves_a_complete_file_and_no_wal(file: Path) -> None:
    await make(file)
    assert not file.with_name("upwell.db-wal").exists()


async def test_the_lock_names_its_owner_and_is_free_after_a_crash(file: Path) -> None:
    program = f"""
        import anyio, os, sys
        from upwell.clock import SystemClock
        from upwell.journal.database import open_journal
        async def main():
            async with open_journal({url(file)!r}, clock=SystemClock()):
                print(os.getpid(), file=sys.stderr, flush=True)
                await anyio.sleep_forever()
        anyio.run(main)
    """
    child = subprocess.Popen([sys.executable, "-c", textwrap.dedent(program)], stderr=subprocess.PIPE, text=True)
    with child:
        assert child.stderr is not None
        pid = (await asyncio.to_thread(child.stderr.readline)).strip()
        with pytest.raises(JournalError, match=f"in use by process {pid}; stop that service first"):
            await make(file)
        child.kill()
    await make(file)


async def test_a_newer_schema_is_refused_and_left_as_it_is(file: Path) -> None:
    await make(file)
    with closing(sqlite3.connect(file, isolation_level=None)) as newer:
        newer.execute("UPDATE alembic_version SET version_num = '9999'")
        before = list(newer.iterdump())
    with pytest.raises(JournalError, match=r"schema 9999, made by a newer version.*left as it is"):
        await make(file)
    with closing(sqlite3.connect(file)) as after:
        assert list(after.iterdump()) == before


async def test_a_file_that_is_no_database_is_refused_and_left_as_it_is(file: Path) -> None:
    file.parent.mkdir()
    file.write_text("order,amount\n" * 1000)
    with pytest.raises(JournalError, match="no SQLite database; move it away"):
        await make(file)
    assert file.read_text() == "order,amount\n" * 1000


async def test_another_applications_database_is_refused(file: Path) -> None:
    file.parent.mkdir()
    with closing(sqlite3.connect(file)) as other:
        other.execute("CREATE TABLE orders (id INTEGER)")
    with pytest.raises(JournalError, match="another application"):
        await make(file)


async def test_a_folder_that_cannot_be_made_is_said_to_be(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file")
    with pytest.raises(JournalUnavailable, match="cannot be opened"):
        await make(tmp_path / "home" / "upwell.db")


async def test_a_url_of_another_kind_is_refused_with_the_mend() -> None:
    for wrong in ("mysql://host/db", "sqlite+aiosqlite://", "sqlite:///file.db"):
        with pytest.raises(JournalError, match=r"use sqlite\+aiosqlite:///path"):
            async with open_journal(wrong, clock=CLOCK):
                pass


async def test_the_password_of_a_refused_url_is_not_told() -> None:
    with pytest.raises(JournalError) as error:
        async with open_journal("mysql://bob:hunter2@host/db", clock=CLOCK):
            pass
    assert "hunter2" not in str(error.value)


async def test_an_event_of_a_newer_version_is_passed_over_and_told(file: Path) -> None:
    await make(file)
    with closing(sqlite3.connect(file, isolation_level=None)) as newer:
        newer.execute("INSERT INTO events (id, at, kind, body) VALUES (2, 0, 'moon.risen', '{}')")
    async with open_journal(url(file), clock=CLOCK) as journal:
        await journal.append(Canary(nonce="3"))
        subscription = journal.subscribe(0)
        with capture_logs() as logs:
            assert [record.id for record in await anext(subscription)] == [1, 3]
    assert [(line["event"], line["kind"]) for line in logs] == [("journal.event_unreadable", "moon.risen")]


async def test_an_error_inside_passes_as_it_is(file: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        async with open_journal(url(file), clock=CLOCK):
            raise ZeroDivisionError


async def test_an_old_library_is_told_of_once(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for version, told in (((3, 51, 2), 1), ((3, 51, 3), 0), ((3, 50, 7), 0), ((3, 50, 6), 1), ((3, 40, 1), 1)):
        monkeypatch.setattr(sqlite3, "sqlite_version_info", version)
        with capture_logs() as logs:
            await make(file)
        assert [line["event"] for line in logs] == ["journal.sqlite_is_old"] * told


async def test_the_command_line_reads_beside_a_running_service(file: Path) -> None:
    async with open_journal(url(file), clock=CLOCK) as journal:
        await journal.append(Canary(nonce="1"))
        async with read_journal(file) as queries:
            assert await queries.head() == 1


def test_the_migrations_make_the_tables_that_the_code_expects(file: Path) -> None:
    asyncio.run(make(file))
    with create_engine(f"sqlite:///{file}").connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_server_default": True})
        assert compare_metadata(context, tables.metadata) == []


def test_the_known_revisions_are_those_packaged() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(schema.__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    scripts = ScriptDirectory.from_config(config)
    assert scripts.get_heads() == [schema.HEAD]
    assert {script.revision for script in scripts.walk_revisions()} == schema.REVISIONS


def loaded_by(program: str) -> set[str]:
    """The top-level modules in a process that ran `program`."""
    report = "import sys; print(*{name.partition('.')[0] for name in sys.modules})"
    child = [sys.executable, "-c", textwrap.dedent(program) + "\n" + report]
    return set(subprocess.run(child, capture_output=True, text=True, check=True).stdout.split())


def test_the_contract_loads_no_database_stack() -> None:
    loaded = loaded_by("import upwell.journal.journal, upwell.journal.views")
    assert not loaded & {"sqlalchemy", "aiosqlite", "asyncpg", "alembic", "sqlite3"}


def test_a_start_on_a_known_database_loads_no_alembic_and_no_other_driver(file: Path) -> None:
    asyncio.run(make(file))
    loaded = loaded_by(f"""
        import asyncio
        from upwell.clock import SystemClock
        from upwell.journal.database import open_journal
        async def main():
            async with open_journal({url(file)!r}, clock=SystemClock()):
                pass
        asyncio.run(main())
    """)
    assert "sqlalchemy" in loaded
    assert not loaded & {"alembic", "mako", "asyncpg"}
