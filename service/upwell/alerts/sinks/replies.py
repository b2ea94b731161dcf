"""What the answer of an HTTP sink means."""

from __future__ import annotations

from upwell.alerts.outgoing import Reply
from upwell.alerts.sinks.sink import AlertRefused, TryLater

_NEVER = frozenset({400, 413, 414, 415, 422})  # the message itself is at fault
_LONGEST_WAIT = 3600.0


def require_success(reply: Reply) -> None:
    """Return if it was taken.

    Raises:
        AlertRefused: it will never be.
        TryLater: it may be, after some time.
        RuntimeError: it was not, whatever the reason.
    """
    if 200 <= reply.status < 300:
        return
    said = f"answered {reply.status}" + (f": {reply.text.strip()}" if reply.text.strip() else "")
    if reply.status in _NEVER:
        raise AlertRefused(said)
    if (seconds := _retry_after(reply)) is not None:
        raise TryLater(said, min(seconds, _LONGEST_WAIT))
    raise RuntimeError(said)


def _retry_after(reply: Reply) -> float | None:
    told = reply.headers.get("retry-after", "")
    return float(told) if told.isascii() and told.isdigit() else None
