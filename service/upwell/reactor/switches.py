"""Which sources, sensors and schedules are switched on."""

from __future__ import annotations

from collections.abc import Iterable

from upwell.definitions.snapshot import SensorNode
from upwell.events import Event, Listening, ListeningPaused, ListeningResumed
from upwell.journal.views import Switch


class Switches:
    """What somebody switched off or on; what nobody touched is as the code says."""

    def __init__(self, switches: Iterable[Switch] = ()) -> None:
        self._active: dict[tuple[Listening, str], bool] = {(one.what, one.name): one.active for one in switches}

    def active(self, what: Listening, name: str, *, otherwise: bool = True) -> bool:
        """Whether it is switched on; `otherwise` is what the code says."""
        return self._active.get((what, name), otherwise)

    def sensor_active(self, node: SensorNode) -> bool:
        """Whether a sensor, or a schedule, is switched on."""
        return self.active("schedule" if node.kind == "schedule" else "sensor", node.name, otherwise=node.active)

    def apply(self, event: Event) -> None:
        """Follow a switch; other events mean nothing here."""
        match event:
            case ListeningPaused(what=what, name=name):
                self._active[what, name] = False
            case ListeningResumed(what=what, name=name):
                self._active[what, name] = True
            case _:
                pass
