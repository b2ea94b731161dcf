"""Any other signature: by the HMAC vectors of RFC 4231 and RFC 2202, and by describing schemes that are known."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upwell.web.signatures.scheme import SignatureRejected
from upwell.web.signatures.templates import TemplateHmac

NOW = datetime.fromtimestamp(1531420618, UTC)
KEY, BODY = "Jefe", b"what do ya want for nothing?"
SHA256 = bytes.fromhex("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")
SHA512 = bytes.fromhex(
    "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554"
    "9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737"
)
SHA1 = bytes.fromhex("effcdf6ae5eb2fa2d27416d5f184df9c259a7c79")


@pytest.mark.parametrize(
    ("signature", "options"),
    [
        (SHA256.hex().encode(), {}),
        (SHA256.hex().upper().encode(), {}),
        (SHA512.hex().encode(), {"algorithm": "sha512"}),
        (SHA1.hex().encode(), {"algorithm": "sha1"}),
        (base64.b64encode(SHA256), {"encoding": "base64"}),
        (base64.urlsafe_b64encode(SHA512), {"encoding": "base64url", "algorithm": "sha512"}),
        (base64.urlsafe_b64encode(SHA256).rstrip(b"="), {"encoding": "base64url"}),
        (b"hmac=" + SHA256.hex().encode(), {"prefix": "hmac="}),
        (b"hmac=00, hmac=" + SHA256.hex().encode() + b",v2=zz", {"prefix": "hmac="}),
    ],
)
def test_takes_what_the_published_vectors_say(signature: bytes, options: dict[str, Any]) -> None:
    TemplateHmac([KEY], header="X-Signature", **options).verify({b"x-signature": signature}, BODY, NOW)


@pytest.mark.parametrize(
    ("headers", "options"),
    [
        ({b"x-signature": SHA256.hex().encode()[:-1]}, {}),
        ({b"x-signature": SHA1.hex().encode()}, {}),
        ({b"x-signature": base64.b64encode(SHA256)}, {}),
        ({b"x-signature": SHA256.hex().encode()}, {"prefix": "sha256="}),
        ({b"x-signature": b"\xff"}, {}),
        ({b"x-signature": b" , "}, {}),
        ({}, {}),
        ({b"x-signature": b"+/+/"}, {"encoding": "base64url"}),
    ],
)
def test_refuses(headers: dict[bytes, bytes], options: dict[str, Any]) -> None:
    with pytest.raises(SignatureRejected):
        TemplateHmac([KEY], header="X-Signature", **options).verify(headers, BODY, NOW)


def slack(timestamp: bytes = b"1531420618") -> tuple[TemplateHmac, dict[bytes, bytes]]:
    scheme = TemplateHmac(
        ["old", "secret"],
        header="X-Slack-Signature",
        prefix="v0=",
        template="v0:{timestamp}:{raw}",
        timestamp_header="X-Slack-Request-Timestamp",
    )
    signature = hmac.new(b"secret", b"v0:%b:{}" % timestamp, hashlib.sha256).hexdigest().encode()
    return scheme, {b"x-slack-request-timestamp": timestamp, b"x-slack-signature": b"v0=" + signature}


@pytest.mark.parametrize("late", [-300, 0, 300])
def test_describes_slack(late: int) -> None:
    scheme, headers = slack()
    assert scheme.verify(headers, b"{}", NOW + timedelta(seconds=late)) is None


@pytest.mark.parametrize("late", [-301, 301])
def test_looks_at_the_time_both_ways(late: int) -> None:
    scheme, headers = slack()
    with pytest.raises(SignatureRejected):
        scheme.verify(headers, b"{}", NOW + timedelta(seconds=late))


def test_the_time_is_signed() -> None:
    scheme, headers = slack()
    with pytest.raises(SignatureRejected, match="does not match"):
        scheme.verify(headers | {b"x-slack-request-timestamp": b"1531420619"}, b"{}", NOW)


def test_signs_headers_and_text_with_braces() -> None:
    scheme = TemplateHmac([KEY], header="X-Sig", template="{{{header:X-Topic}}}{raw}")
    signature = hmac.new(KEY.encode(), b"{orders}{}", hashlib.sha256).hexdigest().encode()
    scheme.verify({b"x-topic": b"orders", b"x-sig": signature}, b"{}", NOW)
    with pytest.raises(SignatureRejected, match="x-topic is missing"):
        scheme.verify({b"x-sig": signature}, b"{}", NOW)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"template": "{timestamp}.{raw}"}, r"{timestamp} is unknown; there are {raw}"),
        ({"template": "{body}"}, r"{body} is unknown"),
        ({"template": "{header}{raw}"}, r"{header} is unknown"),
        ({"template": "{timestamp}", "timestamp_header": "X-Time"}, "leaves out the body"),
        ({"template": "{raw}", "timestamp_header": "X-Time"}, "leaves out the time"),
        ({"template": "{raw"}, "expected '}'"),
        ({"algorithm": "md5"}, "algorithm='md5' is none of sha256, sha512, sha1"),
        ({"encoding": "rot13"}, "encoding='rot13' is none of hex, base64, base64url"),
    ],
)
def test_what_proves_nothing_is_no_scheme(options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        TemplateHmac([KEY], header="X-Sig", **options)


@given(header=st.binary(max_size=200), body=st.binary(max_size=200))
def test_no_header_makes_it_fail_otherwise(header: bytes, body: bytes) -> None:
    for encoding in ("hex", "base64", "base64url"):
        with pytest.raises(SignatureRejected):
            TemplateHmac([KEY], header="X-Sig", encoding=encoding).verify({b"x-sig": header}, body, NOW)
