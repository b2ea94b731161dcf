"""Webhooks of the whole service, as their senders meet it."""

from __future__ import annotations

import hashlib
import hmac
import json
import socket
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

pytestmark = pytest.mark.service

Serve = Callable[..., Any]

SHOP = """
    import time
    from upwell import EnvVar, asset
    from upwell_sensors import webhook

    @asset(on=[webhook("orders", insecure=True, filter="$.total > 0")])
    def orders(context):
        [event] = context.events
        if event.data["total"] > 100:
            raise ValueError("too much")
        time.sleep(event.data.get("seconds", 0))

    @asset(on=[webhook("hook", secret=[EnvVar("HOOK_NEW"), EnvVar("HOOK_OLD")], scheme="hmac", header="X-Sig",
                       template="{header:X-Topic}.{raw}", delivery_id="$.id", rate="3/h")])
    def hooked(context): ...

    @asset(on=[webhook("partners", scheme="mtls", clients=["uri:spiffe://shop"])])
    def partners(context): ...
"""


def signed(body: bytes, key: str) -> dict[str, str]:
    signature = hmac.new(key.encode(), b"orders." + body, hashlib.sha256).hexdigest()
    return {"x-topic": "orders", "x-sig": signature, "content-type": "application/json"}


def start(serve: Serve) -> Any:
    settings = {"UPWELL_WEBHOOK__TRUSTED_PROXIES": "127.0.0.1", "HOOK_NEW": "new", "HOOK_OLD": "old"}
    return serve(SHOP, **settings)


def test_a_sender_who_waits_gets_the_result_of_the_run(serve: Serve) -> None:
    service = start(serve)
    answer = service.post("orders", {"total": 1}, prefer="wait=10")
    assert answer.status_code == 200
    assert answer.json()["status"] == "SUCCESS"
    run = service.get(f"/api/v1/runs/{answer.json()['run_id']}")
    assert run["status"] == "SUCCESS"
    failed = service.post("orders", {"total": 101}, prefer="wait=10").json()
    assert failed["status"] == "FAILURE"
    assert "orders" in failed["reason"]
    ignored = service.post("orders", {"total": 0}, prefer="wait=10")
    assert (ignored.status_code, ignored.headers["preference-applied"]) == (202, "wait=10")


def test_a_wait_that_is_too_short_holds_up_nobody(serve: Serve) -> None:
    service = start(serve)
    begun = time.monotonic()
    answer = service.post("orders", {"total": 1, "seconds": 8}, prefer="wait=1")
    assert answer.status_code == 202
    assert "run_id" in answer.json()
    assert 0.9 < time.monotonic() - begun < 5
    assert service.post("hook", 1).status_code == 401


def test_a_sender_who_hangs_up_while_it_waits_disturbs_nothing(serve: Serve) -> None:
    service = start(serve)
    address = urlsplit(service.url)
    body = json.dumps({"total": 1, "seconds": 2}).encode()
    head = (
        f"POST /webhooks/orders HTTP/1.1\r\nhost: x\r\nprefer: wait=20\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection((address.hostname, address.port)) as connection:
        connection.sendall(head.encode() + body)
        service.wait_for("webhook.accepted")
    service.wait_for("run.succeeded")
    assert service.post("orders", {"total": 2}, prefer="wait=10").json()["status"] == "SUCCESS"
    assert service.terminate() == 0
    assert not [line for line in service.drain_lines() if line.get("level") == "error"]


def test_a_described_signature_is_verified_with_either_secret_and_its_rate_holds(serve: Serve) -> None:
    service = start(serve)

    def send(body: bytes, key: str) -> httpx.Response:
        return httpx.post(f"{service.url}/webhooks/hook", content=body, headers=signed(body, key))

    first, second = b'{"id": 1}', b'{"id": 2}'
    assert send(first, "other").status_code == 401
    assert [send(first, "new").status_code, send(second, "old").status_code] == [202, 202]
    assert send(first, "old").json()["duplicate"] is True
    late = send(b'{"id": 3}', "new")
    assert late.status_code == 429
    assert 0 < int(late.headers["retry-after"]) <= 1200


def test_a_certificate_is_believed_of_the_proxy_that_the_settings_name(serve: Serve) -> None:
    service = start(serve)
    told = {"x-forwarded-client-cert": "URI=spiffe://shop"}
    assert service.post("partners", 1, **told).status_code == 202
    assert service.post("partners", 1).status_code == 401
    assert service.post("partners", 1, **{"x-forwarded-client-cert": "URI=spiffe://other"}).status_code == 403
