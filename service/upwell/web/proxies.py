"""Trusted proxies: the only ones who may say which certificate a client showed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import TypeAlias

from starlette.types import Scope

Network: TypeAlias = IPv4Network | IPv6Network

CLIENT_CERT = b"client-cert"
FORWARDED_CLIENT_CERT = b"x-forwarded-client-cert"


class TrustedProxies:
    """The networks whose word counts."""

    def __init__(self, networks: Iterable[Network] = ()) -> None:
        self._networks = tuple(networks)
        self._trusts = lru_cache(maxsize=1024)(self._look_up)

    def __bool__(self) -> bool:
        return bool(self._networks)

    def believed(self, scope: Scope, headers: dict[bytes, bytes]) -> dict[bytes, bytes]:
        """`headers` without what only a trusted proxy may say, where none says it, or where it is said twice.

        RFC 9440 has the proxy remove what its client wrote under these names; nobody need rely on that alone.
        """
        if CLIENT_CERT not in headers and FORWARDED_CLIENT_CERT not in headers:
            return headers
        client = scope.get("client")
        trusted = bool(self._networks) and client is not None and self._trusts(client[0])
        names = [name for name, _ in scope["headers"]]
        return {
            name: value
            for name, value in headers.items()
            if name not in (CLIENT_CERT, FORWARDED_CLIENT_CERT) or (trusted and _said_once(names, name))
        }

    def _look_up(self, address: str) -> bool:
        try:
            peer = ip_address(address)
        except ValueError:
            return False
        if isinstance(peer, IPv6Address) and peer.ipv4_mapped is not None:
            peer = peer.ipv4_mapped
        return any(peer in network for network in self._networks)


def _said_once(names: Sequence[bytes], name: bytes) -> bool:
    return names.count(name) == 1
