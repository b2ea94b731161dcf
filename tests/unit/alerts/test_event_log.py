from __future__ import annotations

from collections.abc import AsyncIterator, MutableMapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import pytest
import structlog

from upwell.alerts.event_log import CONSUMER, EventLog
from upwell.alerts.lines import line_of
from upwell.clock import FakeClock
from upwell.events import (
    AlertDelivered,
    AlertFailed,
    AssetFailed,
    AssetMaterialized,
    AssetSkipped,
    Canary,
    CheckEvaluated,
    ErrorInfo,
    Event,
    EventDecided,
    FileChanged,
    FreshnessChanged,
    FreshnessState,
    IncidentChanged,
    IncidentStep,
    Lateness,
    LocationFailed,
    Member,
    RunFailed,
    RunId,
    RunSucceeded,
    StepFailed,
    StepStarted,
    WebhookAccepted,
)
from upwell.journal.database import StoredJournal, open_journal
from upwell.journal.journal import Record

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ERROR = ErrorInfo(type="ValueError", message="no rows", traceback="Traceback …\nValueError: no rows")
RUN = RunId("ab" * 16)


def told(event: Event) -> tuple[str, str, dict[str, Any]]:
    line = line_of(Record(id=7, at=NOON, event=event))
    return line.level, line.event, dict(line.fields)


def violated(asset: str, state: FreshnessState = "FAIL", change: IncidentStep = "opened", **more: Any) -> Event:
    """Somebody is told of an asset that is late, or late no more."""
    fields: dict[str, Any] = {
        "incident": "i",
        "number": 1,
        "trouble": "freshness",
        "severity": "error",
        "summary": "it is late",
        "lateness": Lateness(state=state, previous_state="PASS"),
    }
    fields |= {"change": change, "subject": asset, "opened_at": NOON, "happened_at": NOON}
    return IncidentChanged(**fields | more)


@pytest.mark.parametrize(
    ("event", "level", "name"),
    [
        (WebhookAccepted(source="webhook:orders"), "info", "webhook.accepted"),
        (FileChanged(source="files:a", path="a.csv"), "info", "file.changed"),
        (EventDecided(event_ids=(1,), outcome="requested", reason="raw_orders listens"), "debug", "event.decided"),
        (EventDecided(event_ids=(1,), outcome="rejected", reason="no such partition"), "warning", "event.decided"),
        (RunSucceeded(run_id=RUN), "info", "run.succeeded"),
        (RunFailed(run_id=RUN, reason="raw_orders failed"), "error", "run.failed"),
        (StepStarted(run_id=RUN, step_id="s", attempt=1), "debug", "step.started"),
        (StepFailed(run_id=RUN, step_id="s", attempt=1, duration=1.0, error=ERROR), "debug", "step.failed"),
        (AssetMaterialized(asset="a"), "info", "asset.materialized"),
        (AssetFailed(asset="a", error=ERROR), "error", "asset.failed"),
        (AssetSkipped(asset="a", reason="b failed"), "info", "asset.skipped"),
        (CheckEvaluated(asset="a", check="c", passed=True), "info", "check.passed"),
        (CheckEvaluated(asset="a", check="c", passed=False), "error", "check.failed"),
        (CheckEvaluated(asset="a", check="c", passed=False, severity="WARN"), "warning", "check.failed"),
        (LocationFailed(location="default", error=ERROR), "error", "location.failed"),
        (violated("a", "WARN"), "warning", "freshness.warned"),
        (violated("a", "FAIL"), "error", "freshness.violated"),
        (violated("a", "FAIL", "worsened"), "error", "freshness.violated"),
        (violated("a", "WARN", "eased"), "warning", "freshness.warned"),
        (violated("a", "FAIL", "unsilenced"), "error", "freshness.violated"),
        (violated("a", "PASS", "closed"), "info", "freshness.recovered"),
        (violated("a", "NOT_APPLICABLE", "closed"), "info", "incident.changed"),
        (violated("a", "FAIL", "changed"), "info", "incident.changed"),
        (violated("a", "PASS", "recovering"), "info", "incident.changed"),
        (violated("a", "FAIL", silenced="moving"), "info", "incident.changed"),
        (violated("a", "FAIL", "closed", merged_into="x"), "info", "incident.changed"),
        (violated("a", "FAIL", trouble="check", lateness=None), "debug", "incident.changed"),
        (
            FreshnessChanged(asset="a", state="FAIL", previous_state="PASS", changed_at=NOON),
            "debug",
            "freshness.changed",
        ),
        (AlertDelivered(sink="ops", alert="i.1", incidents=("i",)), "info", "alert.delivered"),
        (AlertFailed(sink="ops", alert="i.1", error=ERROR, retry_at=NOON), "warning", "alert.failed"),
        (AlertFailed(sink="ops", alert="i.1", error=ERROR), "error", "alert.failed"),
        (Canary(nonce="n"), "debug", "service.canary"),
    ],
)
def test_an_event_is_told_under_its_name_at_its_level(event: Event, level: str, name: str) -> None:
    assert told(event)[:2] == (level, name)


def test_a_freshness_line_has_all_the_fields_that_alerting_rules_rely_on() -> None:
    _, _, fields = told(violated("fct_orders"))
    assert fields == {
        "incident": "i",
        "affected_count": 0,
        "asset": "fct_orders",
        "state": "FAIL",
        "previous_state": "PASS",
        "deadline": None,
        "last_materialized": None,
        "overdue_seconds": 0.0,
        "cause": None,
        "affected": [],
    }


def test_an_incident_of_a_deadline_at_risk_has_no_second_line_of_freshness() -> None:
    risk = {"previous_state": "PASS", "risk": "slow", "slow_hop": "raw"}
    me = (Member(name="a", since=NOON),)
    told_of = [
        told(violated("a", change=change, lateness=Lateness(state=state, **risk), joined=me))[1]  # type: ignore[arg-type]
        for state, change in [("PASS", "opened"), ("PASS", "closed"), ("WARN", "changed"), ("WARN", "worsened")]
    ]
    assert told_of == ["incident.changed", "incident.changed", "freshness.warned", "incident.changed"]


def test_a_freshness_line_names_who_is_late_because_of_it() -> None:
    members = tuple(Member(name=name, since=NOON) for name in ("raw", "mart", "fct"))
    _, _, fields = told(violated("raw", joined=members, affected=2))
    assert (fields["affected"], fields["affected_count"]) == (["fct", "mart"], 2)


def test_a_materialisation_tells_its_rows_and_how_long_it_took() -> None:
    event = AssetMaterialized(asset="a", metadata={"num_rows": {"type": "int", "value": 812}}, duration=0.043)
    assert told(event)[2] == {"asset": "a", "rows": 812, "duration": 0.043}


def test_a_failure_tells_the_error_and_its_traceback() -> None:
    _, _, fields = told(AssetFailed(asset="a", error=ERROR, run_id=RUN))
    assert fields == {"asset": "a", "run_id": RUN, "error": "ValueError: no rows", "traceback": ERROR.traceback}


def test_a_source_event_tells_its_id_in_the_journal() -> None:
    assert told(WebhookAccepted(source="webhook:orders", delivery_id="d-1"))[2] == {
        "source": "webhook:orders",
        "event_id": 7,
        "delivery_id": "d-1",
    }


def test_no_line_carries_the_payload_or_the_headers_of_an_event() -> None:
    event = WebhookAccepted(source="webhook:orders", data={"card": "4111"}, headers={"authorization": "Bearer x"})
    assert "4111" not in str(told(event))
    assert "Bearer" not in str(told(event))


class Life:
    """One life of a service's event log: what it told, and its journal."""

    def __init__(self, journal: StoredJournal, lines: Sequence[MutableMapping[str, Any]]) -> None:
        self.journal = journal
        self._lines = lines

    async def told_after(self, *events: Event) -> list[str]:
        """Append events, the last of which matters, and wait until it has been told."""
        receipts = await self.journal.append(*events)
        with anyio.fail_after(5):
            while await self.journal.queries.progress(CONSUMER) < receipts[-1].id:
                await anyio.sleep(0.001)
        return [f"{line['event']} {line.get('asset')}" for line in self._lines]


@asynccontextmanager
async def service(database: Path, **parts: Any) -> AsyncIterator[Life]:
    url = f"sqlite+aiosqlite:///{database}"
    async with open_journal(url, clock=FakeClock(NOON)) as journal, anyio.create_task_group() as tasks:
        with structlog.testing.capture_logs() as lines:
            event_log = EventLog(journal, journal.queries, flush=parts.get("flush", lambda: None))
            await tasks.start(event_log.run)
            yield Life(journal, lines)
        tasks.cancel_scope.cancel()


@pytest.mark.anyio
async def test_a_restart_tells_no_line_again(tmp_path: Path) -> None:
    async with service(tmp_path / "upwell.db") as first:
        assert await first.told_after(violated("orders")) == ["freshness.violated orders"]
    async with service(tmp_path / "upwell.db") as second:
        assert await second.told_after(violated("flights")) == ["freshness.violated flights"]


@pytest.mark.anyio
async def test_what_happened_while_nobody_told_is_told_at_the_next_start_if_it_matters(tmp_path: Path) -> None:
    async with service(tmp_path / "upwell.db") as first:
        await first.told_after(violated("orders"))
    async with open_journal(f"sqlite+aiosqlite:///{tmp_path / 'upwell.db'}", clock=FakeClock(NOON)) as journal:
        await journal.append(AssetMaterialized(asset="quiet"), violated("flights", "WARN"))
    async with service(tmp_path / "upwell.db") as second:
        assert await second.told_after(violated("flights", "PASS", "closed")) == [
            "freshness.warned flights",
            "freshness.recovered flights",
        ]


@pytest.mark.anyio
async def test_the_past_of_a_journal_that_was_never_followed_is_no_news(tmp_path: Path) -> None:
    async with open_journal(f"sqlite+aiosqlite:///{tmp_path / 'upwell.db'}", clock=FakeClock(NOON)) as journal:
        await journal.append(violated("orders"))
    async with service(tmp_path / "upwell.db") as first:
        assert await first.told_after(violated("flights")) == ["freshness.violated flights"]


@pytest.mark.anyio
async def test_an_ordinary_event_costs_no_write_of_the_position(tmp_path: Path) -> None:
    async with service(tmp_path / "upwell.db") as life:
        await life.told_after(violated("orders"))
        kept = await life.journal.queries.progress(CONSUMER)
        await life.journal.append(*(AssetMaterialized(asset="a") for _ in range(20)))
        await anyio.wait_all_tasks_blocked()
        assert await life.journal.queries.progress(CONSUMER) == kept


@pytest.mark.anyio
async def test_a_line_that_matters_has_left_the_process_before_its_position_is_kept(tmp_path: Path) -> None:
    order: list[str] = []
    async with service(tmp_path / "upwell.db", flush=lambda: order.append("flushed")) as life:
        await life.told_after(violated("orders"))
        assert order == ["flushed"]
