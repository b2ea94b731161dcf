"""Sources, sensors, schedules: what the API shows of them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx
import pytest

from upwell.clock import FakeClock
from upwell.definitions.project import Project
from upwell.definitions.reactions import On, SourceSpec
from upwell.definitions.snapshot import AssetNode, SensorNode, Snapshot, StepNode
from upwell.events import (
    ErrorInfo,
    EventDecided,
    ListeningPaused,
    MessageReceived,
    RunId,
    RunRequested,
    SensorEvaluated,
    SensorFailed,
    SensorTriggered,
    SourceAdvanced,
    WantedRun,
)
from upwell.journal.database import StoredJournal

pytestmark = pytest.mark.anyio

ORDERS = SourceSpec(kind="webhook", name="webhook:orders", params={"endpoint": "orders", "insecure": True})
MIDNIGHT = SourceSpec(kind="cron", name="cron:0 0 * * *@UTC", params={"schedule": "0 0 * * *", "timezone": "UTC"})
ERROR = ErrorInfo(type="ValueError", message="no rows", traceback="Traceback …")


@pytest.fixture
def project() -> Project:
    """One asset and one sensor listen to webhook:orders; a polling sensor and a schedule ask for the asset."""
    project = Project()
    sensors = (
        SensorNode(name="on_orders", kind="event", on=(On(source=ORDERS),), assets=("orders",)),
        SensorNode(name="new_files", kind="polling", interval=30.0, assets=("orders",), description="Looks for files"),
        SensorNode(name="nightly", kind="schedule", on=(On(source=MIDNIGHT),), cron=("0 0 * * *",), assets=("orders",)),
        SensorNode(name="sleepy", kind="polling", interval=30.0, active=False),
    )
    orders = AssetNode(key="orders", step="orders", on=(On(source=ORDERS),))
    steps = (StepNode(key="orders", assets=("orders",)),)
    project.replace(Snapshot(location="shop", assets=(orders,), steps=steps, sensors=sensors))
    return project


async def get(client: httpx.AsyncClient, path: str, **params: Any) -> Any:
    answer = await client.get(f"/api/v1{path}", params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_source_shows_who_listens_and_its_newest_event_with_its_lag(
    client: httpx.AsyncClient, journal: StoredJournal, clock: FakeClock
) -> None:
    late = clock.now() - timedelta(seconds=5)
    await journal.append(MessageReceived(source="webhook:orders", occurred_at=late))
    await journal.append(SourceAdvanced(source="webhook:orders", cursor={"etag": "x"}))
    sources = {one["name"]: one for one in (await get(client, "/sources"))["sources"]}
    orders = sources["webhook:orders"]
    assert (orders["assets"], orders["sensors"], orders["active"]) == (["orders"], ["on_orders"], True)
    assert (orders["last_event_id"], orders["lag"]) == (1, 5.0)
    assert sources["cron:0 0 * * *@UTC"]["sensors"] == ["nightly"]


async def test_a_paused_source_says_who_paused_it_and_when(client: httpx.AsyncClient, journal: StoredJournal) -> None:
    await journal.append(ListeningPaused(what="source", name="webhook:orders", paused_by="alice"))
    orders = next(one for one in (await get(client, "/sources"))["sources"] if one["kind"] == "webhook")
    assert (orders["active"], orders["switched_by"], orders["switched_at"]) == (False, "alice", "2024-05-01T12:00:00Z")


async def test_sensors_are_listed_apart_from_schedules(client: httpx.AsyncClient) -> None:
    sensors = (await get(client, "/sensors"))["sensors"]
    assert [one["name"] for one in sensors] == ["new_files", "on_orders", "sleepy"]
    assert [one["active"] for one in sensors] == [True, True, False]
    assert sensors[0]["location"] == "shop"
    assert [one["name"] for one in (await get(client, "/schedules"))["schedules"]] == ["nightly"]


async def test_a_schedule_tells_its_next_tick_unless_it_is_paused(
    client: httpx.AsyncClient, journal: StoredJournal
) -> None:
    (nightly,) = (await get(client, "/schedules"))["schedules"]
    assert nightly["next_tick"] == "2024-05-02T00:00:00Z"
    await journal.append(ListeningPaused(what="schedule", name="nightly"))
    (nightly,) = (await get(client, "/schedules"))["schedules"]
    assert nightly["next_tick"] is None


async def test_a_sensor_shows_its_newest_call_and_the_calls_still_to_be_made(
    client: httpx.AsyncClient, journal: StoredJournal
) -> None:
    await journal.append(
        SensorFailed(sensor="on_orders", error=ERROR, attempt=3), SensorTriggered(sensor="on_orders", event_ids=(1,))
    )
    sensor = await get(client, "/sensors/on_orders")
    assert (sensor["status"], sensor["failures"], sensor["error"]["message"]) == ("failed", 3, "no rows")
    assert (sensor["waiting"], sensor["called_at"], sensor["tick_id"]) == (1, "2024-05-01T12:00:00Z", 1)


async def test_one_sensor_shows_what_it_remembers_and_its_ticks(
    client: httpx.AsyncClient, journal: StoredJournal
) -> None:
    await journal.append(
        SensorEvaluated(sensor="new_files", cursor="a.csv", skip_reason="nothing new"),
        SensorEvaluated(sensor="new_files", cursor="b.csv", runs=(WantedRun(run_key="b"),)),
    )
    sensor = await get(client, "/sensors/new_files")
    assert (sensor["cursor"], sensor["run_key"], sensor["interval"]) == ("b.csv", "b", 30.0)
    assert [(one["status"], one["skip_reason"]) for one in sensor["ticks"]] == [
        ("requested", None),
        ("skipped", "nothing new"),
    ]


async def test_an_unknown_sensor_is_told_with_names_that_are_near(client: httpx.AsyncClient) -> None:
    answer = await client.get("/api/v1/sensors/new_file")
    assert answer.status_code == 404
    assert answer.json()["detail"] == 'There is no sensor "new_file". Did you mean "new_files"?'


async def decided(journal: StoredJournal) -> int:
    """A call that asked for three runs: one was requested, one key was taken, one job does not exist."""
    taken = RunRequested(run_id=RunId("old"), lane="l", plan=(), reason="r", sensor="new_files", run_key="a")
    wanted = (WantedRun(run_key="a"), WantedRun(run_key="b"), WantedRun(job="nosuch"))
    _, tick = await journal.append(taken, SensorEvaluated(sensor="new_files", runs=wanted, duration=0.5))
    await journal.append(
        EventDecided(event_ids=(tick.id,), outcome="requested", reason="r", run_id=RunId("new"), sensor="new_files"),
        RunRequested(
            run_id=RunId("new"), lane="l", plan=(), reason="r", sensor="new_files", run_key="b", roots=("orders",)
        ),
        EventDecided(event_ids=(tick.id,), outcome="rejected", reason="there is no job nosuch", sensor="new_files"),
        EventDecided(event_ids=(tick.id,), outcome="ignored", reason="run key 'a' has run old", sensor="new_files"),
    )
    return tick.id


async def test_a_tick_shows_which_run_came_of_what_it_asked_for(
    client: httpx.AsyncClient, journal: StoredJournal
) -> None:
    tick_id = await decided(journal)
    (tick,) = (await get(client, "/ticks", sensor="new_files"))["ticks"]
    assert (tick["event_id"], tick["duration"], tick["rejected"]) == (tick_id, 0.5, ["there is no job nosuch"])
    assert [(run["run_key"], run["run_id"], run["suppressed"]) for run in tick["runs"]] == [
        ("a", "old", True),
        ("b", "new", False),
        (None, None, False),
    ]
    assert tick["runs"][1]["assets"] == ["orders"]


async def test_a_failed_tick_has_its_traceback_and_the_next_attempt(
    client: httpx.AsyncClient, journal: StoredJournal, clock: FakeClock
) -> None:
    await journal.append(SensorFailed(sensor="new_files", error=ERROR, attempt=2, retry_at=clock.now()))
    (tick,) = (await get(client, "/ticks", status="failed"))["ticks"]
    assert (tick["error"]["traceback"], tick["attempt"], tick["retry_at"]) == ("Traceback …", 2, "2024-05-01T12:00:00Z")


@pytest.mark.parametrize("status", ["requested", "skipped", None])
async def test_ticks_come_in_pages_none_missing_and_none_twice(
    status: str | None, client: httpx.AsyncClient, journal: StoredJournal
) -> None:
    calls = [SensorEvaluated(sensor="new_files", runs=(WantedRun(),) * (place % 3 == 0)) for place in range(20)]
    receipts = await journal.append(*calls, SensorEvaluated(sensor="sleepy"))
    wanted = [
        receipt.id
        for receipt, call in zip(receipts[:-1], calls, strict=True)
        if status in (None, "requested" if call.runs else "skipped")
    ]
    found: list[int] = []
    before = None
    while True:
        params = {"sensor": "new_files", "limit": 3} | ({"status": status} if status else {})
        page = await get(client, "/ticks", **params, **({"before": before} if before else {}))
        found += [tick["event_id"] for tick in page["ticks"]]
        before = page["next"]
        if before is None:
            break
    assert found == wanted[::-1]


async def test_ticks_of_a_sensor_that_is_no_longer_defined_are_still_there(
    client: httpx.AsyncClient, journal: StoredJournal
) -> None:
    await journal.append(SensorEvaluated(sensor="removed"))
    assert len((await get(client, "/ticks", sensor="removed"))["ticks"]) == 1
    assert (await client.get("/api/v1/ticks", params={"sensor": "nosuch"})).status_code == 404


async def test_a_run_shows_the_sensor_the_key_and_the_job(client: httpx.AsyncClient, journal: StoredJournal) -> None:
    await journal.append(
        RunRequested(run_id=RunId("r"), lane="l", plan=(), reason="r", sensor="new_files", run_key="b", job="nightly")
    )
    (run,) = (await get(client, "/runs"))["runs"]
    assert (run["sensor"], run["run_key"], run["job"]) == ("new_files", "b", "nightly")
