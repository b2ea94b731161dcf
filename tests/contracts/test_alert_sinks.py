"""Every sink, by the contract, against a real server."""

from __future__ import annotations

import base64
import ipaddress
import json
import socket
from collections.abc import Sequence
from typing import Any

import pytest
import structlog
from aiosmtpd.controller import Controller

from upwell.alerts.outgoing import Outgoing
from upwell.alerts.sinks.apprise import AppriseSink
from upwell.alerts.sinks.email import EmailSink
from upwell.alerts.sinks.log import LogSink
from upwell.alerts.sinks.sink import AlertSink, SinkOptions
from upwell.alerts.sinks.slack import SlackSink
from upwell.alerts.sinks.webhook import WebhookSink
from upwell.clock import SystemClock
from upwell.testing import AlertSinkContract

pytestmark = pytest.mark.anyio

HERE = Outgoing([ipaddress.ip_network("127.0.0.0/8")])
SECRET = "whsec_" + base64.b64encode(b"a secret of twenty-four b").decode()


class _OverHttp(AlertSinkContract):
    @pytest.fixture(autouse=True)
    def other_side(self, http_receiver: Any) -> None:
        self.receiver = http_receiver

    async def received(self) -> Sequence[str]:
        return [f"{headers} {body.decode()}" for _, headers, body in self.receiver.requests]

    async def refuse(self) -> None:
        self.receiver.status = 500


class TestWebhook(_OverHttp):
    secrets = (SECRET, "t0p-secret-path")

    async def make_sink(self) -> AlertSink:
        options = SinkOptions(name="hook", url=f"{self.receiver.url}/t0p-secret-path", secret=SECRET)
        return WebhookSink(options, HERE, SystemClock())

    async def test_it_says_what_programs_need(self) -> None:
        await (await self.make_sink()).send(self.make_alert())
        [(request, headers, body)] = self.receiver.requests
        assert request == "POST /t0p-secret-path HTTP/1.1"
        assert headers["content-type"] == "application/json"
        told = json.loads(body)
        assert (told["type"], told["data"]["incident"]) == ("incident.opened", "contract")


class TestSlack(_OverHttp):
    secrets = ("T0123456/B0123456",)

    async def make_sink(self) -> AlertSink:
        options = SinkOptions(name="slack", url=f"{self.receiver.url}/services/T0123456/B0123456")
        return SlackSink(options, HERE, SystemClock())


class TestApprise(_OverHttp):
    secrets = ("t0ps3cr3t",)

    async def make_sink(self) -> AlertSink:
        options = SinkOptions(name="other", url=f"json://ann:t0ps3cr3t@127.0.0.1:{self.receiver.port}/alerts")
        return AppriseSink(options, HERE, SystemClock())


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


class _Mailbox:
    """What a mail server does with what it gets."""

    def __init__(self) -> None:
        self.mails: list[bytes] = []
        self.refuses = False

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        if self.refuses:
            return "451 try again later"
        self.mails.append(envelope.content)
        return "250 OK"


class TestEmail(AlertSinkContract):
    @pytest.fixture(autouse=True)
    def other_side(self) -> Any:
        self.mailbox = _Mailbox()
        self.server = Controller(self.mailbox, hostname="127.0.0.1", port=free_port())
        self.server.start()
        yield
        self.server.stop()

    async def make_sink(self) -> AlertSink:
        port = self.server.port
        options = SinkOptions(
            name="mail", url=f"smtp://127.0.0.1:{port}", sender="Upwell <upwell@example.com>", to=("ann@example.com",)
        )
        return EmailSink(options, HERE, SystemClock())

    async def received(self) -> Sequence[str]:
        return [mail.decode() for mail in self.mailbox.mails]

    async def refuse(self) -> None:
        self.mailbox.refuses = True

    async def test_a_password_is_not_sent_in_the_clear(self) -> None:
        port = self.server.port
        options = SinkOptions(
            name="mail", url=f"smtp://ann:hunter22@127.0.0.1:{port}", sender="upwell@example.com", to=("a@example.com",)
        )
        with pytest.raises(RuntimeError, match="STARTTLS"):
            await EmailSink(options, HERE, SystemClock()).send(self.make_alert())
        assert await self.received() == []


class TestLog(AlertSinkContract):
    @pytest.fixture(autouse=True)
    def other_side(self) -> Any:
        with structlog.testing.capture_logs() as lines:
            self.lines = lines
            yield

    async def make_sink(self) -> AlertSink:
        return LogSink(SinkOptions(name="log"), HERE, SystemClock())

    async def received(self) -> Sequence[str]:
        return [str(line) for line in self.lines]

    test_what_is_not_taken_raises = None  # a line is always taken ...
    test_no_error_shows_a_secret = None  # ... and there is no error
