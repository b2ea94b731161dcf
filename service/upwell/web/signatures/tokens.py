"""Senders that sign nothing and show a secret instead: bearer tokens, API keys, GitLab; and those that show none."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime

from upwell.web.signatures.evidence import any_equal, required
from upwell.web.signatures.scheme import SignatureRejected


class Insecure:
    """No proof asked for; the user said `insecure=True`."""

    proof_headers = ()
    delivery_field = None

    def verify(self, headers: Mapping[bytes, bytes], body: bytes, now: datetime) -> str | None:
        return None


class _Token:
    """A secret that is compared by its hash: to compare texts of different lengths tells the length."""

    delivery_field = None

    def __init__(self, secrets: Sequence[str]) -> None:
        self._digests = [hashlib.sha256(secret.encode()).digest() for secret in secrets]

    def _knows(self, token: bytes) -> bool:
        return any_equal(self._digests, [hashlib.sha256(token.strip()).digest()])


class Bearer(_Token):
    """`Authorization: Bearer <secret>`, or the secret alone in a header of another name."""

    def __init__(self, secrets: Sequence[str], *, header: str | None = None) -> None:
        super().__init__(secrets)
        self._header = None if header is None else header.lower().encode()
        self.proof_headers = (self._header or b"authorization",)

    def verify(self, headers: Mapping[bytes, bytes], body: bytes, now: datetime) -> str | None:
        if self._header is not None:
            token = required(headers, self._header)
        else:
            scheme, _, token = required(headers, b"authorization").partition(b" ")
            if scheme.lower() != b"bearer":
                raise SignatureRejected("the Authorization header is not of the Bearer scheme")
        if not self._knows(token):
            raise SignatureRejected("the bearer token is wrong")
        return None


class GitLab(_Token):
    """`X-Gitlab-Token: <secret>`; a repeat has the same `Idempotency-Key`.

    `X-Gitlab-Event-UUID` is no id of a delivery: hooks that one change sets off share it.
    """

    proof_headers = (b"x-gitlab-token",)

    def verify(self, headers: Mapping[bytes, bytes], body: bytes, now: datetime) -> str | None:
        if not self._knows(required(headers, b"x-gitlab-token")):
            raise SignatureRejected("the token in X-Gitlab-Token is wrong")
        return None
