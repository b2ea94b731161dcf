"""Keeping what is secret of a sink out of what is kept of its errors. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

from upwell.alerts.sinks.sink import SinkOptions

_SHORTEST_SECRET = 6


def secrets_of(options: SinkOptions) -> tuple[str, ...]:
    """What no error of this sink may show: its secret, its url, and the parts of that which are secret."""
    found = [options.secret or "", options.url or ""]
    if options.url:
        parts = urlsplit(options.url)
        found += [parts.path, parts.query, parts.password or "", *parts.path.split("/")]
    return tuple(sorted({one for one in found if len(one) >= _SHORTEST_SECRET}, key=len, reverse=True))


def blotted(text: str, secrets: Sequence[str]) -> str:
    """The text without the secrets."""
    for secret in secrets:
        text = text.replace(secret, "[redacted]")
    return text
