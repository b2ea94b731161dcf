"""Senders that are known by the certificate which they showed to the proxy before this service (mutual TLS).

The proxy checks it and tells by RFC 9440 (`Client-Cert: :<base64 of the DER>:`), or Envoy's
`x-forwarded-client-cert`, what it was. Whoever may write these headers may be anybody: `web.proxies` takes them away
from every request that does not come from a trusted proxy, before a scheme is asked.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import lru_cache

from upwell.web.proxies import CLIENT_CERT, FORWARDED_CLIENT_CERT
from upwell.web.signatures.evidence import from_base64
from upwell.web.signatures.scheme import IdentityForbidden, SignatureRejected

KINDS = ("sha256", "subject", "dns", "uri", "email")

_PAIR = re.compile(r'(\w+)=("(?:[^"\\]|\\.)*"|[^;,"]*)(?:;|$)')


class ClientCertificate:
    """A client certificate out of those named in `clients`.

    Each is `sha256:<fingerprint in hex>`, `subject:CN=…` (RFC 4514), `dns:…`, `uri:…` or `email:…` (of its
    alternative names).
    """

    proof_headers = (CLIENT_CERT, FORWARDED_CLIENT_CERT)
    delivery_field = None

    def __init__(self, secrets: Sequence[str] = (), *, clients: Sequence[str]) -> None:
        self._clients = frozenset(_normal(client) for client in clients)
        if not self._clients:
            raise ValueError("clients= names nobody, so nobody could send")

    def verify(self, headers: Mapping[bytes, bytes], body: bytes, now: datetime) -> str | None:
        shown = self._shown(headers)
        if not shown & self._clients:
            raise IdentityForbidden(f"the certificate of {', '.join(sorted(shown))} is not among clients")
        return None

    def _shown(self, headers: Mapping[bytes, bytes]) -> frozenset[str]:
        if value := headers.get(CLIENT_CERT):
            return _of_certificate(value)
        if value := headers.get(FORWARDED_CLIENT_CERT):
            return frozenset(_of_envoy(value))
        raise SignatureRejected("there is no Client-Cert from a trusted proxy")


def _normal(client: str) -> str:
    kind, colon, value = client.partition(":")
    if kind not in KINDS or not colon or not value:
        raise ValueError(f"clients: {client!r} begins with none of {', '.join(f'{each}:' for each in KINDS)}")
    return f"sha256:{value.replace(':', '').lower()}" if kind == "sha256" else f"{kind}:{value.strip()}"


@lru_cache(maxsize=256)
def _of_certificate(value: bytes) -> frozenset[str]:
    """Everything that a certificate says of its holder; the same few are shown again and again."""
    # Few need it, and everybody would pay for loading it.
    from cryptography import x509

    value = value.strip()
    if len(value) < 3 or value[:1] != b":" or value[-1:] != b":":
        raise SignatureRejected("Client-Cert is no byte sequence between colons")
    try:
        der = from_base64(value[1:-1])
        certificate = x509.load_der_x509_certificate(der)
        subject = certificate.subject.rfc4514_string()
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        names = x509.SubjectAlternativeName([])
    except ValueError as error:
        raise SignatureRejected(f"Client-Cert holds no certificate: {error}") from None
    return frozenset(
        [
            f"sha256:{hashlib.sha256(der).hexdigest()}",
            f"subject:{subject}",
            *[f"dns:{name}" for name in names.get_values_for_type(x509.DNSName)],
            *[f"uri:{name}" for name in names.get_values_for_type(x509.UniformResourceIdentifier)],
            *[f"email:{name}" for name in names.get_values_for_type(x509.RFC822Name)],
        ]
    )


def _of_envoy(value: bytes) -> Iterator[str]:
    """What Envoy says of one client; of several (a chain of proxies) nobody could tell who is meant."""
    text, position = value.decode("latin-1"), 0
    while position < len(text):
        pair = _PAIR.match(text, position)
        if pair is None:
            raise SignatureRejected("x-forwarded-client-cert is malformed, or tells of more than one client")
        position = pair.end()
        key, said = pair[1].lower(), re.sub(r"\\(.)", r"\1", pair[2].strip('"'))
        if key == "hash":
            yield f"sha256:{said.lower()}"
        elif key in ("subject", "uri", "dns") and said:
            yield f"{key}:{said}"
