from __future__ import annotations

from dataclasses import replace
from typing import Any

import httpx
import pytest

from upwell.definitions.project import Project
from upwell.definitions.snapshot import CheckNode, StepNode
from upwell.events import (
    ErrorInfo,
    EventDecided,
    PlannedStep,
    RunCancelRequested,
    RunFailed,
    RunId,
    RunRequested,
    RunStarted,
    RunSubmitted,
    RunSucceeded,
    StepFailed,
    StepStarted,
    StepSucceeded,
)
from upwell.journal.database import StoredJournal

pytestmark = pytest.mark.anyio

PLAN = (
    PlannedStep(id="s1", step="raw/orders", assets=("raw/orders",)),
    PlannedStep(id="s2", step="fct_orders", assets=("fct_orders",), waits_for=("s1",), asked=False),
)


def requested(run_id: str, **fields: Any) -> RunRequested:
    return RunRequested(
        run_id=RunId(run_id),
        lane="raw/orders",
        plan=PLAN,
        reason="raw/orders was asked for",
        roots=("raw/orders",),
        **fields,
    )


async def newest(journal: StoredJournal) -> Any:
    (record,) = await journal.queries.events(limit=1)
    return record.event


async def test_a_submitted_run_is_an_event_for_the_reactor(client: httpx.AsyncClient, journal: StoredJournal) -> None:
    body = {"select": "raw/orders", "downstream": True, "config": {"a": 1}, "tags": {"who": "alice"}}
    answer = await client.post("/api/v1/runs", json=body)
    assert answer.status_code == 202
    assert await newest(journal) == RunSubmitted(
        run_id=answer.json()["run_id"],
        assets=("raw/orders",),
        downstream=True,
        config={"a": 1},
        tags={"who": "alice"},
        submitted_by="api",
    )


@pytest.mark.parametrize(
    ("select", "partition", "message"),
    [
        ("regions", None, "regions is partitioned"),
        ("regions", "west", "no partition 'west'"),
        ("raw/orders", "north", "nothing that is selected is partitioned"),
        ("customers", None, "selects nothing that can be materialised"),
    ],
)
async def test_a_run_that_makes_no_sense_is_refused(
    client: httpx.AsyncClient, journal: StoredJournal, select: str, partition: str | None, message: str
) -> None:
    answer = await client.post("/api/v1/runs", json={"select": select, "partition": partition})
    assert answer.status_code == 422
    assert message in answer.json()["detail"]
    assert journal.head == 0


async def test_a_partition_that_exists_is_taken(client: httpx.AsyncClient, journal: StoredJournal) -> None:
    assert (await client.post("/api/v1/runs", json={"select": "regions", "partition": "north"})).status_code == 202
    assert (await newest(journal)).partition == "north"


async def test_a_run_shows_every_planned_step(client: httpx.AsyncClient, journal: StoredJournal) -> None:
    run_id = RunId("r1")
    error = ErrorInfo(type="ValueError", message="bad")
    await journal.append(
        requested("r1", event_ids=(7,)),
        RunStarted(run_id=run_id),
        StepStarted(run_id=run_id, step_id="s1", attempt=1, log="r1/s1.log"),
        StepFailed(run_id=run_id, step_id="s1", attempt=1, duration=0.5, error=error),
    )
    run = (await client.get("/api/v1/runs/r1")).json()
    assert (run["status"], run["assets"], run["event_ids"]) == ("STARTED", ["raw/orders", "fct_orders"], [7])
    assert [(step["id"], step["status"], step["attempt"]) for step in run["steps"]] == [
        ("s1", "FAILURE", 1),
        ("s2", "PENDING", 0),
    ]
    assert run["steps"][0]["error"] == {"type": "ValueError", "message": "bad", "traceback": None}


async def test_runs_come_newest_first_in_pages(client: httpx.AsyncClient, journal: StoredJournal) -> None:
    await journal.append(*(requested(f"r{number}") for number in range(5)))
    first = (await client.get("/api/v1/runs", params={"limit": 3})).json()
    second = (await client.get("/api/v1/runs", params={"limit": 3, "before": first["next"]})).json()
    assert [run["run_id"] for run in first["runs"] + second["runs"]] == ["r4", "r3", "r2", "r1", "r0"]
    assert second["next"] is None


async def test_runs_are_filtered(client: httpx.AsyncClient, journal: StoredJournal) -> None:
    await journal.append(requested("r1"), requested("r2"), RunStarted(run_id=RunId("r2")))
    runs = (await client.get("/api/v1/runs", params={"status": ["STARTED", "FAILURE"]})).json()["runs"]
    assert [run["run_id"] for run in runs] == ["r2"]
    assert (await client.get("/api/v1/runs", params={"asset": "regions"})).json()["runs"] == []


async def test_a_run_that_is_not_planned_yet_is_queued(client: httpx.AsyncClient) -> None:
    run_id = (await client.post("/api/v1/runs", json={"select": "raw/orders"})).json()["run_id"]
    run = (await client.get(f"/api/v1/runs/{run_id}")).json()
    assert (run["status"], run["roots"], run["steps"]) == ("QUEUED", ["raw/orders"], [])


async def test_a_rejected_run_failed_and_says_why(client: httpx.AsyncClient, journal: StoredJournal) -> None:
    run_id = (await client.post("/api/v1/runs", json={"select": "raw/orders"})).json()["run_id"]
    await journal.append(
        EventDecided(event_ids=(journal.head,), outcome="rejected", reason="no such asset", run_id=run_id)
    )
    run = (await client.get(f"/api/v1/runs/{run_id}")).json()
    assert (run["status"], run["error"]) == ("FAILURE", "no such asset")


async def test_cancelling_is_an_event_for_the_supervisor(client: httpx.AsyncClient, journal: StoredJournal) -> None:
    await journal.append(requested("r1"))
    assert (await client.post("/api/v1/runs/r1/cancel")).status_code == 202
    assert await newest(journal) == RunCancelRequested(run_id=RunId("r1"), requested_by="api")


async def test_an_ended_run_cannot_be_cancelled(client: httpx.AsyncClient, journal: StoredJournal) -> None:
    await journal.append(requested("r1"), RunSucceeded(run_id=RunId("r1")))
    answer = await client.post("/api/v1/runs/r1/cancel")
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:upwell:problem:run-ended")
    assert isinstance(await newest(journal), RunSucceeded)


async def test_a_retry_asks_for_what_did_not_succeed(client: httpx.AsyncClient, journal: StoredJournal) -> None:
    run_id = RunId("r1")
    await journal.append(
        requested("r1", partition=None, config={"a": 1}),
        StepStarted(run_id=run_id, step_id="s1", attempt=1),
        StepSucceeded(run_id=run_id, step_id="s1", attempt=1, duration=1.0),
        RunFailed(run_id=run_id, reason="fct_orders failed"),
    )
    answer = await client.post("/api/v1/runs/r1/retry")
    submitted = await newest(journal)
    assert answer.json() == {"run_id": submitted.run_id}
    assert (submitted.retry_of, submitted.config) == ("r1", {"a": 1})
    assert submitted.run_id != "r1"


@pytest.mark.parametrize("ends", [(), (RunSucceeded(run_id=RunId("r1")),)])
async def test_only_a_run_that_failed_can_be_retried(
    client: httpx.AsyncClient, journal: StoredJournal, ends: tuple[RunSucceeded, ...]
) -> None:
    await journal.append(requested("r1"), *ends)
    assert (await client.post("/api/v1/runs/r1/retry")).status_code == 409


async def test_a_run_of_checks_is_submitted_or_refused(
    client: httpx.AsyncClient, journal: StoredJournal, project: Project
) -> None:
    (shop,) = project.snapshots
    fresh = CheckNode(asset="raw/orders", name="fresh", step="orders_fresh")
    steps = (*shop.steps, StepNode(key="orders_fresh", checks=(fresh.key,)))
    project.replace(replace(shop, steps=steps, checks=(*shop.checks, fresh)))
    answer = await client.post("/api/v1/runs", json={"checks": ["raw/orders:fresh"]})
    assert answer.status_code == 202
    run_id = answer.json()["run_id"]
    assert await newest(journal) == RunSubmitted(run_id=run_id, checks=("raw/orders:fresh",), submitted_by="api")
    for body, says in (
        ({"checks": ["raw/orders:nope"]}, "there is no check"),
        ({"checks": ["fct_orders:has_rows"]}, "is evaluated by the function that makes fct_orders"),
        ({"checks": ["raw/orders:fresh"], "downstream": True}, "nothing is downstream of checks"),
        ({"checks": ["raw/orders:fresh"], "select": "raw/orders"}, "give one of select, job and checks"),
        ({"checks": []}, "checks"),
    ):
        answer = await client.post("/api/v1/runs", json=body)
        assert answer.status_code == 422 and says in answer.json()["detail"]


async def test_a_run_of_a_job_is_of_its_assets(client: httpx.AsyncClient, journal: StoredJournal) -> None:
    answer = await client.post("/api/v1/runs", json={"job": "nope"})
    assert (answer.status_code, answer.json()["detail"]) == (404, 'There is no job "nope".')
    for body in ({}, {"job": "nope", "select": "raw/orders"}):
        answer = await client.post("/api/v1/runs", json=body)
        assert answer.status_code == 422 and "give one of select, job and checks" in answer.text
