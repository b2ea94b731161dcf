"""Calls to the outside that settings ask for: only to addresses that may be called, in bounded time and size.

A name is looked up once; every address it has is checked, and the one that was checked is connected to, so that a name
server cannot say something else in between. Redirects are not followed, and proxies of the environment not asked.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import anyio
import httpx

from upwell.alerts.trust import trusting

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_LARGEST_ANSWER = 64 * 1024  # of which a little is kept, to say what was wrong
_KEPT = 300


class CallRefused(Exception):
    """Nothing was sent: the place may not be called."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """What came back: the beginning of it is enough."""

    status: int
    headers: Mapping[str, str]
    text: str


class Outgoing:
    """Makes the calls.

    Args:
        allow_private: networks that are not public and may be called all the same.
    """

    def __init__(self, allow_private: Sequence[Network] = ()) -> None:
        self._allowed = tuple(allow_private)
        self._trust: ssl.SSLContext | None = None  # made when it is needed: that takes a while

    async def addresses(self, host: str, port: int) -> list[str]:
        """Every address of `host`, each one that may be called.

        Raises:
            CallRefused: one of them may not.
            OSError: it has none, or nobody knows.
        """
        found = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = list(dict.fromkeys(str(entry[4][0]).partition("%")[0] for entry in found))
        for address in addresses:
            self.check(host, address)
        return addresses

    def check(self, host: str, address: str) -> None:
        """Raise where an address may not be called."""
        plain = ipaddress.ip_address(address)
        meant = _meant(plain)
        if any(one in network for network in self._allowed for one in {plain, meant}):
            return
        if not meant.is_global or meant.is_multicast or not plain.is_global:
            raise CallRefused(
                f"{host} is {address}, which is not a public address; name its network in alerts.allow_private "
                "if it may be called"
            )

    async def post(
        self, url: str, body: bytes = b"", headers: Mapping[str, str] | None = None, *, timeout: float = 10.0
    ) -> Reply:
        """Send a body, and say what came back.

        Raises:
            CallRefused: the address may not be called.
            TimeoutError: it took too long, all in all.
            OSError: the name is not known.
            httpx.HTTPError: the connection failed.
        """
        return await self._call("POST", url, body, headers or {}, timeout)

    async def get(self, url: str, *, timeout: float = 10.0) -> Reply:
        """Ask for an address; see `post`."""
        return await self._call("GET", url, b"", {}, timeout)

    def _trusting(self) -> ssl.SSLContext:
        if self._trust is None:
            self._trust = trusting()
        return self._trust

    async def _call(self, method: str, url: str, body: bytes, headers: Mapping[str, str], timeout: float) -> Reply:
        try:
            target = httpx.URL(url)
        except httpx.InvalidURL:
            raise CallRefused("the url cannot be read") from None  # it may be secret, and so is not shown
        if target.scheme not in ("http", "https") or not target.host:
            raise CallRefused(f"only http and https are called, not {target.scheme or 'nothing'}")
        port = target.port or (443 if target.scheme == "https" else 80)
        with anyio.fail_after(timeout):
            addresses = await self.addresses(target.host, port)
            # trust_env: a proxy that the environment names would be what is connected to, unchecked.
            async with httpx.AsyncClient(
                trust_env=False, follow_redirects=False, timeout=timeout, verify=self._trusting()
            ) as client:
                for place, address in enumerate(addresses, start=1):
                    request = _request(client, method, target, address, body, headers)
                    try:
                        return await _answer(client, request)
                    except httpx.ConnectError:
                        if place == len(addresses):
                            raise
        raise AssertionError("a name without an address is an error of the look-up")


def _request(
    client: httpx.AsyncClient, method: str, target: httpx.URL, address: str, body: bytes, headers: Mapping[str, str]
) -> httpx.Request:
    """The request to the address that was checked, in the name of the host that was meant."""
    named = target.netloc.decode().rpartition("@")[2]
    return client.build_request(
        method,
        target.copy_with(host=address),
        content=body or None,
        headers={"user-agent": "upwell", **headers, "host": named},
        extensions={"sni_hostname": target.host},
    )


async def _answer(client: httpx.AsyncClient, request: httpx.Request) -> Reply:
    response = await client.send(request, stream=True)
    try:
        read = bytearray()
        async for piece in response.aiter_raw(8192):
            read += piece
            if len(read) >= _LARGEST_ANSWER:
                break
    finally:
        await response.aclose()
    text = read[:_KEPT].decode("utf-8", "replace")
    return Reply(status=response.status_code, headers=dict(response.headers), text=text)


def _meant(address: Address) -> Address:
    """The address that is called in the end, where one is written as part of another."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address
