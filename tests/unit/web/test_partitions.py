"""Keys of dynamic partitions over HTTP."""

from __future__ import annotations

import httpx
import pytest

from upwell.definitions.partitions.dynamic import DynamicPartitionsDefinition
from upwell.definitions.project import Project
from upwell.definitions.snapshot import AssetNode, Snapshot, StepNode
from upwell.journal.database import StoredJournal

pytestmark = pytest.mark.anyio


@pytest.fixture
def project() -> Project:
    project = Project()
    sales = AssetNode(key="sales", step="sales", partitions=DynamicPartitionsDefinition(name="shops"))
    steps = (StepNode(key="sales", assets=("sales",)),)
    project.replace(Snapshot(location="here", assets=(sales,), steps=steps))
    return project


async def change(client: httpx.AsyncClient, **keys: list[str]) -> dict[str, object]:
    answer = await client.post("/api/v1/partitions/shops", json=keys)
    assert answer.status_code == 200, answer.text
    found: dict[str, object] = answer.json()
    return found


async def test_keys_that_come_and_go_are_events(client: httpx.AsyncClient, journal: StoredJournal) -> None:
    first = await change(client, add=["s1", "s2"])
    second = await change(client, add=["s3"], remove=["s1"])
    assert (await client.get("/api/v1/partitions/shops")).json() == {"name": "shops", "keys": ["s2", "s3"]}
    records = await journal.queries.events(kinds=["partitions.changed"], newest_first=False)
    assert [record.id for record in records] == [first["event_id"], second["event_id"]]
    assert await journal.queries.dynamic_partitions() == {"shops": ("s2", "s3")}


async def test_what_is_so_already_is_no_event(client: httpx.AsyncClient, journal: StoredJournal) -> None:
    await change(client, add=["s1"])
    again = await change(client, add=["s1"], remove=["s9"])
    assert again == {"name": "shops", "added": [], "removed": [], "event_id": None}


async def test_a_key_that_was_added_can_be_asked_for_at_once(client: httpx.AsyncClient) -> None:
    asked = {"select": "sales", "partition": "s1"}
    refused = await client.post("/api/v1/runs", json=asked)
    assert refused.status_code == 422 and "sales has no partition 's1'" in refused.text
    await change(client, add=["s1"])
    assert (await client.post("/api/v1/runs", json=asked)).status_code == 202


async def test_an_asset_tells_its_keys(client: httpx.AsyncClient) -> None:
    await change(client, add=["s2", "s1"])
    partitions = (await client.get("/api/v1/assets/sales")).json()["partitions"]
    assert (partitions["total"], partitions["keys"], partitions["dynamic"]) == (2, ["s2", "s1"], ["shops"])


async def test_a_name_that_nothing_has_is_refused_with_those_that_there_are(client: httpx.AsyncClient) -> None:
    answer = await client.post("/api/v1/partitions/shoes", json={"add": ["a"]})
    assert answer.status_code == 404
    assert answer.json()["detail"] == "No asset has dynamic partitions 'shoes'; there are: shops."


async def test_a_key_cannot_come_and_go_at_once(client: httpx.AsyncClient) -> None:
    answer = await client.post("/api/v1/partitions/shops", json={"add": ["a"], "remove": ["a"]})
    assert answer.status_code == 422 and "a cannot come and go at once" in answer.text
