"""Senders that sign a time with the body, in a way of their own: Stripe and Slack."""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime

from upwell.web.signatures.evidence import TOLERANCE, any_equal, check_time, decoded, from_hex, required
from upwell.web.signatures.scheme import SignatureRejected


class Stripe:
    """`Stripe-Signature: t=<unix>,v1=<hex>[,v1=<hex>]` over `{t}.{body}`; the secret is text, its `whsec_` included."""

    proof_headers = (b"stripe-signature",)
    delivery_field = "id"

    def __init__(self, secrets: Sequence[str], *, tolerance: float = TOLERANCE) -> None:
        self._keys = [secret.encode() for secret in secrets]
        self._tolerance = tolerance

    def verify(self, headers: Mapping[bytes, bytes], body: bytes, now: datetime) -> str | None:
        parts = [part.strip().partition(b"=") for part in required(headers, b"stripe-signature").split(b",")]
        times = [value for name, _, value in parts if name == b"t"]
        # While a secret is rotated there are several v1; other versions (v0 of test mode) prove nothing.
        written = [value for name, _, value in parts if name == b"v1"]
        if len(times) != 1 or not written:
            raise SignatureRejected("Stripe-Signature has no t=, or no v1=")
        check_time(times[0], now, self._tolerance)
        expected = [hmac.digest(key, b"%b.%b" % (times[0], body), "sha256").hex().encode() for key in self._keys]
        if not any_equal(expected, [value.lower() for value in written]):
            raise SignatureRejected("no v1 of Stripe-Signature matches the time and the body")
        return None


class Slack:
    """`X-Slack-Signature: v0=<hex>` over `v0:{X-Slack-Request-Timestamp}:{body}`."""

    proof_headers = (b"x-slack-signature",)
    delivery_field = "event_id"

    def __init__(self, secrets: Sequence[str], *, tolerance: float = TOLERANCE) -> None:
        self._keys = [secret.encode() for secret in secrets]
        self._tolerance = tolerance

    def verify(self, headers: Mapping[bytes, bytes], body: bytes, now: datetime) -> str | None:
        timestamp = required(headers, b"x-slack-request-timestamp")
        version, _, written = required(headers, b"x-slack-signature").partition(b"=")
        if version != b"v0":
            raise SignatureRejected("X-Slack-Signature is not of version v0")
        check_time(timestamp, now, self._tolerance)
        signature = decoded(written, from_hex, b"x-slack-signature")
        content = b"v0:%b:%b" % (timestamp, body)
        if not any_equal([hmac.digest(key, content, "sha256") for key in self._keys], [signature]):
            raise SignatureRejected("X-Slack-Signature does not match the time and the body")
        return None
