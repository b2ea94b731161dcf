"""What an endpoint's options do, seen by its sender."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from ipaddress import ip_network
from typing import Any

import httpx
import pytest

from upwell.clock import FakeClock
from upwell.definitions.environment import EnvVar
from upwell.definitions.project import Project
from upwell.definitions.reactions import On, Rate, SourceSpec
from upwell.definitions.snapshot import Snapshot
from upwell.events import WebhookAccepted
from upwell.journal.database import StoredJournal
from upwell.web.app import WebApp
from upwell_sensors import webhook

pytestmark = pytest.mark.anyio

Make = Callable[..., WebApp]
Browse = Callable[..., httpx.AsyncClient]
Shop = Callable[..., Snapshot]
Offer = Callable[..., Any]
SECRET = "s3cret"
CLOUD = {"specversion": "1.0", "source": "/shop", "type": "order.placed"}
BATCH = {"content-type": "application/cloudevents-batch+json"}


@pytest.fixture
def offer(
    make_app: Make, browse: Browse, project: Project, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Any]:
    """A client of an application whose endpoint is declared so; further arguments are the application's parts."""
    monkeypatch.setenv("ORDERS_SECRET", SECRET)

    @asynccontextmanager
    async def offer(on: On, **parts: Any) -> AsyncIterator[httpx.AsyncClient]:
        project.replace(shop(on.source))
        async with browse(make_app(**parts)) as client:
            yield client

    return offer


async def accepted(journal: StoredJournal) -> list[WebhookAccepted]:
    records = await journal.queries.events(kinds=[WebhookAccepted.kind], newest_first=False)
    return [record.event for record in records if isinstance(record.event, WebhookAccepted)]


def github(body: bytes) -> dict[str, str]:
    return {"x-hub-signature-256": "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()}


def slack(body: bytes, clock: FakeClock) -> dict[str, str]:
    now = str(int(clock.now().timestamp()))
    signature = hmac.new(SECRET.encode(), f"v0:{now}:".encode() + body, hashlib.sha256).hexdigest()
    return {"x-slack-request-timestamp": now, "x-slack-signature": f"v0={signature}"}


def declared(**options: Any) -> On:
    return webhook("orders", secret=EnvVar("ORDERS_SECRET"), **options)


async def test_slack_gets_its_challenge_back_once_it_is_proved(
    offer: Offer, journal: StoredJournal, clock: FakeClock
) -> None:
    body = b'{"type": "url_verification", "challenge": "3eZbrw1a"}'
    async with offer(declared(scheme="slack")) as client:
        assert (await client.post("/webhooks/orders", content=body)).status_code == 401
        answer = await client.post("/webhooks/orders", content=body, headers=slack(body, clock))
    assert (answer.status_code, answer.json()) == (200, {"challenge": "3eZbrw1a"})
    assert journal.head == 0


async def test_the_handshakes_of_others_are_events_like_any(offer: Offer, journal: StoredJournal) -> None:
    async with offer(webhook("orders", insecure=True)) as client:
        body = {"type": "url_verification", "challenge": "x"}
        assert (await client.post("/webhooks/orders", json=body)).status_code == 202
        assert (await client.post("/webhooks/orders", json={}, headers={"x-github-event": "ping"})).status_code == 202
    assert len(await accepted(journal)) == 2


async def test_event_grid_gets_its_code_back(offer: Offer, journal: StoredJournal) -> None:
    event = {
        "id": "2d1781af",
        "eventType": "Microsoft.EventGrid.SubscriptionValidationEvent",
        "data": {"validationCode": "512d38b6", "validationUrl": "https://grid.example/validate"},
    }
    headers = {"aeg-event-type": "SubscriptionValidation", "authorization": f"Bearer {SECRET}"}
    async with offer(declared(scheme="bearer")) as client:
        answer = await client.post("/webhooks/orders", json=[event], headers=headers)
        assert (await client.post("/webhooks/orders", json=[event], headers={})).status_code == 401
    assert (answer.status_code, answer.json()) == (200, {"validationResponse": "512d38b6"})
    assert journal.head == 0


@pytest.mark.parametrize("body", [{}, [], [{"eventType": "x"}], [{"data": 1}], [1, 2]])
async def test_what_only_calls_itself_a_validation_is_an_event(offer: Offer, body: Any) -> None:
    async with offer(webhook("orders", insecure=True)) as client:
        headers = {"aeg-event-type": "SubscriptionValidation"}
        assert (await client.post("/webhooks/orders", json=body, headers=headers)).status_code == 202


async def test_github_s_ping_and_fivetran_s_test_are_answered_and_are_no_events(
    offer: Offer, journal: StoredJournal
) -> None:
    ping, trial = b'{"zen": "Keep it logically awesome."}', b'{"event": "sync_end", "connector_id": "c"}'
    async with offer(declared(scheme="github")) as client:
        headers = github(ping) | {"x-github-event": "ping"}
        assert (await client.post("/webhooks/orders", content=ping, headers=headers)).status_code == 200
    async with offer(declared(scheme="fivetran")) as client:
        headers = {"x-fivetran-signature-256": hmac.new(SECRET.encode(), trial, hashlib.sha256).hexdigest().upper()}
        assert (await client.post("/webhooks/orders", content=trial, headers=headers)).status_code == 200
    assert journal.head == 0


async def test_stripe_and_dbt_cloud_name_the_delivery_in_the_body(offer: Offer, journal: StoredJournal) -> None:
    body = b'{"eventId": "wev_1", "eventType": "job.run.completed"}'
    headers = {"authorization": hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()}
    async with offer(declared(scheme="dbt_cloud")) as client:
        first = await client.post("/webhooks/orders", content=body, headers=headers)
        again = await client.post("/webhooks/orders", content=body, headers=headers)
    assert (first.status_code, again.status_code) == (202, 200)
    assert again.json() == {"event_id": first.json()["event_id"], "duplicate": True}
    (event,) = await accepted(journal)
    assert event.delivery_id == "wev_1"


async def test_equal_bodies_are_one_delivery_where_the_endpoint_says_so(offer: Offer, journal: StoredJournal) -> None:
    async with offer(webhook("orders", insecure=True, delivery_id="sha256")) as client:
        statuses = [(await client.post("/webhooks/orders", json=number)).status_code for number in (1, 1, 2)]
    assert statuses == [202, 200, 202]


async def test_what_comes_too_fast_is_told_when_to_come_back(
    offer: Offer, journal: StoredJournal, clock: FakeClock
) -> None:
    async with offer(webhook("orders", insecure=True, rate="2/m")) as client:
        answers = [await client.post("/webhooks/orders", json=number) for number in range(3)]
        assert [answer.status_code for answer in answers] == [202, 202, 429]
        assert answers[-1].headers["retry-after"] == "30"
        await clock.advance(30)
        assert (await client.post("/webhooks/orders", json=3)).status_code == 202
    assert [event.data for event in await accepted(journal)] == [0, 1, 3]


async def test_a_stranger_uses_up_nothing_of_the_rate(offer: Offer) -> None:
    async with offer(declared(scheme="bearer", rate="1/m")) as client:
        forged = [await client.post("/webhooks/orders", json=1) for _ in range(3)]
        assert {answer.status_code for answer in forged} == {401}
        headers = {"authorization": f"Bearer {SECRET}"}
        assert (await client.post("/webhooks/orders", json=1, headers=headers)).status_code == 202


async def test_new_code_does_not_refill_the_bucket(
    offer: Offer, project: Project, shop: Shop, clock: FakeClock
) -> None:
    on = webhook("orders", insecure=True, rate="1/m")
    async with offer(on) as client:
        assert (await client.post("/webhooks/orders", json=1)).status_code == 202
        project.replace(shop(on.source))
        assert (await client.post("/webhooks/orders", json=1)).status_code == 429
        project.replace(shop(webhook("orders", insecure=True, rate="2/m").source))
        assert (await client.post("/webhooks/orders", json=1)).status_code == 202


async def test_the_service_s_rate_holds_where_the_endpoint_sets_none(offer: Offer) -> None:
    async with offer(webhook("orders", insecure=True), webhook_rate=Rate(count=1, seconds=60)) as client:
        statuses = [(await client.post("/webhooks/orders", json=1)).status_code for _ in range(2)]
    assert statuses == [202, 429]


async def test_a_batch_is_answered_event_by_event(offer: Offer, journal: StoredJournal) -> None:
    events = [CLOUD | {"id": name, "data": {"order": name}} for name in ("a", "b", "a")]
    async with offer(webhook("orders", insecure=True)) as client:
        answer = await client.post("/webhooks/orders", content=json.dumps(events), headers=BATCH)
        again = await client.post("/webhooks/orders", content=json.dumps(events[:1]), headers=BATCH)
    first, second, third = answer.json()
    assert answer.status_code == 202
    assert [first["duplicate"], second["duplicate"], third["duplicate"]] == [False, False, True]
    assert first["event_id"] == third["event_id"] == again.json()[0]["event_id"]
    stored = await accepted(journal)
    assert [event.data for event in stored] == [{"order": "a"}, {"order": "b"}]
    assert stored[0].headers["ce-id"] == "a"


async def test_a_batch_is_taken_as_a_whole_or_not_at_all(offer: Offer, journal: StoredJournal) -> None:
    good = CLOUD | {"id": "a"}
    async with offer(webhook("orders", insecure=True), max_batch=2) as client:
        bodies: list[Any] = [[good, CLOUD], [good, CLOUD | {"id": "b"}, CLOUD | {"id": "c"}], good]
        sent = [await client.post("/webhooks/orders", content=json.dumps(body), headers=BATCH) for body in bodies]
        empty = await client.post("/webhooks/orders", content="[]", headers=BATCH)
    assert [answer.status_code for answer in sent] == [400, 413, 400]
    assert (empty.status_code, empty.json()) == (202, [])
    assert journal.head == 0


async def test_a_sender_of_cloud_events_may_ask_for_permission(offer: Offer) -> None:
    headers = {"webhook-request-origin": "eventemitter.example.com", "webhook-request-rate": "120"}
    async with offer(declared(rate="10/s")) as client:
        answer = await client.options("/webhooks/orders", headers=headers)
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["webhook-allowed-origin"] == "eventemitter.example.com"
    assert answer.headers["webhook-allowed-rate"] == "600"
    assert answer.headers["allow"] == "POST"


async def test_permission_is_for_the_origins_that_are_named(offer: Offer) -> None:
    async with offer(declared(origins=["EventGrid.azure.net"])) as client:
        asked = [{"webhook-request-origin": name} for name in ("eventgrid.azure.net", "evil.example")]
        answers = [await client.options("/webhooks/orders", headers=headers) for headers in asked]
        nobody = await client.options("/webhooks/other", headers=asked[0])
        preflight = await client.options("/webhooks/orders", headers={"access-control-request-method": "POST"})
    assert [answer.status_code for answer in (*answers, nobody, preflight)] == [200, 403, 404, 405]
    assert answers[0].headers["webhook-allowed-rate"] == "*"
    assert "webhook-allowed-origin" not in answers[1].headers


MTLS = webhook("orders", scheme="mtls", clients=["uri:spiffe://shop"])
SHOP = {"x-forwarded-client-cert": "URI=spiffe://shop"}


@pytest.mark.parametrize(
    ("proxy", "headers", "status"),
    [
        ("127.0.0.0/8", SHOP, 202),
        ("127.0.0.0/8", {"x-forwarded-client-cert": "URI=spiffe://other"}, 403),
        ("127.0.0.0/8", {}, 401),
        ("10.0.0.0/8", SHOP, 401),
    ],
)
async def test_a_certificate_counts_when_a_trusted_proxy_tells_of_it(
    offer: Offer, proxy: str, headers: dict[str, str], status: int
) -> None:
    async with offer(MTLS, trusted_proxies=[ip_network(proxy)]) as client:
        assert (await client.post("/webhooks/orders", json=1, headers=headers)).status_code == status


async def test_without_a_trusted_proxy_certificates_cannot_be_verified(offer: Offer) -> None:
    async with offer(MTLS) as client:
        assert (await client.post("/webhooks/orders", json=1, headers=SHOP)).status_code == 503


async def test_further_headers_are_kept_and_proofs_never(offer: Offer, journal: StoredJournal) -> None:
    keep = ["X-Tenant", "X-Api-Key", "X-Forwarded-Client-Cert"]
    on = declared(scheme="bearer", header="X-Api-Key", keep_headers=keep)
    async with offer(on) as client:
        headers = {"x-api-key": SECRET, "x-tenant": "acme", "cookie": "canary", "x-other": "canary"} | SHOP
        assert (await client.post("/webhooks/orders", json=1, headers=headers)).status_code == 202
    (event,) = await accepted(journal)
    assert event.headers["x-tenant"] == "acme"
    assert not {"x-api-key", "cookie", "x-other", "x-forwarded-client-cert"} & event.headers.keys()


async def test_a_scheme_with_an_option_it_does_not_know_is_named(
    make_app: Make, browse: Browse, project: Project, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORDERS_SECRET", SECRET)
    params = {"scheme": "github", "secrets": [{"env": "ORDERS_SECRET"}], "options": {"tolerance": 1}}
    project.replace(shop(SourceSpec(kind="webhook", name="webhook:orders", params=params)))
    async with browse(make_app()) as client:
        assert (await client.post("/webhooks/orders", json=1)).status_code == 503
