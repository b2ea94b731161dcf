"""What is called, and what never is."""

from __future__ import annotations

import ipaddress
import socket
from typing import Any

import anyio
import httpx
import pytest

from upwell.alerts.outgoing import CallRefused, Outgoing

pytestmark = pytest.mark.anyio

HERE = Outgoing([ipaddress.ip_network("127.0.0.0/8")])


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "localhost",
        "0.0.0.0",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::ffff:169.254.169.254]",
        "[64:ff9b::169.254.169.254]",
        "[2002:a9fe:a9fe::]",
        "[fe80::1]",
        "[fd00:ec2::254]",
        "169.254.169.254",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "224.0.0.1",
        "255.255.255.255",
    ],
)
async def test_an_address_that_is_not_public_is_not_called(host: str) -> None:
    with pytest.raises(CallRefused, match=r"alerts\.allow_private"):
        await Outgoing().post(f"http://{host}:9/")


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://example.com/", "gopher://127.0.0.1/", "//a.example", "http://0177.0.0.1", "x"]
)
async def test_only_http_is_spoken(url: str) -> None:
    with pytest.raises(CallRefused):
        await HERE.post(url)


@pytest.mark.parametrize("network", ["127.0.0.0/8", "0.0.0.0/0"])
async def test_a_private_network_may_be_allowed(network: str, http_receiver: Any) -> None:
    reply = await Outgoing([ipaddress.ip_network(network)]).post(http_receiver.url, b"x")
    assert (reply.status, reply.text) == (200, "ok")


async def test_an_allowed_network_allows_no_other() -> None:
    with pytest.raises(CallRefused):
        await HERE.post("http://10.0.0.1/")


async def test_a_name_with_one_private_address_is_not_called(monkeypatch: pytest.MonkeyPatch) -> None:
    resolve(monkeypatch, "93.184.215.14", "10.0.0.1")
    with pytest.raises(CallRefused, match=r"example\.com is 10\.0\.0\.1"):
        await Outgoing().post("http://example.com/")


async def test_a_name_is_looked_up_once_and_what_was_checked_is_called(
    monkeypatch: pytest.MonkeyPatch, http_receiver: Any
) -> None:
    asked = resolve(monkeypatch, "127.0.0.1")
    await HERE.post(f"http://rebinding.example:{http_receiver.port}/hook")
    assert asked == ["rebinding.example"]
    assert http_receiver.heard("host") == [f"rebinding.example:{http_receiver.port}"]


async def test_the_next_address_is_tried_where_nobody_answers(
    monkeypatch: pytest.MonkeyPatch, http_receiver: Any
) -> None:
    resolve(monkeypatch, "127.0.0.2", "127.0.0.1")
    assert (await HERE.get(f"http://two.example:{http_receiver.port}/")).status == 200


async def test_a_redirect_is_not_followed(http_receiver: Any) -> None:
    http_receiver.status, http_receiver.headers = 302, {"location": "http://169.254.169.254/latest/meta-data"}
    assert (await HERE.post(http_receiver.url)).status == 302
    assert len(http_receiver.requests) == 1


async def test_a_call_has_an_end(http_receiver: Any) -> None:
    http_receiver.delay = 30.0
    with anyio.fail_after(5), pytest.raises((TimeoutError, httpx.TimeoutException)):
        await HERE.post(http_receiver.url, timeout=0.1)


async def test_of_an_endless_answer_only_the_beginning_is_read(http_receiver: Any) -> None:
    http_receiver.answer = b"x" * 10_000_000
    assert len((await HERE.get(http_receiver.url)).text) == 300


async def test_a_proxy_of_the_environment_is_not_asked(monkeypatch: pytest.MonkeyPatch, http_receiver: Any) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    assert (await HERE.get(http_receiver.url)).status == 200


def resolve(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> list[str]:
    """Have every name have these addresses; the names that were asked for come back."""
    asked: list[str] = []

    async def getaddrinfo(host: str, port: int, **_: Any) -> list[Any]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    monkeypatch.setattr(anyio, "getaddrinfo", getaddrinfo)
    return asked
