"""The journal on a disk that fills up, a file that somebody locks, and a process that is killed."""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import anyio
import pytest

from upwell.clock import SystemClock
from upwell.errors import JournalUnavailable
from upwell.events import Canary, WebhookAccepted
from upwell.journal.backup import back_up
from upwell.journal.database import StoredJournal, open_journal
from upwell.journal.statements import Statement
from upwell.journal.store import Fetch

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def opened(file: Path) -> AsyncIterator[StoredJournal]:
    async with open_journal(f"sqlite+aiosqlite:///{file}", clock=SystemClock()) as journal:
        yield journal


def stored(file: Path) -> list[tuple[int, str, str]]:
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return connection.execute("SELECT id, kind, body FROM events ORDER BY id").fetchall()


def nonces(file: Path) -> list[str]:
    return [re.findall('"nonce":"(.*?)"', body)[0] for _, kind, body in stored(file) if kind == Canary.kind]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk of 2 MiB; `enlarge` mends it."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting a small disk needs root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


async def fill(journal: StoredJournal) -> list[int]:
    """Append until the disk is full; the ids that were acknowledged."""
    accepted: list[int] = []
    while True:
        event = WebhookAccepted(source="w", data="x" * 8000, delivery_id=str(len(accepted)))
        try:
            accepted += [receipt.id for receipt in await journal.append(event)]
        except JournalUnavailable as error:
            assert "full" in str(error)
            return accepted


async def test_a_full_disk_refuses_keeps_what_it_took_and_recovers_by_itself(small_disk: Path) -> None:
    file = small_disk / "upwell.db"
    async with opened(file) as journal:
        accepted = await fill(journal)
        big = "y" * 8000
        for number in range(3):
            journal.post(Canary(nonce=f"{number}{big}"))
        with pytest.raises(JournalUnavailable):
            await journal.append(WebhookAccepted(source="w", data=big))
        # What is on disk can still be read.
        assert len(await journal.queries.events(limit=10_000)) == len(accepted)
        subprocess.run(["mount", "-o", "remount,size=16m", str(small_disk)], check=True)
        with anyio.fail_after(10):
            await journal.flush()
        [receipt] = await journal.append(WebhookAccepted(source="w"))
        assert receipt.id == len(accepted) + 4
    events = stored(file)
    assert [event_id for event_id, *_ in events] == list(range(1, receipt.id + 1))
    assert accepted == [event_id for event_id, kind, body in events if kind == "webhook.accepted" and "xxx" in body]
    assert [nonce[0] for nonce in nonces(file)] == ["0", "1", "2"]


async def test_a_full_page_count_refuses_and_recovers(tmp_path: Path) -> None:
    """The same as on a full disk, where nobody may mount one: SQLite itself says that it is full."""
    file = tmp_path / "upwell.db"
    async with opened(file) as journal:
        await _limit_pages(journal, 100)
        accepted = await fill(journal)
        journal.post(Canary(nonce="1" + "y" * 8000))
        with pytest.raises(JournalUnavailable, match="full"):
            await journal.append(WebhookAccepted(source="w", data="y" * 8000))
        await _limit_pages(journal, 10_000)
        await journal.append(WebhookAccepted(source="w", data="y" * 8000))
    assert [event_id for event_id, *_ in stored(file)] == list(range(1, len(accepted) + 3))
    assert len(nonces(file)) == 1


async def _limit_pages(journal: StoredJournal, pages: int) -> None:
    def limit() -> Any:
        yield Fetch(Statement(f"PRAGMA max_page_count = {pages}", ()))

    await journal._store.transact(limit())


async def test_a_backup_taken_under_load_is_whole_and_goes_on_from_where_it_was(tmp_path: Path) -> None:
    file, copies = tmp_path / "upwell.db", [tmp_path / f"copy{number}.db" for number in range(5)]
    heads: list[int] = []

    async def send(journal: StoredJournal, lane: int) -> None:
        for number in range(100_000):
            await journal.append(WebhookAccepted(source=f"w{lane}", delivery_id=str(number), data="x" * 500))

    async with opened(file) as journal, anyio.create_task_group() as tasks:
        for lane in range(8):
            tasks.start_soon(send, journal, lane)
        for copy in copies:
            await anyio.sleep(0.05)
            heads.append(journal.head)
            await anyio.to_thread.run_sync(back_up, file, copy)
        tasks.cancel_scope.cancel()
    for head, copy in zip(heads, copies, strict=True):
        events = stored(copy)
        assert [event_id for event_id, *_ in events] == list(range(1, len(events) + 1))
        assert len(events) >= head
        async with opened(copy) as journal:
            [again] = await journal.append(WebhookAccepted(source="w0", delivery_id="0"))
            assert (again.duplicate, journal.head) == (True, len(events) + 1)


LOCKER = """
    import sqlite3, sys
    connection = sqlite3.connect(sys.argv[1], isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    print("locked", flush=True)
    sys.stdin.read()
"""


async def test_a_lock_of_another_process_fails_appends_quickly_and_keeps_posts(tmp_path: Path) -> None:
    file = tmp_path / "upwell.db"
    async with opened(file) as journal:
        journal.post(Canary(nonce="before"))
        await journal.flush()
        command = [sys.executable, "-c", textwrap.dedent(LOCKER), str(file)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as locker:
            assert locker.stdout is not None
            assert await anyio.to_thread.run_sync(locker.stdout.readline) == "locked\n"
            journal.post(Canary(nonce="1"))
            began = time.monotonic()
            with pytest.raises(JournalUnavailable, match="locked"):
                await journal.append(Canary(nonce="refused"))
            assert time.monotonic() - began < 2
            journal.post(Canary(nonce="2"))
            assert journal.head == 1
            locker.communicate("")
        with anyio.fail_after(10):
            await journal.flush()
        await journal.append(Canary(nonce="3"))
    assert nonces(file) == ["before", "1", "2", "3"]


APPENDER = """
    import os, sys
    import anyio
    from upwell.clock import SystemClock
    from upwell.events import Canary
    from upwell.journal.database import open_journal
    from upwell.journal.dialects import sqlite

    if sys.argv[2] == "NORMAL":
        sqlite._PRAGMAS = (*sqlite._PRAGMAS, "synchronous = NORMAL")

    async def main():
        async with open_journal("sqlite+aiosqlite:///" + sys.argv[1], clock=SystemClock()) as journal:
            os.write(2, b"ACK start\\n")
            for number in range(20):
                await journal.append(Canary(nonce=str(number)))
                os.write(2, b"ACK\\n")

    anyio.run(main)
"""


@pytest.mark.parametrize(("synchronous", "each_is_synced"), [("FULL", True), ("NORMAL", False)])
async def test_the_disk_has_synced_before_an_append_returns(
    tmp_path: Path, synchronous: str, each_is_synced: bool
) -> None:
    """A crash of the process cannot prove this: the system calls do, and NORMAL must not pass."""
    if shutil.which("strace") is None:
        pytest.skip("needs strace")
    log = tmp_path / "calls"
    program = [sys.executable, "-c", textwrap.dedent(APPENDER), str(tmp_path / "upwell.db"), synchronous]
    traced = ["strace", "-f", "-o", str(log), "-e", "trace=fdatasync,fsync,write", *program]
    result = await anyio.run_process(traced, check=False)
    if result.returncode != 0 and b"ptrace" in result.stderr:
        pytest.skip("tracing is not allowed here")
    assert result.returncode == 0, result.stderr.decode()
    before_each = re.split(r"write\(2, \"ACK", log.read_text())[1:-1]
    synced = [bool(re.search(r"f(?:data)?sync(?:\(\d+\)| resumed>\)?)\s*= 0", calls)) for calls in before_each]
    assert len(synced) == 20
    assert all(synced) == each_is_synced


KILLED = """
    import os, sys
    import anyio, structlog
    from upwell.clock import SystemClock
    from upwell.events import Canary, WebhookAccepted
    from upwell.journal.database import open_journal
    from upwell.journal.journal import Progress

    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    file, acknowledged = sys.argv[1:]

    async def append(journal, acks, life, lane):
        for number in range(100_000):
            newest = {"newest": [life, number]}
            event = WebhookAccepted(source=f"w{lane}", delivery_id=f"{life}-{number}", cursor=newest)
            progress = Progress(consumer=f"c{lane}", event_id=life * 1_000_000 + number)
            [receipt] = await journal.append(event, progress=progress)
            os.write(acks, f"{receipt.id} w{lane} {life}-{number}\\n".encode())
            journal.post(Canary(nonce=f"{life} {lane} {number}"))

    async def main(life):
        acks = os.open(acknowledged, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        async with open_journal("sqlite+aiosqlite:///" + file, clock=SystemClock()) as journal:
            print("open", flush=True)
            async with anyio.create_task_group() as tasks:
                for lane in range(6):
                    tasks.start_soon(append, journal, acks, life, lane)

    # Forked for each life, since loading takes longer than a life lasts.
    for life, _ in enumerate(sys.stdin):
        child = os.fork()
        if child == 0:
            anyio.run(main, life)
        print(child, flush=True)
        os.waitpid(child, 0)
        print("dead", flush=True)
"""


async def test_kill_9_at_any_moment_loses_nothing_acknowledged_and_leaves_no_gap(tmp_path: Path) -> None:
    file, acknowledged = tmp_path / "upwell.db", tmp_path / "acknowledged"
    chance = random.Random(20240501)
    command = [sys.executable, "-c", textwrap.dedent(KILLED), str(file), str(acknowledged)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) as nursery:
        assert nursery.stdin is not None
        assert nursery.stdout is not None
        for _ in range(40):
            nursery.stdin.write("live\n")
            told = {nursery.stdout.readline().strip(), nursery.stdout.readline().strip()}
            [pid] = told - {"open"}
            time.sleep(chance.uniform(0.0, 0.15))
            os.kill(int(pid), signal.SIGKILL)
            assert nursery.stdout.readline() == "dead\n"
        nursery.stdin.close()
    events = stored(file)
    assert [event_id for event_id, *_ in events] == list(range(1, len(events) + 1))
    check_acknowledged(events, acknowledged.read_text().splitlines())
    check_posted(nonces(file))
    check_projections(file)


def field(name: str) -> Callable[[str], str]:
    pattern = re.compile(f'"{name}":"(.*?)"')
    return lambda body: pattern.findall(body)[0]


source, delivery = field("source"), field("delivery_id")


def check_acknowledged(events: list[tuple[int, str, str]], lines: list[str]) -> None:
    accepted = {(event_id, source(body), delivery(body)) for event_id, kind, body in events if "delivery_id" in body}
    # A kill may cut the last line of a life, never a line in the middle.
    told = {(int(event_id), lane, name) for event_id, lane, name in (line.split() for line in lines)}
    assert len(told) > 1000
    assert told - accepted == set()


def check_posted(posted: list[str]) -> None:
    """In each lane of each life, what was posted is there up to some point, and nothing after a gap."""
    lanes: dict[tuple[str, str], list[int]] = {}
    for nonce in posted:
        life, lane, number = nonce.split()
        lanes.setdefault((life, lane), []).append(int(number))
    assert all(numbers == list(range(len(numbers))) for numbers in lanes.values())


def check_projections(file: Path) -> None:
    """Progress, cursor and deliveries are those of the newest event: written together, or not at all."""
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
        for lane in range(6):
            newest, body = connection.execute(
                "SELECT id, body FROM events WHERE source = ? ORDER BY id DESC LIMIT 1", (f"w{lane}",)
            ).fetchone()
            life, number = map(int, delivery(body).split("-"))
            find = connection.execute
            assert find("SELECT event_id FROM progress WHERE consumer = ?", (f"c{lane}",)).fetchone() == (
                life * 1_000_000 + number,
            )
            assert find("SELECT value FROM source_cursors WHERE source = ?", (f"w{lane}",)).fetchone() == (
                f"[{life},{number}]",
            )
            assert find("SELECT max(event_id) FROM deliveries WHERE source = ?", (f"w{lane}",)).fetchone() == (newest,)
        assert (
            connection.execute("SELECT count(*) FROM deliveries").fetchone()
            == connection.execute("SELECT count(*) FROM events WHERE kind = 'webhook.accepted'").fetchone()
        )
