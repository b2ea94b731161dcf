"""The scheme for everybody else: an HMAC over a template, as the endpoint's declaration describes it."""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime

from upwell.sources.templates import Piece, read_template
from upwell.web.signatures.evidence import (
    TOLERANCE,
    any_equal,
    check_time,
    decoded,
    from_base64,
    from_base64url,
    from_hex,
    required,
)
from upwell.web.signatures.scheme import SignatureRejected

ALGORITHMS = ("sha256", "sha512", "sha1")
_DECODERS = {"hex": from_hex, "base64": from_base64, "base64url": from_base64url}


class TemplateHmac:
    """`header: <prefix><signature>`; several signatures are separated by commas or spaces.

    Args:
        secrets: the keys, as text.
        header: the header with the signature.
        prefix: what stands before the signature, such as `sha256=`.
        algorithm: `sha256`, `sha512`, or, where a sender has nothing better, `sha1`.
        encoding: `hex` (of either case), `base64` or `base64url`.
        template: what is signed; see `read_template`.
        timestamp_header: the header with the time, in unix seconds; it has to be signed, too.
        tolerance: seconds that this time may lie in the past or in the future.
    """

    delivery_field = None

    def __init__(
        self,
        secrets: Sequence[str],
        *,
        header: str,
        prefix: str = "",
        algorithm: str = "sha256",
        encoding: str = "hex",
        template: str = "{raw}",
        timestamp_header: str | None = None,
        tolerance: float = TOLERANCE,
    ) -> None:
        if algorithm not in ALGORITHMS:
            raise ValueError(f"algorithm={algorithm!r} is none of {', '.join(ALGORITHMS)}")
        if encoding not in _DECODERS:
            raise ValueError(f"encoding={encoding!r} is none of {', '.join(_DECODERS)}")
        self._keys = [secret.encode() for secret in secrets]
        self._header = _name(header)
        self._prefix = prefix.encode()
        self._algorithm = algorithm
        self._decode = _DECODERS[encoding]
        self._timestamp_header = None if timestamp_header is None else _name(timestamp_header)
        self._pieces = read_template(template, timestamp_header)
        self._tolerance = tolerance
        self.proof_headers = (self._header,)

    def verify(self, headers: Mapping[bytes, bytes], body: bytes, now: datetime) -> str | None:
        written = required(headers, self._header).replace(b",", b" ").split()
        signatures = [
            decoded(each[len(self._prefix) :], self._decode, self._header)
            for each in written
            if each.startswith(self._prefix)
        ]
        if not signatures:
            raise SignatureRejected(f"the header {self._header.decode()} has no {self._prefix.decode()}")
        if self._timestamp_header is not None:
            check_time(required(headers, self._timestamp_header), now, self._tolerance)
        content = b"".join([_said(piece, headers, body) for piece in self._pieces])
        if not any_equal([hmac.digest(key, content, self._algorithm) for key in self._keys], signatures):
            raise SignatureRejected(f"the signature in {self._header.decode()} does not match")
        return None


def _said(piece: Piece, headers: Mapping[bytes, bytes], body: bytes) -> bytes:
    if piece.text is not None:
        return piece.text
    return body if piece.header is None else required(headers, piece.header)


def _name(header: str) -> bytes:
    return header.lower().encode()
