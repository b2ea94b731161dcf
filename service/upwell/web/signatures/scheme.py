"""The port for signature schemes: what a scheme is given, what it answers, and what it may rely on."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import Protocol, TypeAlias


class SignatureRejected(Exception):
    """The delivery is not proved to come from its sender; the reason is for our log only."""


class IdentityForbidden(SignatureRejected):
    """It is proved who sent the delivery, and it is nobody who may."""


class SignatureScheme(Protocol):
    """How a sender proves itself.

    Made as `factory(secrets, **options)`, which raises ValueError for a secret or an option that will not do. All
    of the secrets are valid, so that a sender can change to a new one without losing a delivery.
    """

    @property
    def proof_headers(self) -> Collection[bytes]:
        """The headers that carry the proof, in lower case: they are never kept with the event."""

    @property
    def delivery_field(self) -> str | None:
        """The field at the top of the body that has the sender's id of the delivery, where no header has it."""

    def verify(self, headers: Mapping[bytes, bytes], body: bytes, now: datetime) -> str | None:
        """Return the sender's id of the delivery (the same on a repeat), if the scheme has one in its headers.

        Names of headers are lower case; values may hold any byte. Compare bytes, in constant time.

        Raises:
            SignatureRejected: the proof is missing or wrong, or too old or too new for `now`.
        """


SchemeFactory: TypeAlias = Callable[..., SignatureScheme]
"""Makes a scheme: `factory(secrets, **options)`."""
