"""Who may use the API: bearer tokens with a role, or, while no token is set, this machine only.

The gate stands before everything that is not public by name, unknown paths included, and asks for a role by what
the request does: whoever reads needs to be a viewer, whoever changes something an operator.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from upwell.errors import SettingsError
from upwell.web.problems import ProblemResponse

Role: TypeAlias = Literal["viewer", "operator"]

_READING = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, kw_only=True)
class ApiToken:
    """A token as it is kept: its hash, never itself."""

    role: Role
    digest: bytes = field(repr=False)

    @classmethod
    def of(cls, token: str, role: Role) -> ApiToken:
        return cls(role=role, digest=hashlib.sha256(token.encode()).digest())


def is_loopback(host: str) -> bool:
    """Whether `host` (a name or an address, in brackets or not) can only mean this machine."""
    host = host.strip("[]").lower()
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_bind(host: str, tokens: Sequence[ApiToken]) -> None:
    """Refuse to offer an open API to the network.

    Raises:
        SettingsError: no token is set, and `host` is not this machine only.
    """
    if not tokens and not is_loopback(host):
        raise SettingsError(
            f"UPWELL_HOST={host!r} would open the API to the network without a token. "
            "Set UPWELL_API_TOKENS=operator:TOKEN, or listen on 127.0.0.1"
        )


def host_of(authority: str) -> str:
    """The host in a `Host` header or an URL's authority, without its port; empty when it cannot be read."""
    try:
        return urlsplit(f"//{authority}").hostname or ""
    except ValueError:
        return ""


def is_foreign(headers: Headers) -> bool:
    """Whether a browser says that a page of another origin sent this request (`null` included)."""
    origin = headers.get("origin")
    if origin is None:
        return False
    _, _, authority = origin.partition("://")
    return not authority or authority.lower() != headers.get("host", "").lower()


class Gate:
    """Lets a request through to `app`, or answers 401 or 403."""

    def __init__(self, app: ASGIApp, tokens: Sequence[ApiToken]) -> None:
        self._app = app
        self._tokens = tuple(tokens)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = self._refusal(scope["method"], Headers(scope=scope))
        await (refusal or self._app)(scope, receive, send)

    def _refusal(self, method: str, headers: Headers) -> ProblemResponse | None:
        # DNS rebinding: without a token only the name tells our own pages from those of an attacker's site.
        if not self._tokens and not is_loopback(host_of(headers.get("host", ""))):
            detail = "Without a token the API answers to localhost only. Set UPWELL_API_TOKENS to use another name."
            return ProblemResponse(403, detail, kind="foreign-host")
        role = self._role(headers.get("authorization", ""))
        if role is None:
            detail = "Send a token of UPWELL_API_TOKENS as `Authorization: Bearer TOKEN`."
            return ProblemResponse(401, detail, headers={"www-authenticate": "Bearer"})
        if method in _READING:
            return None
        if is_foreign(headers):
            return ProblemResponse(403, "A page of another origin may not change anything.", kind="foreign-origin")
        if role != "operator":
            return ProblemResponse(403, "A viewer's token may not change anything.", kind="operators-only")
        return None

    def _role(self, authorization: str) -> Role | None:
        """What the bearer may do; none when nobody knows the token."""
        if not self._tokens:
            return "operator"
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer":
            return None
        digest = hashlib.sha256(token.strip().encode()).digest()
        # Every token is compared, so that the time taken does not tell which one came close.
        roles = [known.role for known in self._tokens if hmac.compare_digest(known.digest, digest)]
        return "operator" if "operator" in roles else next(iter(roles), None)
