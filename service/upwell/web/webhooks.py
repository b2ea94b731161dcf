"""Webhook ingress: `POST /webhooks/{name}`, answered once the event is on disk.

A plain ASGI application without any middleware before it, since this is the path that has to be fast. In order:
size, signature over the raw bytes, then parsing; nothing is written for a delivery that is not proved.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

import structlog
from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from upwell.clock import Clock
from upwell.definitions.graph import AssetGraph
from upwell.definitions.reactions import SourceSpec
from upwell.errors import JournalUnavailable
from upwell.events import Json, WebhookAccepted
from upwell.journal.journal import Receipt
from upwell.sources.secrets import secret
from upwell.web import cloudevents, payloads
from upwell.web.auth import is_foreign
from upwell.web.metrics import WebhookCounts
from upwell.web.parts import WebParts
from upwell.web.problems import ProblemResponse
from upwell.web.rejections import Rejected, too_large, try_again, unproved
from upwell.web.signatures import Insecure, SignatureRejected, SignatureScheme, scheme_factory

PREFIX = "/webhooks/"

KEPT_HEADERS = frozenset(
    b"content-type user-agent idempotency-key traceparent tracestate x-request-id "
    b"webhook-id webhook-timestamp svix-id svix-timestamp "
    b"x-github-event x-github-delivery x-github-hook-id".split()
)
"""What user code sees of the headers, besides a CloudEvent's own. Never a signature, never Authorization."""

_MAX_ID = 512

log = structlog.get_logger(__name__)


class Disconnected(Exception):
    """The sender went away before its delivery was complete."""


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """A declared webhook. Without a scheme it cannot be verified at present: `unusable` says why."""

    source: str
    scheme: SignatureScheme | None = None
    unusable: str = ""

    def read(self, headers: Mapping[bytes, bytes], body: bytes, clock: Clock) -> WebhookAccepted:
        """The event in a delivery.

        Raises:
            Rejected: it is not proved, or cannot be read.
        """
        if self.scheme is None:
            raise try_again("The endpoint is not ready.", reason=self.unusable)
        try:
            delivery_id = self.scheme.verify(headers, body, clock.now())
        except SignatureRejected as rejection:
            raise unproved(str(rejection)) from None
        event = cloudevents.read(headers, body)
        kept = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in headers.items() if name in KEPT_HEADERS
        }
        if event is None:
            return WebhookAccepted(
                source=self.source,
                data=payloads.parse(payloads.media_type(headers), body),
                headers=kept,
                delivery_id=_bounded(delivery_id or _idempotency_key(headers)),
            )
        return WebhookAccepted(
            source=self.source,
            data=event.data,
            headers=kept | {f"ce-{name}": value for name, value in event.attributes.items()},
            delivery_id=_bounded(delivery_id or event.delivery_id),
            occurred_at=event.occurred_at,
        )


class WebhookIngress:
    """The ASGI application below /webhooks/, with a table of endpoints that follows the graph."""

    def __init__(self, parts: WebParts, counts: WebhookCounts, environ: Mapping[str, str] = os.environ) -> None:
        self._parts = parts
        self._counts = counts
        self._environ = environ
        self._endpoints: dict[str, Endpoint] = {}
        parts.project.watch(self._follow)
        self._follow(parts.project.graph)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        name = scope["path"][len(PREFIX) :]
        try:
            receipt = await self._take(name, scope, receive)
        except Disconnected:
            self._counts.count(self._label(name), "disconnected")
        except Rejected as rejected:
            self._note(name, rejected)
            await ProblemResponse(rejected.status, rejected.detail, headers=rejected.headers)(scope, receive, send)
        else:
            self._counts.count(self._label(name), "duplicate" if receipt.duplicate else "accepted")
            await _answer(receipt, send)

    async def _take(self, name: str, scope: Scope, receive: Receive) -> Receipt:
        endpoint = self._find(name, scope["method"])
        headers = dict(scope["headers"])
        if headers.get(b"content-encoding", b"identity").lower() != b"identity":
            raise Rejected(415, "Compressed bodies are not taken.", headers={"accept-encoding": "identity"})
        if b"origin" in headers and isinstance(endpoint.scheme, Insecure) and is_foreign(Headers(scope=scope)):
            # Any web page can make a browser post to a service on this machine.
            raise Rejected(403, "An endpoint without a secret takes nothing from pages of another origin.")
        body = await read_body(headers, receive, self._parts.max_body)
        event = endpoint.read(headers, body, self._parts.clock)
        try:
            (receipt,) = await self._parts.journal.append(event)
        except JournalUnavailable as error:
            raise try_again("The event could not be stored; send it again.", reason=str(error)) from error
        return receipt

    def _find(self, name: str, method: str) -> Endpoint:
        parts = self._parts
        if parts.draining.is_set():
            raise try_again("The service is stopping.")
        endpoint = self._endpoints.get(name)
        if endpoint is None:
            loaded = {snapshot.location for snapshot in parts.project.snapshots}
            if not loaded.issuperset(parts.locations) or not loaded:
                raise try_again("The code that may declare this webhook is not loaded.")
            raise Rejected(404, "There is no such webhook.")
        if method != "POST":
            raise Rejected(405, "Send deliveries by POST.", headers={"allow": "POST"})
        return endpoint

    def _follow(self, graph: AssetGraph) -> None:
        specs = [spec for spec in graph.sources.values() if spec.kind == "webhook"]
        self._endpoints = {spec.name.removeprefix("webhook:"): self._endpoint(spec) for spec in specs}

    def _endpoint(self, spec: SourceSpec) -> Endpoint:
        try:
            return Endpoint(source=spec.name, scheme=_scheme(spec.params, self._environ))
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


def _scheme(params: Mapping[str, Json], environ: Mapping[str, str]) -> SignatureScheme:
    if params.get("insecure"):
        return Insecure()
    secrets = [secret(each["env"], environ) for each in params.get("secrets") or ()]
    if not secrets:
        raise ValueError("no secret is declared; give webhook() a secret=EnvVar(…), or say insecure=True")
    return scheme_factory(params.get("scheme") or "standard")(secrets)


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


async def _answer(receipt: Receipt, send: Send) -> None:
    body = b'{"event_id":%d,"duplicate":true}' if receipt.duplicate else b'{"event_id":%d}'
    body %= receipt.id
    length = b"%d" % len(body)
    headers = [(b"content-type", b"application/json"), (b"content-length", length)]
    await send({"type": "http.response.start", "status": 200 if receipt.duplicate else 202, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _idempotency_key(headers: Mapping[bytes, bytes]) -> str | None:
    """The key, which the draft standard puts in quotes and most clients do not."""
    return headers.get(b"idempotency-key", b"").strip().strip(b'"').decode("latin-1") or None


def _bounded(delivery_id: str | None) -> str | None:
    if delivery_id is not None and len(delivery_id) > _MAX_ID:
        raise Rejected(400, f"The id of the delivery is longer than {_MAX_ID} characters.")
    return delivery_id
