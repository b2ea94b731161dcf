"""Incidents are kept in the journal: neither repeated nor missed by a restart, and silences hold over it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest

from upwell.alerts.keeper import CONSUMER, IncidentKeeper
from upwell.clock import FakeClock
from upwell.definitions.project import Project
from upwell.definitions.snapshot import AssetNode, DepNode, Snapshot
from upwell.errors import JournalUnavailable
from upwell.events import (
    AlertsSilenced,
    AssetFailed,
    AssetMaterialized,
    ErrorInfo,
    Event,
    FreshnessAtRisk,
    FreshnessChanged,
    FreshnessState,
    IncidentChanged,
    LocationFailed,
    PlannedStep,
    RunFailed,
    RunId,
    RunRequested,
    RunSucceeded,
    SilenceEnded,
)
from upwell.journal.database import StoredJournal, open_journal

pytestmark = pytest.mark.anyio

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
ERROR = ErrorInfo(type="ValueError", message="no rows")


def project() -> Project:
    found = Project()
    raw = AssetNode(key="raw", step="raw")
    mart = AssetNode(key="mart", step="mart", deps=(DepNode(asset="raw"),))
    found.replace(Snapshot(location="here", assets=(raw, mart)))
    return found


def late(asset: str, state: FreshnessState = "FAIL", previous: FreshnessState = "PASS") -> FreshnessChanged:
    return FreshnessChanged(asset=asset, state=state, previous_state=previous, changed_at=NOON)


class Life:
    """One life of the keeper."""

    def __init__(self, journal: StoredJournal, clock: FakeClock) -> None:
        self.journal, self.clock = journal, clock

    async def happen(self, *events: Event) -> list[str]:
        """Everything that is told, after these events."""
        await self.journal.append(*events)
        return await self.told()

    async def told(self) -> list[str]:
        for _ in range(10):
            await self.clock.advance(0)
            await anyio.sleep(0.005)
        records = await self.journal.queries.events(kinds=[IncidentChanged.kind], newest_first=False)
        events = [record.event for record in records if isinstance(record.event, IncidentChanged)]
        silent = {True: "(", False: ""}
        return [
            f"{silent[event.silenced is not None]}{event.change} {event.subject}"
            for event in events
            if event.change != "changed"
        ]


@asynccontextmanager
async def keeper(
    folder: Path, *, loaded: bool = True, clock: FakeClock | None = None, **options: Any
) -> AsyncIterator[Life]:
    clock = clock or FakeClock(NOON)
    url = f"sqlite+aiosqlite:///{folder / 'upwell.db'}"
    async with open_journal(url, clock=clock) as journal, anyio.create_task_group() as tasks:
        graph = project() if loaded else Project()
        await tasks.start(IncidentKeeper(journal, journal.queries, graph, clock, **options).run)
        yield Life(journal, clock)
        tasks.cancel_scope.cancel()


async def test_a_restart_neither_repeats_nor_misses_anything(tmp_path: Path) -> None:
    async with keeper(tmp_path) as before:
        assert await before.happen(late("raw"), late("mart")) == ["opened raw"]
    async with open_journal(f"sqlite+aiosqlite:///{tmp_path / 'upwell.db'}", clock=FakeClock(NOON)) as journal:
        await journal.append(late("raw", "PASS", "FAIL"))
    async with keeper(tmp_path) as after:
        assert await after.told() == ["opened raw", "closed raw", "opened mart"]
    async with keeper(tmp_path) as again:
        assert await again.happen(late("mart", "PASS", "FAIL")) == [
            "opened raw",
            "closed raw",
            "opened mart",
            "closed mart",
        ]


async def test_what_is_told_and_how_far_it_goes_are_one_write(tmp_path: Path) -> None:
    async with keeper(tmp_path) as life:
        await life.happen(late("raw"))
        assert await life.journal.queries.progress(CONSUMER) == 1
        [incident] = await life.journal.queries.open_incidents()
    assert [member.name for member in incident.members] == ["raw"]


async def test_while_the_journal_refuses_nothing_is_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with keeper(tmp_path) as life:
        append, refusing = life.journal.append, [True]

        async def refuse(*events: Any, **more: Any) -> Any:
            if refusing and events and isinstance(events[0], IncidentChanged):
                raise JournalUnavailable("the disk is full")
            return await append(*events, **more)

        monkeypatch.setattr(life.journal, "append", refuse)
        assert await life.happen(late("raw"), late("raw", "PASS", "FAIL")) == []
        refusing.clear()
        await life.clock.advance(10)
        assert await life.told() == ["opened raw", "closed raw"]


async def test_what_is_fresh_again_is_told_when_it_has_been_for_long_enough(tmp_path: Path) -> None:
    async with keeper(tmp_path, dwell=60.0) as life:
        assert await life.happen(late("raw"), late("raw", "PASS", "FAIL")) == ["opened raw", "recovering raw"]
    async with keeper(tmp_path, dwell=60.0) as life:
        await life.clock.advance(59)
        assert await life.told() == ["opened raw", "recovering raw"]
        await life.clock.advance(1)
        assert await life.told() == ["opened raw", "recovering raw", "closed raw"]


async def test_an_asset_that_a_run_is_making_may_follow_its_root_for_as_long_as_that_takes(tmp_path: Path) -> None:
    run_id = RunId("r1")
    plan = (PlannedStep(id="mart", step="mart", assets=("mart",)),)
    async with keeper(tmp_path, catch_up_grace=5.0) as life:
        await life.happen(late("raw"), late("mart"))
        await life.happen(RunRequested(run_id=run_id, lane="l", plan=plan, reason="why"), late("raw", "PASS", "FAIL"))
        for _ in range(6):
            await life.clock.advance(5)
            told = await life.told()
        assert told == ["opened raw", "closed raw", "(opened mart"]
        await life.happen(RunFailed(run_id=run_id, reason="no"))
        await life.clock.advance(5)
        assert "unsilenced mart" in await life.told()


async def test_a_silence_keeps_back_what_begins_in_it_until_its_end_over_a_restart(tmp_path: Path) -> None:
    async with keeper(tmp_path) as life:
        silence = AlertsSilenced(silence="s", select="raw", until=NOON + HOUR, reason="moving")
        assert await life.happen(silence, late("raw")) == ["(opened raw"]
    async with keeper(tmp_path) as life:
        await life.clock.advance(3599)
        assert await life.told() == ["(opened raw"]
        await life.clock.advance(1)
        assert await life.told() == ["(opened raw", "unsilenced raw"]


async def test_a_silence_that_is_ended_tells_what_it_kept_back(tmp_path: Path) -> None:
    async with keeper(tmp_path) as life:
        await life.happen(AlertsSilenced(silence="s", select="*", until=NOON + HOUR), late("raw"))
        assert await life.happen(SilenceEnded(silence="s")) == ["(opened raw", "unsilenced raw"]


async def test_a_silence_of_one_asset_silences_no_other(tmp_path: Path) -> None:
    async with keeper(tmp_path) as life:
        assert await life.happen(AlertsSilenced(silence="s", select="mart", until=NOON + HOUR), late("raw")) == [
            "opened raw"
        ]


async def test_a_run_that_failed_by_itself_is_told_until_one_like_it_succeeds(tmp_path: Path) -> None:
    requests = [
        RunRequested(run_id=RunId(name), lane="l", plan=(), reason="why", job="nightly") for name in ("r1", "r2")
    ]
    async with keeper(tmp_path) as life:
        assert await life.happen(*requests, RunFailed(run_id=RunId("r1"), reason="no code")) == ["opened nightly"]
        assert await life.happen(RunSucceeded(run_id=RunId("r2"))) == ["opened nightly", "closed nightly"]


async def test_a_run_that_was_never_planned_is_no_incident(tmp_path: Path) -> None:
    async with keeper(tmp_path) as life:
        assert await life.happen(RunFailed(run_id=RunId("r9"), reason="no such asset")) == []


async def test_code_that_cannot_be_loaded_is_told_though_none_is(tmp_path: Path) -> None:
    async with keeper(tmp_path, loaded=False) as life:
        assert await life.happen(LocationFailed(location="shop", error=ERROR)) == ["opened shop"]


async def test_an_asset_that_failed_and_is_late_is_two_things(tmp_path: Path) -> None:
    async with keeper(tmp_path) as life:
        told = await life.happen(AssetFailed(asset="raw", error=ERROR), late("raw"))
        assert told == ["opened raw", "opened raw"]
        assert len(await life.happen(AssetMaterialized(asset="raw"), late("raw", "PASS", "FAIL"))) == 4
        assert await life.journal.queries.open_incidents() == []


def at_risk(asset: str, deadline: datetime = NOON + HOUR) -> FreshnessAtRisk:
    return FreshnessAtRisk(asset=asset, deadline=deadline, expected_at=deadline, slow_hop=asset, reason="it is slow")


async def test_a_deadline_at_risk_is_told_once_and_worsens_over_a_restart(tmp_path: Path) -> None:
    async with keeper(tmp_path) as life:
        assert await life.happen(at_risk("raw")) == ["opened raw"]
    async with keeper(tmp_path) as life:
        assert await life.told() == ["opened raw"]
        assert await life.happen(late("raw")) == ["opened raw", "worsened raw"]


async def test_what_is_made_in_time_is_at_risk_no_more(tmp_path: Path) -> None:
    async with keeper(tmp_path) as life:
        await life.happen(at_risk("raw"))
        assert await life.happen(AssetMaterialized(asset="raw")) == ["opened raw", "closed raw"]


async def test_a_risk_of_which_nothing_is_told_after_its_deadline_is_over(tmp_path: Path) -> None:
    async with keeper(tmp_path) as life:
        await life.happen(at_risk("raw"))
        await life.clock.advance(3600 + 59)
        assert await life.told() == ["opened raw"]
        await life.clock.advance(1)
        assert await life.told() == ["opened raw", "closed raw"]


async def test_a_silence_holds_back_what_is_at_risk(tmp_path: Path) -> None:
    async with keeper(tmp_path) as life:
        silence = AlertsSilenced(silence="s", select="raw", until=NOON + HOUR)
        assert await life.happen(silence, at_risk("raw", NOON + 3 * HOUR)) == ["(opened raw"]
        await life.clock.advance(3600)
        assert await life.told() == ["(opened raw", "unsilenced raw"]
