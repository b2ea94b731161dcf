"""A declared webhook, ready to take deliveries: who may send, how often, and what of a delivery becomes the event."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from upwell.clock import Clock
from upwell.definitions.reactions import Rate, SourceSpec
from upwell.events import Json, WebhookAccepted
from upwell.sources.secrets import secret
from upwell.web import cloudevents, payloads
from upwell.web.delivery_ids import DeliveryIds, bounded
from upwell.web.handshakes import HANDSHAKES, Handshake, event_grid
from upwell.web.rate_limit import RateLimit
from upwell.web.rejections import forbidden, too_fast, try_again, unproved
from upwell.web.signatures.registry import scheme_factory
from upwell.web.signatures.scheme import IdentityForbidden, SignatureRejected, SignatureScheme
from upwell.web.signatures.tokens import Insecure

KEPT_HEADERS = frozenset(
    b"content-type user-agent idempotency-key traceparent tracestate x-request-id "
    b"webhook-id webhook-timestamp svix-id svix-timestamp "
    b"x-github-event x-github-delivery x-github-hook-id "
    b"x-gitlab-event x-gitlab-event-uuid x-gitlab-instance x-gitlab-webhook-uuid "
    b"x-shopify-topic x-shopify-webhook-id x-shopify-event-id x-shopify-shop-domain "
    b"x-shopify-api-version x-shopify-triggered-at "
    b"x-slack-request-timestamp x-slack-retry-num x-slack-retry-reason "
    b"aeg-event-type aeg-subscription-name aeg-delivery-count".split()
)
"""What user code sees of the headers, besides a CloudEvent's own. Never a signature, never Authorization."""

NEVER_KEPT = frozenset(b"authorization proxy-authorization cookie set-cookie".split())


@dataclass(frozen=True, kw_only=True, slots=True)
class Greeting:
    """A handshake, and what it is answered."""

    answer: Json


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """Several events in one delivery, written together or not at all."""

    events: tuple[WebhookAccepted, ...]


Delivery: TypeAlias = WebhookAccepted | Batch | Greeting


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """Where deliveries of one webhook are taken. Without a scheme it cannot verify any: `unusable` says why.

    `origins` may ask for permission to deliver CloudEvents; none means everybody.
    """

    source: str
    scheme: SignatureScheme | None = None
    limit: RateLimit | None = None
    handshake: Handshake | None = None
    ids: DeliveryIds = field(default_factory=DeliveryIds)
    kept: frozenset[bytes] = KEPT_HEADERS
    origins: frozenset[bytes] | None = None
    max_batch: int = 1000
    unusable: str = ""

    @property
    def insecure(self) -> bool:
        """Whether anybody may send."""
        return isinstance(self.scheme, Insecure)

    def take(self, headers: Mapping[bytes, bytes], body: bytes, clock: Clock) -> Delivery:
        """What a delivery says.

        Raises:
            Rejected: it is not proved, comes too soon after others, or cannot be read.
        """
        proved_id = self._prove(headers, body, clock)
        if self.limit is not None and (wait := self.limit.take(clock.monotonic())) > 0:
            raise too_fast(wait)
        media = payloads.media_type(headers)
        kept = {name.decode("latin-1"): value.decode("latin-1") for name, value in headers.items() if name in self.kept}
        cloud_event = None
        if cloudevents.is_one(media, headers):
            if cloudevents.is_batch(media):
                events = cloudevents.read_batch(media, body, self.max_batch)
                return Batch(events=tuple([self._of_cloud_event(each, kept, each.delivery_id) for each in events]))
            cloud_event = cloudevents.read(headers, body)
        data = payloads.parse(media, body) if cloud_event is None else cloud_event.data
        if (answer := self._greeting(headers, data)) is not None:
            return Greeting(answer=answer)
        cloud_id = None if cloud_event is None else cloud_event.delivery_id
        delivery_id = bounded(proved_id) or self.ids.find(cloud_id, headers, data, body)
        if cloud_event is not None:
            return self._of_cloud_event(cloud_event, kept, delivery_id)
        return WebhookAccepted(source=self.source, data=data, headers=kept, delivery_id=delivery_id)

    def _prove(self, headers: Mapping[bytes, bytes], body: bytes, clock: Clock) -> str | None:
        if self.scheme is None:
            raise try_again("The endpoint is not ready.", reason=self.unusable)
        try:
            return self.scheme.verify(headers, body, clock.now())
        except IdentityForbidden as rejection:
            raise forbidden(str(rejection)) from None
        except SignatureRejected as rejection:
            raise unproved(str(rejection)) from None

    def _greeting(self, headers: Mapping[bytes, bytes], data: Json) -> Json | None:
        if headers.get(b"aeg-event-type") == b"SubscriptionValidation":
            return event_grid(data)
        return None if self.handshake is None else self.handshake(headers, data)

    def _of_cloud_event(
        self, event: cloudevents.CloudEvent, kept: Mapping[str, str], delivery_id: str | None
    ) -> WebhookAccepted:
        return WebhookAccepted(
            source=self.source,
            data=event.data,
            headers={**kept, **{f"ce-{name}": value for name, value in event.attributes.items()}},
            delivery_id=bounded(delivery_id),
            occurred_at=event.occurred_at,
        )


@dataclass(frozen=True, kw_only=True)
class EndpointDefaults:
    """What holds for endpoints whose declaration says nothing else, and for all of them."""

    rate: Rate | None = None
    max_batch: int = 1000
    behind_proxy: bool = False


def make_endpoint(
    spec: SourceSpec, environ: Mapping[str, str], defaults: EndpointDefaults, before: Endpoint | None
) -> Endpoint:
    """The endpoint that `spec` declares, with the count of the one that it replaces, if their rates are the same.

    Raises:
        ValueError: it cannot verify a delivery; a secret is missing, for example.
    """
    params = spec.params
    name, options = _scheme_name(params), params.get("options") or {}
    if name == "mtls" and not defaults.behind_proxy:
        raise ValueError(
            "scheme 'mtls' believes the proxies in UPWELL_WEBHOOK__TRUSTED_PROXIES, of which there is none; "
            "set it to the addresses of the proxy that asks for the certificates"
        )
    scheme = _scheme(name, params, options, environ)
    kept = KEPT_HEADERS | {header.lower().encode() for header in params.get("keep_headers") or ()}
    origins = params.get("origins")
    return Endpoint(
        source=spec.name,
        scheme=scheme,
        limit=_limit(params.get("rate"), defaults.rate, before),
        handshake=HANDSHAKES.get(name or ""),
        ids=DeliveryIds.of(params.get("delivery_id"), scheme.delivery_field),
        kept=frozenset(kept - NEVER_KEPT - set(scheme.proof_headers)),
        origins=None if origins is None else frozenset(origin.lower().encode() for origin in origins),
        max_batch=defaults.max_batch,
    )


def _scheme_name(params: Mapping[str, Json]) -> str | None:
    """The name of the scheme; none for an endpoint that takes deliveries from anybody."""
    return None if params.get("insecure") else str(params.get("scheme") or "standard")


def _scheme(
    name: str | None, params: Mapping[str, Json], options: Mapping[str, Json], environ: Mapping[str, str]
) -> SignatureScheme:
    if name is None:
        return Insecure()
    secrets: Collection[str] = [secret(each["env"], environ) for each in params.get("secrets") or ()]
    if not secrets and name != "mtls":
        raise ValueError("no secret is declared; give webhook() a secret=EnvVar(…), or say insecure=True")
    try:
        return scheme_factory(name)(secrets, **options)
    except TypeError as error:
        raise ValueError(f"scheme {name!r} cannot be made with {', '.join(options) or 'no options'}: {error}") from None


def _limit(declared: Json, default: Rate | None, before: Endpoint | None) -> RateLimit | None:
    rate = default if declared is None else Rate(count=declared["count"], seconds=declared["seconds"])
    if rate is None:
        return None
    if before is not None and before.limit is not None and before.limit.rate == rate:
        return before.limit
    return RateLimit(rate)
