from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import pytest

from upwell.web.proxies import TrustedProxies

CERT = (b"client-cert", b":AAAA:")


def believed(address: str | None, *headers: tuple[bytes, bytes]) -> dict[bytes, bytes]:
    proxies = TrustedProxies([ip_network("10.1.0.0/16"), ip_network("::1/128")])
    scope: dict[str, Any] = {"client": None if address is None else (address, 1), "headers": list(headers)}
    return proxies.believed(scope, dict(headers))


@pytest.mark.parametrize("address", ["10.1.2.3", "::1", "::ffff:10.1.2.3"])
def test_a_trusted_proxy_tells_the_certificate(address: str) -> None:
    assert believed(address, CERT, (b"host", b"x")) == {b"client-cert": b":AAAA:", b"host": b"x"}


@pytest.mark.parametrize("address", ["10.2.0.1", "127.0.0.1", "::2", "unix:", "", None])
@pytest.mark.parametrize("name", [b"client-cert", b"x-forwarded-client-cert"])
def test_from_everybody_else_it_is_dropped(address: str | None, name: bytes) -> None:
    assert believed(address, (name, b":AAAA:"), (b"host", b"x")) == {b"host": b"x"}


def test_what_is_said_twice_is_not_believed() -> None:
    assert believed("10.1.2.3", CERT, (b"client-cert", b":BBBB:"), (b"host", b"x")) == {b"host": b"x"}


def test_without_proxies_nobody_is_believed() -> None:
    scope = {"client": ("127.0.0.1", 1), "headers": [CERT]}
    assert TrustedProxies().believed(scope, dict([CERT])) == {}
