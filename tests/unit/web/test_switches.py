from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest

from upwell.definitions.project import Project
from upwell.definitions.reactions import On, SourceSpec
from upwell.definitions.snapshot import AssetNode, SensorNode, Snapshot, StepNode
from upwell.events import ListeningPaused, ListeningResumed
from upwell.journal.database import StoredJournal
from upwell.web.app import WebApp
from upwell.web.auth import ApiToken

pytestmark = pytest.mark.anyio

FILES = SourceSpec(kind="files", name="files:../landing/orders-*.csv")


@pytest.fixture
def project() -> Project:
    project = Project()
    sensors = (
        SensorNode(name="new_files", kind="polling"),
        SensorNode(name="nightly", kind="schedule"),
        SensorNode(name="sleepy", kind="polling", active=False),
    )
    orders = AssetNode(key="orders", step="orders", on=(On(source=FILES),))
    steps = (StepNode(key="orders", assets=("orders",)),)
    project.replace(Snapshot(location="shop", assets=(orders,), steps=steps, sensors=sensors))
    return project


@pytest.mark.parametrize(
    ("path", "what", "name"),
    [
        ("sensors/new_files", "sensor", "new_files"),
        ("schedules/nightly", "schedule", "nightly"),
        ("sources/files:..%2Flanding%2Forders-%2A.csv", "source", "files:../landing/orders-*.csv"),
    ],
)
async def test_a_switch_is_an_event_that_says_who_wanted_it(
    path: str, what: str, name: str, client: httpx.AsyncClient, journal: StoredJournal
) -> None:
    answer = await client.post(f"/api/v1/{path}/pause", json={"by": "alice"})
    assert answer.json() == {"what": what, "name": name, "active": False, "changed": True, "event_id": 1}
    assert (await client.post(f"/api/v1/{path}/resume")).json()["event_id"] == 2
    paused, resumed = (record.event for record in await journal.queries.events(newest_first=False))
    assert paused == ListeningPaused(what=what, name=name, paused_by="alice")  # type: ignore[arg-type]
    assert resumed == ListeningResumed(what=what, name=name, resumed_by="api")  # type: ignore[arg-type]


async def test_what_is_so_already_is_no_error_and_writes_nothing(
    client: httpx.AsyncClient, journal: StoredJournal
) -> None:
    await client.post("/api/v1/sensors/new_files/pause")
    again = await client.post("/api/v1/sensors/new_files/pause")
    assert (again.status_code, again.json()["changed"], again.json()["event_id"]) == (200, False, None)
    assert (await client.post("/api/v1/schedules/nightly/resume")).json()["changed"] is False
    assert journal.head == 1


async def test_a_sensor_that_the_code_switches_off_can_be_resumed(
    client: httpx.AsyncClient, journal: StoredJournal
) -> None:
    assert (await client.post("/api/v1/sensors/sleepy/pause")).json()["changed"] is False
    assert (await client.post("/api/v1/sensors/sleepy/resume")).json()["changed"] is True
    assert (await client.get("/api/v1/sensors/sleepy")).json()["active"] is True


@pytest.mark.parametrize(
    ("path", "detail"),
    [
        ("sensors/new_fils", 'There is no sensor "new_fils". Did you mean "new_files"?'),
        ("sensors/nightly", "nightly is a schedule: say `upwell schedules …`, or use /api/v1/schedules/nightly."),
        ("schedules/new_files", "new_files is a sensor: say `upwell sensors …`, or use /api/v1/sensors/new_files."),
        ("sources/landing", 'There is no source "landing". Did you mean "files:../landing/orders-*.csv"?'),
        ("sources/zzz", 'There is no source "zzz".'),
    ],
)
async def test_what_is_not_there_is_told_with_a_hint(
    path: str, detail: str, client: httpx.AsyncClient, journal: StoredJournal
) -> None:
    answer = await client.post(f"/api/v1/{path}/pause")
    assert (answer.status_code, answer.json()["detail"]) == (404, detail)
    assert journal.head == 0


async def test_a_viewer_may_look_and_not_switch(
    make_app: Callable[..., WebApp], browse: Callable[..., httpx.AsyncClient], journal: StoredJournal
) -> None:
    headers = {"authorization": "Bearer bobs"}
    async with browse(make_app(api_tokens=[ApiToken.of("bobs", "viewer")]), headers=headers) as client:
        assert (await client.get("/api/v1/sensors")).status_code == 200
        assert (await client.post("/api/v1/sensors/new_files/pause")).status_code == 403
        assert (await client.post("/api/v1/sensors/new_files/preview")).status_code == 403
        assert (await client.post("/api/v1/events/replay", json={"event_ids": [1]})).status_code == 403
    assert journal.head == 0
