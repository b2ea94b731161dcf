"""Webhook signatures: who sent this delivery, proved over its raw bytes.

Everything is compared as bytes and in constant time; a header may hold any byte. A scheme takes several secrets,
all of them valid, so that a sender can change to a new one without losing a delivery.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from importlib.metadata import entry_points
from typing import Protocol

TOLERANCE = 300
"""Seconds that a signed timestamp may lie in the past or in the future."""


class SignatureRejected(Exception):
    """The delivery is not proved to come from its sender; the reason is for our log only."""


class SignatureScheme(Protocol):
    """How a sender proves itself; made as `factory(secrets)`, which raises ValueError for an unfit secret."""

    def verify(self, headers: Mapping[bytes, bytes], body: bytes, now: datetime) -> str | None:
        """Return the sender's id of the delivery (the same on a repeat), if the scheme has one.

        Header names are lower case.

        Raises:
            SignatureRejected: the proof is missing or wrong, or too old or too new for `now`.
        """


class Insecure:
    """No proof asked for; the user said `insecure=True`."""

    def verify(self, headers: Mapping[bytes, bytes], body: bytes, now: datetime) -> str | None:
        return None


class Bearer:
    """`Authorization: Bearer <secret>`."""

    def __init__(self, secrets: Sequence[str]) -> None:
        self._digests = [hashlib.sha256(secret.encode()).digest() for secret in secrets]

    def verify(self, headers: Mapping[bytes, bytes], body: bytes, now: datetime) -> str | None:
        scheme, _, token = _required(headers, b"authorization").partition(b" ")
        if scheme.lower() != b"bearer":
            raise SignatureRejected("the Authorization header is not of the Bearer scheme")
        # Hashes, because comparing texts of different lengths tells the length.
        if not _any_equal(self._digests, [hashlib.sha256(token.strip()).digest()]):
            raise SignatureRejected("the bearer token is wrong")
        return None


class GitHub:
    """`X-Hub-Signature-256: sha256=<hex>` over the body; redeliveries repeat `X-GitHub-Delivery`.

    GitHub signs neither a time nor that id, so a captured delivery can be sent again under another id.
    """

    def __init__(self, secrets: Sequence[str]) -> None:
        self._keys = [secret.encode() for secret in secrets]

    def verify(self, headers: Mapping[bytes, bytes], body: bytes, now: datetime) -> str | None:
        signature = _required(headers, b"x-hub-signature-256")
        expected = [b"sha256=" + hmac.digest(key, body, "sha256").hex().encode() for key in self._keys]
        if not _any_equal(expected, [signature]):
            raise SignatureRejected("X-Hub-Signature-256 does not match the body")
        delivery = headers.get(b"x-github-delivery")
        return delivery.decode("latin-1") if delivery else None


class StandardWebhooks:
    """standardwebhooks.com, and Svix under its own header names.

    The reference library reads the machine's clock, decodes the body as text and fails with an index error on
    a malformed list of signatures; the rules are the same here, the tests sign with that library.
    """

    def __init__(self, secrets: Sequence[str]) -> None:
        self._keys = [_standard_key(secret) for secret in secrets]

    def verify(self, headers: Mapping[bytes, bytes], body: bytes, now: datetime) -> str | None:
        prefix = b"webhook-" if b"webhook-id" in headers else b"svix-"
        delivery = _required(headers, prefix + b"id")
        timestamp = _required(headers, prefix + b"timestamp")
        signatures = _required(headers, prefix + b"signature")
        _check_time(timestamp, now)
        content = b"%b.%b.%b" % (delivery, timestamp, body)
        expected = [b"v1," + base64.b64encode(hmac.digest(key, content, "sha256")) for key in self._keys]
        if not _any_equal(expected, signatures.split(b" ")):
            raise SignatureRejected("no signature of the list matches id, timestamp and body")
        return delivery.decode("latin-1")


SchemeFactory = Callable[[Sequence[str]], SignatureScheme]

_SCHEMES: dict[str, SchemeFactory] = {"bearer": Bearer, "github": GitHub, "standard": StandardWebhooks}


def scheme_factory(name: str) -> SchemeFactory:
    """The scheme of that name: one of ours, or of an entry point in the group `upwell.signatures`.

    Raises:
        ValueError: there is none.
    """
    if name in _SCHEMES:
        return _SCHEMES[name]
    found = entry_points(group="upwell.signatures", name=name)
    if not found:
        raise ValueError(f"there is no signature scheme {name!r}. Known are {', '.join(sorted(_SCHEMES))}")
    factory: SchemeFactory = next(iter(found)).load()
    return factory


def _required(headers: Mapping[bytes, bytes], name: bytes) -> bytes:
    if not (value := headers.get(name)):
        raise SignatureRejected(f"the header {name.decode()} is missing")
    return value


def _any_equal(expected: Sequence[bytes], given: Sequence[bytes]) -> bool:
    # No early end: the time taken must not tell which secret is the right one.
    return sum(hmac.compare_digest(one, other) for one in expected for other in given) > 0


def _check_time(timestamp: bytes, now: datetime) -> None:
    if not (timestamp.isdigit() and len(timestamp) <= 12):
        raise SignatureRejected("the timestamp is not a number of seconds")
    age = now.timestamp() - int(timestamp)
    if abs(age) > TOLERANCE:
        raise SignatureRejected(f"the timestamp lies {abs(age):.0f} s in the {'past' if age > 0 else 'future'}")


def _standard_key(secret: str) -> bytes:
    encoded = secret.removeprefix("whsec_").rstrip("=")
    try:
        key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except ValueError:
        key = b""
    if not key:
        raise ValueError("a Standard Webhooks secret is base64, usually after whsec_")
    return key
