"""Why a webhook delivery is not taken: the answer to its sender, and the reason for our log."""

from __future__ import annotations

import math
from collections.abc import Mapping

from upwell.web.problems import RETRY_AFTER


class Rejected(Exception):
    """The delivery is answered with `status`.

    Args:
        status: the HTTP status.
        detail: what the sender is told.
        reason: what the log says; by default the same.
    """

    def __init__(
        self, status: int, detail: str, *, reason: str | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        self.status = status
        self.detail = detail
        self.reason = reason or detail
        self.headers = dict(headers or {})
        super().__init__(self.reason)


def try_again(detail: str, *, reason: str | None = None) -> Rejected:
    """A 503: the delivery is fine, the service cannot take it now."""
    return Rejected(503, detail, reason=reason, headers=RETRY_AFTER)


def unproved(reason: str) -> Rejected:
    """A 401; the same for every reason, so that nobody can feel their way to a valid signature."""
    return Rejected(401, "The delivery is not proved to come from its sender.", reason=reason)


def forbidden(reason: str) -> Rejected:
    """A 403: who sends it is known, and may not."""
    return Rejected(403, "The sender may not deliver here.", reason=reason)


def too_fast(wait: float) -> Rejected:
    """A 429; `wait` is in seconds."""
    return Rejected(429, "Deliveries come faster than this endpoint takes them.", headers=_after(wait))


def too_large(limit: int) -> Rejected:
    """A 413. The connection stays: a sender whose connection is cut while it sends does not see the answer."""
    return Rejected(413, f"The body is larger than {limit} bytes.")


def _after(seconds: float) -> dict[str, str]:
    return {"retry-after": str(max(1, math.ceil(seconds)))}
