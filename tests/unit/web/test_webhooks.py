from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from structlog.testing import capture_logs

from upwell.definitions.project import Project
from upwell.definitions.reactions import SourceSpec
from upwell.definitions.snapshot import Snapshot
from upwell.errors import JournalBusy, JournalUnavailable
from upwell.events import Event, WebhookAccepted
from upwell.journal.database import StoredJournal
from upwell.web.app import WebApp

pytestmark = pytest.mark.anyio

Make = Callable[..., WebApp]
Browse = Callable[..., httpx.AsyncClient]
SECRET = "s3cret"


class Refusing:
    """A journal whose disk is full."""

    head = 0

    def __init__(self, error: Exception) -> None:
        self.error = error

    async def append(self, *events: Event, **_: Any) -> Any:
        raise self.error


def declare(project: Project, *sources: SourceSpec, shop: Callable[..., Snapshot]) -> None:
    project.replace(shop(*sources))


def github(body: bytes) -> dict[str, str]:
    return {"x-hub-signature-256": "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()}


async def accepted(journal: StoredJournal) -> list[WebhookAccepted]:
    records = await journal.queries.events(kinds=[WebhookAccepted.kind], newest_first=False)
    return [record.event for record in records if isinstance(record.event, WebhookAccepted)]


async def test_a_delivery_is_on_disk_when_it_is_answered(client: httpx.AsyncClient, journal: StoredJournal) -> None:
    answer = await client.post("/webhooks/orders", json={"order": 1})
    assert (answer.status_code, answer.json()) == (202, {"event_id": journal.head})
    (event,) = await accepted(journal)
    assert (event.source, event.data) == ("webhook:orders", {"order": 1})


async def test_a_repeat_is_answered_with_the_first_event(client: httpx.AsyncClient, journal: StoredJournal) -> None:
    first = await client.post("/webhooks/orders", json=1, headers={"idempotency-key": '"k1"'})
    again = await client.post("/webhooks/orders", json=1, headers={"idempotency-key": "k1"})
    assert (again.status_code, again.json()) == (200, {"event_id": first.json()["event_id"], "duplicate": True})
    assert len(await accepted(journal)) == 1


async def test_without_an_id_two_equal_deliveries_are_two_events(client: httpx.AsyncClient) -> None:
    first = await client.post("/webhooks/orders", json=1)
    second = await client.post("/webhooks/orders", json=1)
    assert second.status_code == 202
    assert second.json()["event_id"] > first.json()["event_id"]


@pytest.fixture
async def signed(
    make_app: Make, browse: Browse, project: Project, shop: Callable[..., Snapshot], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an application whose endpoint `orders` wants GitHub's signature."""
    monkeypatch.setenv("ORDERS_SECRET", SECRET)
    params = {"endpoint": "orders", "scheme": "github", "secrets": [{"env": "ORDERS_SECRET"}]}
    declare(project, SourceSpec(kind="webhook", name="webhook:orders", params=params), shop=shop)
    async with browse(make_app()) as client:
        yield client


async def test_the_signature_of_the_raw_bytes_is_what_counts(signed: httpx.AsyncClient, journal: StoredJournal) -> None:
    body = b'{ "order" :1 }'
    headers = github(body) | {"content-type": "application/json", "x-github-delivery": "d1", "x-github-event": "push"}
    answer = await signed.post("/webhooks/orders", content=body, headers=headers)
    assert answer.status_code == 202
    (event,) = await accepted(journal)
    assert event.delivery_id == "d1"
    assert event.headers["x-github-event"] == "push"


async def test_every_bad_proof_gets_the_same_answer_and_writes_nothing(
    signed: httpx.AsyncClient, journal: StoredJournal
) -> None:
    good = github(b"{}")["x-hub-signature-256"]
    proofs: list[dict[str, Any]] = [
        {},
        {"x-hub-signature-256": ""},
        {"x-hub-signature-256": good[:-1]},
        {"x-hub-signature-256": good.upper()},
        {"x-hub-signature-256": b"sha256=\xff"},
    ]
    with capture_logs() as lines:
        answers = [await signed.post("/webhooks/orders", content=b"{}", headers=proof) for proof in proofs]
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.content for answer in answers}) == 1
    assert journal.head == 0
    assert {line["event"] for line in lines} == {"webhook.rejected"}
    assert lines[0] | {"reason": ""} == {
        "event": "webhook.rejected",
        "log_level": "warning",
        "source": "webhook:orders",
        "status": 401,
        "reason": "",
    }
    assert "is missing" in lines[0]["reason"]


async def test_a_malformed_body_is_only_seen_when_its_signature_is_right(signed: httpx.AsyncClient) -> None:
    headers = {"content-type": "application/json"}
    assert (await signed.post("/webhooks/orders", content=b"{", headers=headers)).status_code == 401
    assert (await signed.post("/webhooks/orders", content=b"{", headers=headers | github(b"{"))).status_code == 400


async def test_secrets_and_cookies_are_not_kept(signed: httpx.AsyncClient, journal: StoredJournal) -> None:
    body = b"{}"
    secrets = {"authorization": "Bearer canary", "cookie": "canary", "x-api-key": "canary", "x-other": "canary"}
    headers = github(body) | secrets | {"user-agent": "GitHub-Hookshot/1", "content-type": "application/json"}
    await signed.post("/webhooks/orders", content=body, headers=headers)
    (event,) = await accepted(journal)
    assert event.headers == {"user-agent": "GitHub-Hookshot/1", "content-type": "application/json"}


async def test_the_scheme_s_delivery_id_goes_before_the_others(
    signed: httpx.AsyncClient, journal: StoredJournal
) -> None:
    cloud = {"ce-specversion": "1.0", "ce-id": "e1", "ce-source": "/s", "ce-type": "t"}
    keys = {"idempotency-key": "k1"}
    for headers in ({"x-github-delivery": "d1", **cloud, **keys}, {**cloud, **keys}, keys):
        await signed.post("/webhooks/orders", content=b"1", headers=github(b"1") | headers)
    assert [event.delivery_id for event in await accepted(journal)] == ["d1", "/s e1", "k1"]


async def test_a_cloud_event_brings_its_data_time_and_attributes(
    client: httpx.AsyncClient, journal: StoredJournal
) -> None:
    event = {
        "specversion": "1.0",
        "id": "e1",
        "source": "/shop",
        "type": "order.placed",
        "time": "2024-05-01T10:00:00+02:00",
        "data": {"order": 1},
    }
    headers = {"content-type": "application/cloudevents+json"}
    assert (await client.post("/webhooks/orders", content=json.dumps(event), headers=headers)).status_code == 202
    (kept,) = await accepted(journal)
    assert kept.data == {"order": 1}
    assert kept.headers["ce-type"] == "order.placed"
    assert kept.occurred_at is not None
    assert kept.occurred_at.isoformat() == "2024-05-01T08:00:00+00:00"


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({"content-type": "text/plain"}, b"{}", 415),
        ({"content-type": "application/json", "content-encoding": "gzip"}, b"{}", 415),
        ({"content-type": "application/json"}, b"{", 400),
        ({"content-type": "application/json"}, b"NaN", 400),
        ({"content-type": "application/json"}, b" " * 1025, 413),
        ({"content-type": "application/json", "idempotency-key": "k" * 1000}, b"{}", 400),
        ({"content-type": "application/json", "origin": "https://evil.example"}, b"{}", 403),
        ({"content-type": "application/json", "origin": "null"}, b"{}", 403),
        ({"content-type": "application/json", "origin": "http://localhost:8600"}, b"{}", 202),
        ({}, b"", 202),
    ],
)
async def test_what_is_not_right_is_refused_with_a_problem(
    make_app: Make, browse: Browse, headers: dict[str, str], body: bytes, status: int
) -> None:
    async with browse(make_app(max_body=1024)) as client:
        answer = await client.post("/webhooks/orders", content=body, headers=headers)
    assert answer.status_code == status
    if status != 202:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["status"] == status


async def test_a_body_without_an_announced_length_is_counted(make_app: Make, browse: Browse) -> None:
    taken = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal taken
        while True:
            taken += 1
            yield b"x" * 1000

    async with browse(make_app(max_body=10_000)) as client:
        answer = await client.post("/webhooks/orders", content=endless())
    assert answer.status_code == 413
    assert taken < 15


@pytest.mark.parametrize("name", ["nobody", "", "orders/", "Orders", "../orders", "%6frders/x"])
async def test_an_unknown_name_is_404(client: httpx.AsyncClient, name: str) -> None:
    assert (await client.post(f"/webhooks/{name}", json={})).status_code == 404


async def test_other_methods_are_405(client: httpx.AsyncClient) -> None:
    answer = await client.get("/webhooks/orders")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


async def test_before_any_code_is_loaded_it_says_try_again(make_app: Make, browse: Browse) -> None:
    async with browse(make_app(project=Project())) as client:
        answer = await client.post("/webhooks/orders", json={})
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0


async def test_a_name_is_unknown_only_when_every_location_is_loaded(make_app: Make, browse: Browse) -> None:
    async with browse(make_app(locations=["shop", "broken"])) as client:
        assert (await client.post("/webhooks/other", json={})).status_code == 503
        assert (await client.post("/webhooks/orders", json={})).status_code == 202
    async with browse(make_app(locations=["shop"])) as client:
        assert (await client.post("/webhooks/other", json={})).status_code == 404


@pytest.mark.parametrize("error", [JournalUnavailable("disk full"), JournalBusy("queue full")])
async def test_what_cannot_be_stored_is_503(make_app: Make, browse: Browse, error: Exception) -> None:
    async with browse(make_app(journal=Refusing(error))) as client:
        answer = await client.post("/webhooks/orders", json={})
    assert answer.status_code == 503
    assert "retry-after" in answer.headers
    assert str(error) not in answer.text


async def test_while_draining_it_is_503(make_app: Make, browse: Browse, journal: StoredJournal) -> None:
    app = make_app()
    app.drain()
    async with browse(app) as client:
        assert (await client.post("/webhooks/orders", json={})).status_code == 503
    assert journal.head == 0


async def test_endpoints_follow_the_code(
    client: httpx.AsyncClient, project: Project, shop: Callable[..., Snapshot]
) -> None:
    params = {"endpoint": "returns", "insecure": True}
    declare(project, SourceSpec(kind="webhook", name="webhook:returns", params=params), shop=shop)
    assert (await client.post("/webhooks/returns", json={})).status_code == 202
    assert (await client.post("/webhooks/orders", json={})).status_code == 404


@pytest.mark.parametrize(
    ("params", "reason"),
    [
        ({"secrets": [{"env": "MISSING"}], "scheme": "bearer"}, "MISSING is not set"),
        ({"secrets": [{"env": "ORDERS_SECRET"}], "scheme": "pigeon"}, "no signature scheme 'pigeon'"),
        ({"secrets": [{"env": "ORDERS_SECRET"}], "scheme": "standard"}, "is base64"),
        ({"secrets": []}, "no secret is declared"),
    ],
)
async def test_an_endpoint_that_cannot_verify_says_try_again_and_the_log_says_why(
    make_app: Make,
    browse: Browse,
    project: Project,
    shop: Callable[..., Snapshot],
    monkeypatch: pytest.MonkeyPatch,
    params: dict[str, Any],
    reason: str,
) -> None:
    monkeypatch.setenv("ORDERS_SECRET", "not base64!")
    declare(
        project, SourceSpec(kind="webhook", name="webhook:orders", params={"endpoint": "orders", **params}), shop=shop
    )
    with capture_logs() as lines:
        app = make_app()
    assert [(line["log_level"], line["source"]) for line in lines] == [("error", "webhook:orders")]
    assert reason in lines[0]["reason"]
    async with browse(app) as client:
        answer = await client.post("/webhooks/orders", json={}, headers={"authorization": "Bearer not base64!"})
    assert answer.status_code == 503
    assert reason not in answer.text


async def test_a_secret_may_stand_in_a_file(
    make_app: Make,
    browse: Browse,
    project: Project,
    shop: Callable[..., Snapshot],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    (tmp_path / "secret").write_text("s3cret\n")
    monkeypatch.setenv("ORDERS_SECRET_FILE", str(tmp_path / "secret"))
    params = {"endpoint": "orders", "scheme": "bearer", "secrets": [{"env": "ORDERS_SECRET"}]}
    declare(project, SourceSpec(kind="webhook", name="webhook:orders", params=params), shop=shop)
    async with browse(make_app()) as client:
        answer = await client.post("/webhooks/orders", json={}, headers={"authorization": "Bearer s3cret"})
    assert answer.status_code == 202


async def test_many_senders_at_once_lose_nothing(client: httpx.AsyncClient, journal: StoredJournal) -> None:
    ids: list[int] = []

    async def send(number: int) -> None:
        ids.append((await client.post("/webhooks/orders", json=number)).json()["event_id"])

    async with anyio.create_task_group() as tasks:
        for number in range(50):
            tasks.start_soon(send, number)
    assert len(set(ids)) == 50
    assert sorted(event.data for event in await accepted(journal)) == list(range(50))
