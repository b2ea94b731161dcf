"""Senders that sign the raw body and nothing else, by HMAC-SHA256: GitHub, Shopify, dbt Cloud, Fivetran.

They sign no time, so a captured delivery can be sent again; that it is recognised by its id is all the protection
there is against that.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime

from upwell.web.signatures.evidence import Decode, any_equal, decoded, from_base64, from_hex, required
from upwell.web.signatures.scheme import SignatureRejected


class _SignedBody:
    """`header: <prefix><HMAC-SHA256 of the body>`."""

    header: bytes
    prefix = b""
    decode: Decode = staticmethod(from_hex)
    delivery_header: bytes | None = None
    delivery_field: str | None = None

    def __init__(self, secrets: Sequence[str]) -> None:
        self._keys = [secret.encode() for secret in secrets]
        self.proof_headers = (self.header,)

    def verify(self, headers: Mapping[bytes, bytes], body: bytes, now: datetime) -> str | None:
        value = required(headers, self.header)
        if not value.startswith(self.prefix):
            raise SignatureRejected(f"the header {self.header.decode()} does not begin with {self.prefix.decode()}")
        signature = decoded(value[len(self.prefix) :], self.decode, self.header)
        if not any_equal([hmac.digest(key, body, "sha256") for key in self._keys], [signature]):
            raise SignatureRejected(f"the signature in {self.header.decode()} does not match the body")
        return self._delivery_id(headers, body)

    def _delivery_id(self, headers: Mapping[bytes, bytes], body: bytes) -> str | None:
        if self.delivery_header is None:
            return None
        return headers.get(self.delivery_header, b"").decode("latin-1") or None


class GitHub(_SignedBody):
    """`X-Hub-Signature-256: sha256=<hex>`; a redelivery repeats `X-GitHub-Delivery`. The SHA-1 header is ignored."""

    header = b"x-hub-signature-256"
    prefix = b"sha256="
    delivery_header = b"x-github-delivery"


class Shopify(_SignedBody):
    """`X-Shopify-Hmac-SHA256: <base64>`, with the id of the delivery in `X-Shopify-Webhook-Id`."""

    header = b"x-shopify-hmac-sha256"
    decode = staticmethod(from_base64)
    delivery_header = b"x-shopify-webhook-id"


class DbtCloud(_SignedBody):
    """`Authorization: <hex>`, without the name of a scheme before it."""

    header = b"authorization"
    delivery_field = "eventId"


class Fivetran(_SignedBody):
    """`X-Fivetran-Signature-256: <HEX>`.

    Fivetran gives its deliveries no id. Their bodies hold the instant in milliseconds, so two that are equal byte
    for byte are one and its repeat.
    """

    header = b"x-fivetran-signature-256"

    def _delivery_id(self, headers: Mapping[bytes, bytes], body: bytes) -> str | None:
        return hashlib.sha256(body).hexdigest()
