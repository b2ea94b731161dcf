"""Deliveries that only ask whether somebody is there: they are answered as their sender wants it, and are no events.

Nothing here may be called before the signature is verified.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from upwell.definitions.reactions import Rate
from upwell.events import Json

Handshake: TypeAlias = Callable[[Mapping[bytes, bytes], Json], Json | None]
"""The answer to a handshake, out of the headers and the data of a delivery; none when it is no handshake."""

_GRID_VALIDATION = "Microsoft.EventGrid.SubscriptionValidationEvent"


def _slack(headers: Mapping[bytes, bytes], data: Json) -> Json | None:
    """Slack wants its challenge back when the address is entered."""
    if isinstance(data, dict) and data.get("type") == "url_verification" and isinstance(data.get("challenge"), str):
        return {"challenge": data["challenge"]}
    return None


def _github(headers: Mapping[bytes, bytes], data: Json) -> Json | None:
    """GitHub pings a hook that was just made."""
    return {"handshake": "ping"} if headers.get(b"x-github-event") == b"ping" else None


def _fivetran(headers: Mapping[bytes, bytes], data: Json) -> Json | None:
    """Fivetran tries a hook that is made or activated by the event of a sync that never was."""
    syncing = isinstance(data, dict) and data.get("event") in ("sync_start", "sync_end")
    return {"handshake": "test"} if syncing and not data.get("sync_id") else None


def event_grid(data: Json) -> Json | None:
    """Azure Event Grid, in its own schema, wants the code of a subscription's validation back."""
    if not (isinstance(data, list) and len(data) == 1 and isinstance(data[0], dict)):
        return None
    [event] = data
    told = event.get("data")
    code = told.get("validationCode") if isinstance(told, dict) else None
    if event.get("eventType") != _GRID_VALIDATION or not isinstance(code, str):
        return None
    return {"validationResponse": code}


HANDSHAKES: Mapping[str, Handshake] = {"fivetran": _fivetran, "github": _github, "slack": _slack}
"""By the name of the signature scheme."""


def permission(origin: bytes, rate: Rate | None) -> list[tuple[bytes, bytes]]:
    """The headers that let a sender of CloudEvents deliver: its question is an `OPTIONS` (abuse protection).

    Its rate is counted in requests a minute.
    """
    allowed = b"*" if rate is None else b"%d" % max(1, int(rate.count / rate.seconds * 60))
    return [(b"allow", b"POST"), (b"webhook-allowed-origin", origin), (b"webhook-allowed-rate", allowed)]
