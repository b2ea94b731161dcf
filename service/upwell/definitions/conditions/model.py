"""Automation conditions: when an asset is materialised without an event of its own."""

from __future__ import annotations

from dataclasses import dataclass

EAGER = "eager"


@dataclass(frozen=True)
class AutomationCondition:
    """Made by `AutomationCondition.eager()`; `label` is its name wherever it is shown."""

    label: str

    @staticmethod
    def eager() -> AutomationCondition:
        """Materialise whenever something upstream was."""
        return AutomationCondition(EAGER)

    def get_label(self) -> str:
        """Its name."""
        return self.label
