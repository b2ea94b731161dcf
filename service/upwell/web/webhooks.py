"""Webhook ingress: `POST /webhooks/{name}`, answered once the event is on disk.

A plain ASGI application without any middleware before it, since this is the path that has to be fast. In order:
size, signature over the raw bytes, rate, then parsing; nothing is written for a delivery that is not proved.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import structlog
from pydantic_core import to_json
from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from upwell.definitions.graph import AssetGraph
from upwell.definitions.reactions import SourceSpec
from upwell.errors import JournalUnavailable
from upwell.events import Json, WebhookAccepted
from upwell.journal.journal import Receipt
from upwell.web.auth import is_foreign
from upwell.web.endpoints import Batch, Endpoint, EndpointDefaults, Greeting, make_endpoint
from upwell.web.handshakes import permission
from upwell.web.metrics import WebhookCounts
from upwell.web.parts import WebParts
from upwell.web.problems import ProblemResponse
from upwell.web.proxies import TrustedProxies
from upwell.web.rejections import Rejected, too_large, try_again
from upwell.web.waiting import Outcomes, SenderGone, preferred_wait

PREFIX = "/webhooks/"

RawHeaders = Sequence[tuple[bytes, bytes]]

log = structlog.get_logger(__name__)


class Disconnected(Exception):
    """The sender went away before its delivery was complete."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What a sender gets for a delivery that is taken; `outcome` is for our count of them."""

    status: int
    body: bytes
    outcome: str
    headers: RawHeaders = ()


class WebhookIngress:
    """The ASGI application below /webhooks/, with a table of endpoints that follows the graph."""

    def __init__(self, parts: WebParts, counts: WebhookCounts, environ: Mapping[str, str] = os.environ) -> None:
        self._parts = parts
        self._counts = counts
        self._environ = environ
        self._proxies = TrustedProxies(parts.trusted_proxies)
        self._outcomes = Outcomes(parts.journal, parts.clock, parts.draining)
        self._endpoints: dict[str, Endpoint] = {}
        parts.project.watch(self._follow)
        self._follow(parts.project.graph)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        name = scope["path"][len(PREFIX) :]
        try:
            answer = await self._take(name, scope, receive)
        except (Disconnected, SenderGone):
            self._counts.count(self._label(name), "disconnected")
        except Rejected as rejected:
            self._note(name, rejected)
            await ProblemResponse(rejected.status, rejected.detail, headers=rejected.headers)(scope, receive, send)
        else:
            self._counts.count(self._label(name), answer.outcome)
            await _send(answer, send)

    async def run(self) -> None:
        """Find out what becomes of deliveries whose senders wait for it, for ever."""
        await self._outcomes.run()

    async def _take(self, name: str, scope: Scope, receive: Receive) -> Answer:
        endpoint = self._find(name)
        headers = self._proxies.believed(scope, dict(scope["headers"]))
        if scope["method"] != "POST":
            return _permit(endpoint, scope["method"], headers)
        if headers.get(b"content-encoding", b"identity").lower() != b"identity":
            raise Rejected(415, "Compressed bodies are not taken.", headers={"accept-encoding": "identity"})
        if b"origin" in headers and endpoint.insecure and is_foreign(Headers(scope=scope)):
            # Any web page can make a browser post to a service on this machine.
            raise Rejected(403, "An endpoint without a secret takes nothing from pages of another origin.")
        body = await read_body(headers, receive, self._parts.max_body)
        delivery = endpoint.take(headers, body, self._parts.clock)
        if isinstance(delivery, Greeting):
            return Answer(status=200, body=to_json(delivery.answer), outcome="handshake")
        if isinstance(delivery, Batch):
            return _answer_batch(await self._append(*delivery.events) if delivery.events else ())
        (receipt,) = await self._append(delivery)
        if b"prefer" in headers and (wait := preferred_wait(headers[b"prefer"], self._parts.longest_wait)):
            return await self._answer_late(receipt, wait, receive)
        return _answer(receipt)

    async def _append(self, *events: WebhookAccepted) -> tuple[Receipt, ...]:
        try:
            return await self._parts.journal.append(*events)
        except JournalUnavailable as error:
            raise try_again("The event could not be stored; send it again.", reason=str(error)) from error

    async def _answer_late(self, receipt: Receipt, wait: float, receive: Receive) -> Answer:
        """The answer with what became of the event, if that is known in time."""
        awaited = await self._outcomes.of(receipt.id, wait, receive)
        if awaited is None:
            return _answer(receipt)
        applied = ((b"preference-applied", b"wait=%d" % math.ceil(wait)),)
        if not awaited.runs:
            return _answer(receipt, headers=applied)
        body = _receipt(receipt)
        first, *others = awaited.runs
        body["run_id"] = first.run_id
        if not awaited.over:
            return _answer(receipt, body=to_json(body), headers=applied)
        body["status"] = first.status
        if first.reason is not None:
            body["reason"] = first.reason
        if others:
            body["runs"] = [{"run_id": run.run_id, "status": run.status} for run in awaited.runs]
        return _answer(receipt, status=200, body=to_json(body), headers=applied)

    def _find(self, name: str) -> Endpoint:
        parts = self._parts
        if parts.draining.is_set():
            raise try_again("The service is stopping.")
        endpoint = self._endpoints.get(name)
        if endpoint is None:
            loaded = {snapshot.location for snapshot in parts.project.snapshots}
            if not loaded.issuperset(parts.locations) or not loaded:
                raise try_again("The code that may declare this webhook is not loaded.")
            raise Rejected(404, "There is no such webhook.")
        return endpoint

    def _follow(self, graph: AssetGraph) -> None:
        specs = [spec for spec in graph.sources.values() if spec.kind == "webhook"]
        self._endpoints = {name: self._endpoint(name, spec) for spec in specs for name in [_path_of(spec)]}

    def _endpoint(self, name: str, spec: SourceSpec) -> Endpoint:
        defaults = EndpointDefaults(
            rate=self._parts.webhook_rate, max_batch=self._parts.max_batch, behind_proxy=bool(self._proxies)
        )
        try:
            return make_endpoint(spec, self._environ, defaults, self._endpoints.get(name))
        except ValueError as error:
            log.error("webhook.unusable", source=spec.name, reason=str(error))
            return Endpoint(source=spec.name, unusable=str(error))

    def _label(self, name: str) -> str:
        # A stranger may ask for any number of names; only known ones become a time series.
        endpoint = self._endpoints.get(name)
        return endpoint.source if endpoint else "unknown"

    def _note(self, name: str, rejected: Rejected) -> None:
        self._counts.count(self._label(name), str(rejected.status))
        log.warning("webhook.rejected", source=f"webhook:{name[:100]}", reason=rejected.reason, status=rejected.status)


def _path_of(spec: SourceSpec) -> str:
    return spec.name.removeprefix("webhook:")


async def read_body(headers: Mapping[bytes, bytes], receive: Receive, limit: int) -> bytes:
    """The whole body.

    Raises:
        Rejected: it is larger than `limit`; no more than that is ever held.
        Disconnected: the client went away meanwhile.
    """
    announced = headers.get(b"content-length", b"")
    if announced.isdigit() and int(announced[:20]) > limit:
        raise too_large(limit)
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise too_large(limit)
        chunks.append(chunk)
        if not message.get("more_body", False):
            return b"".join(chunks) if len(chunks) > 1 else bytes(chunk)


def _permit(endpoint: Endpoint, method: str, headers: Mapping[bytes, bytes]) -> Answer:
    """Answer a sender of CloudEvents that asks whether it may deliver.

    Nobody signs that question; to be allowed to deliver proves nothing about a delivery.
    """
    origin = headers.get(b"webhook-request-origin")
    if method != "OPTIONS" or not origin:
        raise Rejected(405, "Send deliveries by POST.", headers={"allow": "POST"})
    if endpoint.origins is not None and origin.lower() not in endpoint.origins:
        raise Rejected(403, "This origin may not deliver here.", reason=f"{origin.decode('latin-1')} is not in origins")
    rate = None if endpoint.limit is None else endpoint.limit.rate
    return Answer(status=200, body=b"", outcome="handshake", headers=permission(origin, rate))


def _answer(receipt: Receipt, *, status: int = 202, body: bytes | None = None, headers: RawHeaders = ()) -> Answer:
    """The answer to one delivery; a repeat of it is answered 200."""
    if body is None:
        body = (b'{"event_id":%d,"duplicate":true}' if receipt.duplicate else b'{"event_id":%d}') % receipt.id
    return Answer(
        status=200 if receipt.duplicate else status,
        body=body,
        outcome="duplicate" if receipt.duplicate else "accepted",
        headers=headers,
    )


def _receipt(receipt: Receipt) -> dict[str, Json]:
    return {"event_id": receipt.id, **({"duplicate": True} if receipt.duplicate else {})}


def _answer_batch(receipts: Sequence[Receipt]) -> Answer:
    """The answer to a batch: one entry for each of its events, in their order."""
    entries = [{"event_id": receipt.id, "duplicate": receipt.duplicate} for receipt in receipts]
    repeated = bool(receipts) and all(receipt.duplicate for receipt in receipts)
    return Answer(status=202, body=to_json(entries), outcome="duplicate" if repeated else "accepted")


async def _send(answer: Answer, send: Send) -> None:
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(answer.body)),
        *answer.headers,
    ]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
