from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest

from upwell.events import ErrorInfo, LocationFailed, LocationLoaded, ReloadRequested
from upwell.journal.database import StoredJournal
from upwell.web.app import WebApp

pytestmark = pytest.mark.anyio


async def test_sources_say_who_listens_and_when_they_were_heard(
    client: httpx.AsyncClient, journal: StoredJournal
) -> None:
    (source,) = (await client.get("/api/v1/sources")).json()["sources"]
    assert (source["name"], source["assets"], source["last_event_id"]) == ("webhook:orders", ["raw/orders"], None)
    await client.post("/webhooks/orders", json={})
    (source,) = (await client.get("/api/v1/sources")).json()["sources"]
    assert (source["last_event_id"], source["last_event_at"]) == (1, "2024-05-01T12:00:00Z")


async def test_locations_show_what_is_loaded_and_what_failed(
    make_app: Callable[..., WebApp], browse: Callable[..., httpx.AsyncClient], journal: StoredJournal
) -> None:
    await journal.append(
        LocationLoaded(location="shop", generation=2, code_hash="abc", assets=3),
        LocationFailed(location="shop", error=ErrorInfo(type="SyntaxError", message="line 3")),
    )
    async with browse(make_app(locations=["shop", "slow"])) as client:
        shop, slow = (await client.get("/api/v1/locations")).json()["locations"]
    assert (shop["generation"], shop["error"]["type"]) == (2, "SyntaxError")
    assert (slow["location"], slow["generation"], slow["loaded_at"]) == ("slow", 0, None)


async def test_a_reload_is_an_event_for_who_loads_code(client: httpx.AsyncClient, journal: StoredJournal) -> None:
    answer = await client.post("/api/v1/locations/shop/reload")
    assert (answer.status_code, answer.json()) == (202, {"location": "shop", "event_id": 1})
    (record,) = await journal.queries.events()
    assert record.event == ReloadRequested(location="shop", requested_by="api")


async def test_jobs_are_listed(client: httpx.AsyncClient) -> None:
    (job,) = (await client.get("/api/v1/jobs")).json()["jobs"]
    assert job == {
        "name": "nightly",
        "assets": ["fct_orders"],
        "checks": [],
        "step": None,
        "description": None,
        "tags": {},
    }
