"""Everybody else: the hundred services that Apprise speaks to (`pip install upwell[alerts]`).

Apprise makes the calls itself, so the addresses that it calls are not checked: its urls are the operator's own.
"""

from __future__ import annotations

import apprise

from upwell.alerts.alert import Alert
from upwell.alerts.outgoing import Outgoing
from upwell.alerts.sinks.sink import SinkOptions
from upwell.clock import Clock


class AppriseSink:
    """Tells whatever the url means to Apprise, such as `pover://USER@TOKEN` or `msteams://…`."""

    def __init__(self, options: SinkOptions, outgoing: Outgoing, clock: Clock) -> None:
        self._notifier = apprise.Apprise()
        if not self._notifier.add(options.required_url()):
            raise ValueError(f"Apprise does not understand the url of the sink {options.name}")

    async def send(self, alert: Alert) -> None:
        kind = apprise.NotifyType.SUCCESS if alert.over else _KINDS[alert.severity]
        taken = await self._notifier.async_notify(
            body=f"{alert.text}\n\n{alert.id}", title=alert.title, notify_type=kind
        )
        if not taken:
            raise RuntimeError("Apprise could not deliver it")


_KINDS = {"error": apprise.NotifyType.FAILURE, "warning": apprise.NotifyType.WARNING}
