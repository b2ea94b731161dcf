"""A sink that writes a line: to see what would be told. (The lines of incidents themselves are always written.)"""

from __future__ import annotations

from upwell import logs
from upwell.alerts.alert import Alert
from upwell.alerts.outgoing import Outgoing
from upwell.alerts.sinks.sink import SinkOptions
from upwell.clock import Clock

log = logs.get_logger()


class LogSink:
    """Writes `alert.raised`."""

    def __init__(self, options: SinkOptions, outgoing: Outgoing, clock: Clock) -> None:
        self._name = options.name

    async def send(self, alert: Alert) -> None:
        level = "info" if alert.over else alert.severity
        getattr(log, level)("alert.raised", sink=self._name, alert=alert.id, type=alert.type, title=alert.title)
