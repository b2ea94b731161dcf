"""What a sink must do, and what it is made with. A new kind is one module and an entry point `upwell.alert_sinks`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from upwell.alerts.alert import Alert
from upwell.alerts.outgoing import Outgoing
from upwell.clock import Clock


class AlertSink(Protocol):
    """Tells somebody. Made once: `Sink(options, outgoing, clock)`."""

    async def send(self, alert: Alert) -> None:
        """Return once the other side has taken it.

        It may be called again with the same alert, also in another process: its `id` goes along, so that the other side
        can know a repeat. No secret may stand in an error: errors are logged.

        Raises:
            AlertRefused: the other side will never take this one; it is tried a few times, in case that is not so.
            Exception: it was not taken, or nobody knows; it is tried again later.
        """


class AlertRefused(Exception):
    """The other side does not take this alert, and says that it never will."""


class TryLater(Exception):
    """The other side wants to be asked again after so many seconds."""

    def __init__(self, message: str, seconds: float) -> None:
        self.seconds = seconds
        super().__init__(message)


@dataclass(frozen=True, kw_only=True, slots=True)
class SinkOptions:
    """What the settings say of a sink. `url` and `secret` are secret."""

    name: str
    url: str | None = field(default=None, repr=False)
    secret: str | None = field(default=None, repr=False)
    sender: str | None = None
    to: tuple[str, ...] = ()
    timeout: float = 10.0
    more: Mapping[str, str] = field(default_factory=dict)

    def required_url(self) -> str:
        """The url.

        Raises:
            ValueError: there is none.
        """
        if not self.url:
            raise ValueError(f"the sink {self.name} needs url, url_env or url_file")
        return self.url


class MakeSink(Protocol):
    """What an entry point names: the class of a sink, or a function."""

    def __call__(self, options: SinkOptions, outgoing: Outgoing, clock: Clock) -> AlertSink:
        """Make it.

        Raises:
            ValueError: an option is missing or wrong.
        """
