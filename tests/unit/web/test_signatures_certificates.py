"""Client certificates that a proxy tells of, by the example of RFC 9440 (its appendix B)."""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime

import pytest

from upwell.web.signatures.certificates import ClientCertificate
from upwell.web.signatures.scheme import IdentityForbidden, SignatureRejected

NOW = datetime(2024, 5, 1, tzinfo=UTC)
DER = (
    b"MIIBqDCCAU6gAwIBAgIBBzAKBggqhkjOPQQDAjA6MRswGQYDVQQKDBJMZXQncyBBdXRoZW50aWNhdGUxGzAZBgNVBAMMEkxBIEludGVybWVk"
    b"aWF0ZSBDQTAeFw0yMDAxMTQyMjU1MzNaFw0yMTAxMjMyMjU1MzNaMA0xCzAJBgNVBAMMAkJDMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE"
    b"8YnXXfaUgmnMtOXU/IncWalRhebrXmckC8vdgJ1p5Be5F/3YC8OthxM4+k1M6aEAEFcGzkJiNy6J84y7uzo9M6NyMHAwCQYDVR0TBAIwADAf"
    b"BgNVHSMEGDAWgBRm3WjLa38lbEYCuiCPct0ZaSED2DAOBgNVHQ8BAf8EBAMCBsAwEwYDVR0lBAwwCgYIKwYBBQUHAwIwHQYDVR0RAQH/BBMw"
    b"EYEPYmRjQGV4YW1wbGUuY29tMAoGCCqGSM49BAMCA0gAMEUCIBHda/r1vaL6G3VliL4/Di6YK0Q6bMjeSkC3dFCOOB8TAiEAx/kHSB4urmiZ"
    b"0NX5r5XarmPk0wmuydBVoU4hBVZ1yhk="
)
CERT = b":" + DER + b":"
FINGERPRINT = hashlib.sha256(base64.b64decode(DER)).hexdigest()
ENVOY = (
    b"By=spiffe://upwell;Hash=" + FINGERPRINT.encode() + b';Subject="CN=shop \\"one\\",O=Acme";'
    b"URI=spiffe://shop/orders;DNS=shop.example"
)


@pytest.mark.parametrize(
    "client",
    [
        f"sha256:{FINGERPRINT}",
        "sha256:" + ":".join(FINGERPRINT[n : n + 2].upper() for n in range(0, 64, 2)),
        "subject:CN=BC",
        "email:bdc@example.com",
    ],
)
def test_the_rfc_s_certificate_is_known_by_whatever_it_says(client: str) -> None:
    ClientCertificate(clients=["dns:other.example", client]).verify({b"client-cert": CERT}, b"", NOW)


@pytest.mark.parametrize(
    "client",
    [f"sha256:{FINGERPRINT}", 'subject:CN=shop "one",O=Acme', "uri:spiffe://shop/orders", "dns:shop.example"],
)
def test_envoy_tells_it_in_pairs(client: str) -> None:
    ClientCertificate(clients=[client]).verify({b"x-forwarded-client-cert": ENVOY}, b"", NOW)


@pytest.mark.parametrize("client", ["subject:CN=bc", "subject:BC", "dns:bdc@example.com", "sha256:" + "0" * 64])
def test_another_client_is_known_and_may_not(client: str) -> None:
    with pytest.raises(IdentityForbidden, match="CN=BC"):
        ClientCertificate(clients=[client]).verify({b"client-cert": CERT}, b"", NOW)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {b"client-cert": b""},
        {b"client-cert": DER},
        {b"client-cert": b":"},
        {b"client-cert": b"::"},
        {b"client-cert": b":AAAA:"},
        {b"client-cert": b":not base64:"},
        {b"client-cert": CERT + b", " + CERT},
        {b"client-cert": CERT[:-20] + b":"},
        {b"x-forwarded-client-cert": ENVOY + b"," + ENVOY},
        {b"x-forwarded-client-cert": b'Subject="CN=BC'},
        {b"x-forwarded-client-cert": b"\xff"},
    ],
)
def test_what_is_no_certificate_proves_nothing(headers: dict[bytes, bytes]) -> None:
    with pytest.raises(SignatureRejected) as rejected:
        ClientCertificate(clients=["subject:CN=BC", f"sha256:{FINGERPRINT}"]).verify(headers, b"", NOW)
    assert not isinstance(rejected.value, IdentityForbidden)


@pytest.mark.parametrize("clients", [[], ["CN=BC"], ["subject:"], ["serial:7"]])
def test_a_list_of_nobody_is_no_scheme(clients: list[str]) -> None:
    with pytest.raises(ValueError, match="clients"):
        ClientCertificate(clients=clients)
