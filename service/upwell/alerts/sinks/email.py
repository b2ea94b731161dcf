"""Mail by SMTP: `smtp://user:password@host:587` (with STARTTLS where the server has it) or `smtps://host:465`."""

from __future__ import annotations

import smtplib
import socket
import ssl
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr
from urllib.parse import unquote, urlsplit

import anyio
import anyio.to_thread

from upwell.alerts.alert import Alert
from upwell.alerts.outgoing import Outgoing
from upwell.alerts.sinks.sink import AlertRefused, SinkOptions
from upwell.alerts.trust import trusting
from upwell.clock import Clock


class EmailSink:
    """Sends a mail to each of `to`; its Message-ID is made of the alert's id, what is about one incident is a thread.

    With a user, nothing is sent to a server without TLS: the password would be read on the way.
    """

    def __init__(self, options: SinkOptions, outgoing: Outgoing, clock: Clock) -> None:
        url = urlsplit(options.required_url())
        if url.scheme not in ("smtp", "smtps") or not url.hostname:
            raise ValueError(f"the url of the sink {options.name} must be smtp://host:587 or smtps://host:465")
        if not options.to or not options.sender or not all(parseaddr(one)[1] for one in (*options.to, options.sender)):
            raise ValueError(f"the sink {options.name} needs sender and to, mail addresses")
        self._host = url.hostname
        self._port = url.port or (465 if url.scheme == "smtps" else 587)
        self._at_once = url.scheme == "smtps"
        self._login = (unquote(url.username), unquote(url.password or "")) if url.username else None
        self._sender, self._to = options.sender, options.to
        self._timeout = options.timeout
        self._outgoing = outgoing

    async def send(self, alert: Alert) -> None:
        message = message_of(alert, self._sender, self._to)
        with anyio.fail_after(self._timeout):
            [address, *_] = await self._outgoing.addresses(self._host, self._port)
            # Abandoned where it takes too long: the socket has the same limit, so the thread ends soon.
            await anyio.to_thread.run_sync(self._send, address, message, abandon_on_cancel=True)

    def _send(self, address: str, message: EmailMessage) -> None:
        context = trusting()
        kind = _TlsServer(address, context) if self._at_once else _Server(address)
        try:
            with kind.connect(self._host, self._port, self._timeout) as server:
                server.ehlo_or_helo_if_needed()  # before, nothing is known of what it offers
                if not self._at_once and server.has_extn("starttls"):
                    server.starttls(context=context)
                    server.ehlo()
                elif not self._at_once and self._login is not None:
                    raise RuntimeError(f"{self._host} offers no STARTTLS; the password was not sent")
                if self._login is not None:
                    server.login(*self._login)
                refused = server.send_message(message)
        except (smtplib.SMTPRecipientsRefused, smtplib.SMTPSenderRefused, smtplib.SMTPDataError) as error:
            raise _refusal(error) from None
        if refused:
            raise RuntimeError(f"{', '.join(sorted(refused))} refused it; the others have it")


def message_of(alert: Alert, sender: str, to: tuple[str, ...]) -> EmailMessage:
    """The mail that tells an alert."""
    domain = parseaddr(sender)[1].rpartition("@")[2] or "upwell"
    message = EmailMessage()
    mark = "over" if alert.over else alert.severity
    message["Subject"] = f"[upwell {mark}] {_one_line(alert.title)}"
    message["From"] = sender
    message["To"] = ", ".join(to)
    message["Date"] = format_datetime(alert.at)
    message["Message-ID"] = f"<{alert.id}@{domain}>"
    message["Auto-Submitted"] = "auto-generated"
    if len(alert.incidents) == 1:
        message["References"] = f"<{alert.incidents[0]}@{domain}>"
    message.set_content(f"{alert.title}\n\n{alert.text}\n\n{alert.id}\n")
    return message


def _one_line(text: str) -> str:
    return " ".join(text.split())[:200]


def _refusal(error: smtplib.SMTPException) -> Exception:
    """Whether the server says that it will never take it (5xx), or not now."""
    codes = (
        [code for code, _ in error.recipients.values()]
        if isinstance(error, smtplib.SMTPRecipientsRefused)
        else [error.smtp_code]
        if isinstance(error, smtplib.SMTPResponseException)
        else []
    )
    said = f"the mail server answered {', '.join(map(str, sorted(set(codes))))}"
    return AlertRefused(said) if codes and all(500 <= code < 600 for code in codes) else RuntimeError(said)


class _Server:
    """Connects to the address that was checked, in the name of the host that was meant."""

    def __init__(self, address: str) -> None:
        self._address = address

    def connect(self, host: str, port: int, timeout: float) -> smtplib.SMTP:
        address = self._address

        class Checked(smtplib.SMTP):
            def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
                return socket.create_connection((address, port), timeout)

        return Checked(host, port, timeout=timeout)


class _TlsServer:
    """The same, with TLS from the first byte."""

    def __init__(self, address: str, context: ssl.SSLContext) -> None:
        self._address, self._context = address, context

    def connect(self, host: str, port: int, timeout: float) -> smtplib.SMTP:
        address, context = self._address, self._context

        class Checked(smtplib.SMTP_SSL):
            def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
                plain = socket.create_connection((address, port), timeout)
                return context.wrap_socket(plain, server_hostname=host)

        return Checked(host, port, timeout=timeout, context=context)
