from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import anyio
import pytest
import structlog

from upwell.clock import Clock, FakeClock
from upwell.definitions.project import Project
from upwell.definitions.reactions import On, SourceSpec
from upwell.definitions.snapshot import AssetNode, Snapshot
from upwell.events import (
    ErrorInfo,
    ListeningPaused,
    ListeningResumed,
    MessageReceived,
    SourceFailing,
    SourceWorking,
)
from upwell.sources.host import SourceHost
from upwell.testing import MemoryJournal

pytestmark = pytest.mark.anyio

NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)


class Outside:
    """A queue somewhere, which a `QueueSource` reads; one for every test."""

    def __init__(self) -> None:
        self.messages: list[int] = []
        self.came = anyio.Event()
        self.started: list[tuple[str, dict[str, Any]]] = []
        self.ended: list[str] = []
        self.fails_at: int | None = None

    def send(self, *numbers: int) -> None:
        self.messages += numbers
        came, self.came = self.came, anyio.Event()
        came.set()

    def source(self, name: str, **params: Any) -> QueueSource:
        self.started.append((name, params))
        return QueueSource(name, self)


class QueueSource:
    def __init__(self, name: str, outside: Outside) -> None:
        self.name = name
        self.outside = outside

    async def events(self, cursor: Mapping[str, Any], clock: Clock) -> AsyncIterator[Sequence[MessageReceived]]:
        at = cursor.get("at", 0)
        try:
            while True:
                for number in self.outside.messages[at:]:
                    at += 1
                    if number == self.outside.fails_at:
                        raise ConnectionError("the broker hung up")
                    yield [MessageReceived(source=self.name, data=number, cursor={"at": at})]
                await self.outside.came.wait()
        finally:
            self.outside.ended.append(self.name)


def snapshot(*specs: SourceSpec) -> Snapshot:
    nodes = tuple(AssetNode(key=f"a{at}", step=f"a{at}", on=(On(source=spec),)) for at, spec in enumerate(specs))
    return Snapshot(location="here", assets=nodes)


def queue(name: str = "queue:a", **params: Any) -> SourceSpec:
    return SourceSpec(kind="queue", name=name, params=params)


class Bench:
    """A host over a journal in memory, a clock that stands still, and the outside."""

    def __init__(self, *specs: SourceSpec) -> None:
        self.clock = FakeClock(NOON)
        self.journal = MemoryJournal(self.clock)
        self.project = Project()
        self.project.replace(snapshot(*specs))
        self.outside = Outside()

    @asynccontextmanager
    async def hosting(
        self, *, clean: Callable[[str], str] = str, **factories: Callable[..., Any]
    ) -> AsyncIterator[None]:
        known = {"queue": self.outside.source, **factories}
        host = SourceHost(self.journal, self.journal, self.project, self.clock, known, clean=clean)
        async with anyio.create_task_group() as tasks:
            await tasks.start(host.run)
            await self.clock.advance(0)
            yield
            await self.clock.advance(0)
            tasks.cancel_scope.cancel()

    @property
    def heard(self) -> list[Any]:
        return [record.event.data for record in self.journal.all_of("message.received")]  # type: ignore[union-attr]

    @property
    def fares(self) -> list[str]:
        """What the journal is told of how sources fare: by second, what is so from then on."""
        found = []
        for record in self.journal.records:
            second = f"{(record.at - NOON).total_seconds():g}"
            match record.event:
                case SourceFailing(error=error):
                    found.append(f"{second} {error.type}: {error.message}")
                case SourceWorking():
                    found.append(f"{second} works")
        return found


async def test_what_a_source_tells_is_committed() -> None:
    bench = Bench(queue())
    async with bench.hosting():
        bench.outside.send(1, 2)
    assert bench.heard == [1, 2]


async def test_a_restart_goes_on_from_the_cursor() -> None:
    bench = Bench(queue())
    async with bench.hosting():
        bench.outside.send(1, 2)
    bench.outside.send(3)
    async with bench.hosting():
        pass
    assert bench.heard == [1, 2, 3]


async def test_webhooks_are_not_run_here() -> None:
    bench = Bench(SourceSpec(kind="webhook", name="webhook:a"))
    with structlog.testing.capture_logs() as logs:
        async with bench.hosting():
            pass
    assert logs == []


async def test_the_next_batch_is_asked_for_only_when_the_last_one_is_on_disk() -> None:
    bench = Bench(queue())
    bench.journal.refuses = True
    async with bench.hosting():
        bench.outside.send(1, 2)
        await bench.clock.advance(3600)
        assert bench.heard == []
        bench.journal.refuses = False
        await bench.clock.advance(10)
        assert bench.heard == [1, 2]


async def test_a_source_that_fails_is_logged_by_name_and_starts_again_from_its_last_commit() -> None:
    bench = Bench(queue())
    bench.outside.fails_at = 2
    with structlog.testing.capture_logs() as logs:
        async with bench.hosting():
            bench.outside.send(1, 2, 3)
            await bench.clock.advance(0)
            bench.outside.fails_at = None
            await bench.clock.advance(1)
    assert bench.heard == [1, 2, 3]
    [failure] = [line for line in logs if line["event"] == "source.failed"]
    assert (failure["source"], failure["error"], failure["log_level"]) == ("queue:a", "the broker hung up", "error")


async def test_the_traceback_of_a_source_that_fails_again_and_again_is_told_once() -> None:
    bench = Bench(queue())
    bench.outside.fails_at = 1
    bench.outside.send(1)
    with structlog.testing.capture_logs() as logs:
        async with bench.hosting():
            await bench.clock.advance(10)
    told = [line["exc_info"] is not None for line in logs if line["event"] == "source.failed"]
    assert told[0]
    assert len(told) > 3
    assert not any(told[1:])


async def test_the_pauses_before_a_failing_source_grow_up_to_a_minute() -> None:
    bench = Bench(queue())
    bench.outside.fails_at = 1
    bench.outside.send(1)
    async with bench.hosting():
        await bench.clock.advance(3600)
    assert 60 <= len(bench.outside.started) <= 70


async def test_a_failing_source_hurts_no_other() -> None:
    bench = Bench(SourceSpec(kind="absent", name="absent:x"), queue())
    with structlog.testing.capture_logs() as logs:
        async with bench.hosting():
            bench.outside.send(1)
            await bench.clock.advance(5)
    assert bench.heard == [1]
    assert "no source of kind 'absent' is installed; there are" in next(
        line["error"] for line in logs if line["source"] == "absent:x"
    )


async def test_a_source_may_not_speak_for_another() -> None:
    bench = Bench(queue())

    def liar(name: str) -> QueueSource:
        source = QueueSource(name, bench.outside)
        source.name = "queue:other"
        return source

    with structlog.testing.capture_logs() as logs:
        async with bench.hosting(queue=liar):
            bench.outside.send(1)
    assert bench.heard == []
    assert "events carry their own source's name" in logs[0]["error"]


async def test_a_change_of_the_graph_touches_only_the_sources_that_changed() -> None:
    kept, gone, old = queue("queue:kept"), queue("queue:gone"), queue("queue:changed", speed=1)
    bench = Bench(kept, gone, old)
    async with bench.hosting():
        bench.project.replace(snapshot(kept, queue("queue:changed", speed=2), queue("queue:new")))
        await bench.clock.advance(0)
        assert sorted(bench.outside.ended) == ["queue:changed", "queue:gone"]
        assert sorted(bench.outside.started[3:]) == [("queue:changed", {"speed": 2}), ("queue:new", {})]


async def test_a_removed_source_keeps_its_cursor_for_when_it_comes_back() -> None:
    bench = Bench(queue())
    async with bench.hosting():
        bench.outside.send(1)
        await bench.clock.advance(0)
        bench.project.replace(snapshot())
        await bench.clock.advance(0)
        bench.outside.send(2)
        await bench.clock.advance(0)
        assert bench.heard == [1]
        bench.project.replace(snapshot(queue()))
        await bench.clock.advance(0)
    assert bench.heard == [1, 2]


async def test_a_source_is_closed_when_the_host_stops() -> None:
    bench = Bench(queue())
    async with bench.hosting():
        pass
    assert bench.outside.ended == ["queue:a"]


async def test_the_ready_made_sources_are_found_by_their_entry_points() -> None:
    bench = Bench(SourceSpec(kind="every", name="every:10s", params={"interval": "10s"}))
    async with bench.hosting():
        await bench.clock.advance(25)
    assert len(bench.journal.all_of("timer.fired")) == 2


async def test_a_paused_source_rests_and_goes_on_where_it_was() -> None:
    bench = Bench(queue())
    async with bench.hosting():
        bench.outside.send(1)
        await bench.clock.advance(0)
        await bench.journal.append(ListeningPaused(what="source", name="queue:a"))
        await bench.clock.advance(0)
        bench.outside.send(2)
        await bench.clock.advance(0)
        assert bench.heard == [1]
        await bench.journal.append(ListeningResumed(what="source", name="queue:a"))
    assert bench.heard == [1, 2]


async def test_a_paused_source_still_rests_after_a_restart() -> None:
    bench = Bench(queue())
    await bench.journal.append(ListeningPaused(what="source", name="queue:a"))
    bench.outside.send(1)
    async with bench.hosting():
        await bench.clock.advance(10)
    assert bench.outside.started == []


async def test_secrets_among_the_parameters_are_read_where_the_source_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUEUE_PASSWORD", "s3cret")
    bench = Bench(queue(login={"user": "u", "password": {"env": "QUEUE_PASSWORD"}}))
    async with bench.hosting():
        pass
    assert bench.outside.started == [("queue:a", {"login": {"user": "u", "password": "s3cret"}})]


async def test_a_secret_that_is_missing_is_named_and_the_source_tried_again() -> None:
    bench = Bench(queue(password={"env": "NO_SUCH_PASSWORD"}))
    with structlog.testing.capture_logs() as lines:
        async with bench.hosting():
            pass
    assert "NO_SUCH_PASSWORD is not set" in lines[0]["error"]
    assert bench.outside.started == []


async def test_that_a_source_fails_is_told_once_and_that_it_works_again_with_what_it_tells() -> None:
    bench = Bench(queue())
    bench.outside.fails_at = 1
    bench.outside.send(1)
    async with bench.hosting():
        await bench.clock.advance(300)
        bench.outside.fails_at = None
        await bench.clock.advance(60)
    assert bench.fares == ["0 ConnectionError: the broker hung up", bench.fares[1]]
    assert bench.fares[1].endswith("works")
    assert bench.heard == [1]
    assert await bench.journal.failing_sources() == []


async def test_a_source_that_fails_for_another_reason_says_so_and_since_when_it_fails() -> None:
    bench = Bench(queue())
    bench.outside.fails_at = 1
    bench.outside.send(1)

    def gone(name: str) -> QueueSource:
        raise ConnectionError(f"there is no queue (tried {'often' if bench.clock.now() > NOON else 'once'})")

    async with bench.hosting(queue=gone):
        await bench.clock.advance(10)
    assert bench.fares == [
        "0 ConnectionError: there is no queue (tried once)",
        "0.5 ConnectionError: there is no queue (tried often)",
    ]
    [failing] = await bench.journal.failing_sources()
    assert failing.since == NOON


async def test_a_source_that_has_run_for_half_a_minute_works_though_it_has_nothing_to_tell() -> None:
    bench = Bench(queue())
    bench.outside.fails_at = 1
    bench.outside.send(1)
    async with bench.hosting():
        bench.outside.messages.clear()
        await bench.clock.advance(30)
        assert len(bench.fares) == 1
        await bench.clock.advance(1)
    assert bench.fares[1:] == ["30.5 works"]


async def test_a_restart_of_the_service_neither_repeats_nor_forgets_that_a_source_fails() -> None:
    bench = Bench(queue())
    bench.outside.fails_at = 1
    bench.outside.send(1)
    async with bench.hosting():
        pass
    async with bench.hosting():
        await bench.clock.advance(10)
    assert bench.fares == ["0 ConnectionError: the broker hung up"]
    bench.outside.fails_at = None
    async with bench.hosting():
        pass
    assert bench.fares[1:] == ["10 works"]


class Patient(QueueSource):
    """Goes on by itself when it cannot be asked: for an hour, asked every minute."""

    async def events(self, cursor: Mapping[str, Any], clock: Clock) -> AsyncIterator[Sequence[Any]]:
        for _ in range(60):
            yield [SourceFailing(source=self.name, error=ErrorInfo(type="OSError", message="s3cret is wrong"))]
            await clock.sleep(60)
        while True:
            yield [SourceWorking(source=self.name)]
            await clock.sleep(60)


async def test_a_source_that_goes_on_by_itself_says_itself_when_it_works() -> None:
    bench = Bench(queue())

    def patient(name: str) -> Patient:
        return Patient(name, bench.outside)

    async with bench.hosting(queue=patient, clean=lambda text: text.replace("s3cret", "***")):
        await bench.clock.advance(2 * 3600)
    assert bench.fares == ["0 OSError: *** is wrong", "3600 works"]
