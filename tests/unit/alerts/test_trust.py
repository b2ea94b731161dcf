"""Who is believed to be who it says, and how a company adds its own authority."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from aiosmtpd.controller import Controller
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from upwell.alerts.alert import Alert
from upwell.alerts.outgoing import Outgoing
from upwell.alerts.sinks.email import EmailSink
from upwell.alerts.sinks.sink import SinkOptions
from upwell.clock import SystemClock

pytestmark = pytest.mark.anyio

NAME = "alerts.example"
HERE = ipaddress.ip_network("127.0.0.0/8")
ALERT = Alert(
    id="i1.1", type="incident.opened", severity="error", over=False, at=datetime(2026, 3, 1, tzinfo=UTC), title="late",
    text="", incidents=("i1",),
)  # fmt: skip


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for NAME that only believes in itself, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path = tmp_path / "certificate.pem"
    path.write_bytes(made.public_bytes(pem) + private)
    return path


def server_context(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


@pytest.fixture
def believed(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))


@pytest.fixture(autouse=True)
def every_name_is_here(monkeypatch: pytest.MonkeyPatch) -> None:
    async def getaddrinfo(host: str, port: int, **_: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(anyio, "getaddrinfo", getaddrinfo)


@pytest.fixture
async def https_port(certificate: Path, anyio_backend: Any) -> AsyncIterator[int]:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=server_context(certificate))
    yield server.sockets[0].getsockname()[1]
    server.close()


@pytest.mark.usefixtures("believed")
async def test_the_name_that_was_meant_is_verified_though_an_address_is_called(https_port: int) -> None:
    assert (await Outgoing([HERE]).get(f"https://{NAME}:{https_port}/")).status == 200


@pytest.mark.usefixtures("believed")
async def test_a_certificate_for_another_name_is_not_believed(https_port: int) -> None:
    with pytest.raises(httpx.ConnectError, match="certificate"):
        await Outgoing([HERE]).get(f"https://other.example:{https_port}/")


async def test_a_certificate_that_nobody_vouches_for_is_not_believed(https_port: int) -> None:
    with pytest.raises(httpx.ConnectError, match="certificate"):
        await Outgoing([HERE]).get(f"https://{NAME}:{https_port}/")


class Mailbox:
    def __init__(self) -> None:
        self.mails: list[bytes] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.mails.append(envelope.content)
        return "250 OK"


@pytest.fixture(params=["smtp", "smtps"])
def mail(request: pytest.FixtureRequest, certificate: Path) -> Iterator[tuple[str, Mailbox]]:
    """A mail server with TLS, from the first byte or by STARTTLS, and who is behind it."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    mailbox, context = Mailbox(), server_context(certificate)
    tls = {"ssl_context": context} if request.param == "smtps" else {"tls_context": context, "require_starttls": True}
    server = Controller(mailbox, hostname="127.0.0.1", port=port, **tls)
    try:
        server.start()
    except ssl.SSLError:
        pass  # the controller asks its own server whether it is there, and does not believe it
    yield f"{request.param}://{NAME}:{port}", mailbox
    server.stop()


def sink(url: str) -> EmailSink:
    options = SinkOptions(name="mail", url=url, sender="up@well.example", to=("ann@example.com",))
    return EmailSink(options, Outgoing([HERE]), SystemClock())


@pytest.mark.usefixtures("believed")
async def test_mail_goes_through_tls_to_who_is_meant(mail: tuple[str, Mailbox]) -> None:
    url, mailbox = mail
    await sink(url).send(ALERT)
    assert len(mailbox.mails) == 1


async def test_no_mail_goes_to_who_nobody_vouches_for(mail: tuple[str, Mailbox]) -> None:
    url, mailbox = mail
    with pytest.raises(ssl.SSLError):
        await sink(url).send(ALERT)
    assert mailbox.mails == []
