"""Standard Webhooks (standardwebhooks.com), and Svix under its own names of the headers.

The reference library reads the machine's clock, decodes the body as text and fails with an index error on a malformed
list of signatures; the rules are the same here, the tests sign with that library.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from upwell.web.signatures.evidence import TOLERANCE, any_equal, check_time, from_base64, required
from upwell.web.signatures.scheme import SignatureRejected


class StandardWebhooks:
    """`webhook-signature: v1,<base64> v1a,<base64> …` over `{id}.{timestamp}.{body}`.

    A secret that begins with `whpk_` is the sender's public key, for v1a (ed25519); any other is shared with it, for
    v1 (HMAC-SHA256).
    """

    proof_headers = (b"webhook-signature", b"svix-signature")
    delivery_field = None

    def __init__(self, secrets: Sequence[str], *, tolerance: float = TOLERANCE) -> None:
        self._keys = [_shared_key(secret) for secret in secrets if not secret.startswith("whpk_")]
        self._verifiers = [_public_key(secret) for secret in secrets if secret.startswith("whpk_")]
        self._tolerance = tolerance

    def verify(self, headers: Mapping[bytes, bytes], body: bytes, now: datetime) -> str | None:
        prefix = b"webhook-" if b"webhook-id" in headers else b"svix-"
        delivery = required(headers, prefix + b"id")
        timestamp = required(headers, prefix + b"timestamp")
        signatures = required(headers, prefix + b"signature").split(b" ")
        check_time(timestamp, now, self._tolerance)
        content = b"%b.%b.%b" % (delivery, timestamp, body)
        expected = [b"v1," + base64.b64encode(hmac.digest(key, content, "sha256")) for key in self._keys]
        if not any_equal(expected, signatures) and not self._is_signed(signatures, content):
            raise SignatureRejected("no signature of the list matches id, timestamp and body")
        return delivery.decode("latin-1")

    def _is_signed(self, signatures: Sequence[bytes], content: bytes) -> bool:
        if not self._verifiers:
            return False
        written = [signature[4:] for signature in signatures if signature.startswith(b"v1a,")]
        return any(verifies(signature, content) for verifies in self._verifiers for signature in written)


def _shared_key(secret: str) -> bytes:
    if secret.startswith("whsk_"):
        raise ValueError("a secret that begins with whsk_ is the sender's own; what verifies it begins with whpk_")
    try:
        key = from_base64(secret.removeprefix("whsec_").rstrip("=").encode())
    except ValueError:
        key = b""
    if not key:
        raise ValueError("a Standard Webhooks secret is base64, usually after whsec_")
    return key


def _public_key(secret: str) -> Callable[[bytes, bytes], bool]:
    # Few need it, and everybody would pay for loading it.
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        key = Ed25519PublicKey.from_public_bytes(from_base64(secret.removeprefix("whpk_").rstrip("=").encode()))
    except ValueError:
        raise ValueError("a public key of Standard Webhooks is whpk_ and 32 bytes as base64") from None

    def verifies(signature: bytes, content: bytes) -> bool:
        try:
            key.verify(from_base64(signature), content)
        except (InvalidSignature, ValueError):
            return False
        return True

    return verifies
