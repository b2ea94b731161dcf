"""What the schemes share: reading the headers that carry a proof, and comparing in constant time."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TypeAlias

from upwell.web.signatures.scheme import SignatureRejected

TOLERANCE = 300.0
"""Seconds that a signed timestamp may lie in the past or in the future."""

Decode: TypeAlias = Callable[[bytes], bytes]
"""Reads a signature as it is written in a header; raises ValueError."""


def required(headers: Mapping[bytes, bytes], name: bytes) -> bytes:
    """The value of a header that has to be there."""
    if not (value := headers.get(name)):
        raise SignatureRejected(f"the header {name.decode()} is missing")
    return value


def any_equal(expected: Sequence[bytes], given: Sequence[bytes]) -> bool:
    """Whether one of the given signatures is an expected one."""
    # No early end: the time taken must not tell which secret is the right one.
    return sum([hmac.compare_digest(one, other) for one in expected for other in given]) > 0


def check_time(timestamp: bytes, now: datetime, tolerance: float) -> None:
    """Refuse a delivery that was signed too long ago, or is dated in the future."""
    if not (timestamp.isdigit() and len(timestamp) <= 12):
        raise SignatureRejected("the timestamp is not a number of seconds")
    age = now.timestamp() - int(timestamp)
    if abs(age) > tolerance:
        raise SignatureRejected(f"the timestamp lies {abs(age):.0f} s in the {'past' if age > 0 else 'future'}")


def decoded(value: bytes, decode: Decode, header: bytes) -> bytes:
    """A signature as bytes, so that upper and lower case, or padding, make no difference."""
    try:
        return decode(value)
    except ValueError:
        raise SignatureRejected(f"the signature in {header.decode()} is not written as it should be") from None


def from_base64(value: bytes) -> bytes:
    """Base64 with its padding or without."""
    return base64.b64decode(value + b"=" * (-len(value) % 4), validate=True)


def from_base64url(value: bytes) -> bytes:
    """Base64 with `-` and `_`, with its padding or without."""
    if b"+" in value or b"/" in value:
        raise ValueError("this is base64, not base64url")
    return from_base64(value.replace(b"-", b"+").replace(b"_", b"/"))


from_hex: Decode = binascii.unhexlify
