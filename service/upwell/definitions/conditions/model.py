"""Automation conditions: when an asset is materialised without an event of its own."""

from __future__ import annotations

from dataclasses import dataclass

EAGER = "eager"
KEEP_FRESH = "keep_fresh"


@dataclass(frozen=True)
class AutomationCondition:
    """Made by `.eager()` or `.keep_fresh()`; `label` is its name wherever it is shown."""

    label: str

    @staticmethod
    def eager() -> AutomationCondition:
        """Materialise whenever something upstream was."""
        return AutomationCondition(EAGER)

    @staticmethod
    def keep_fresh() -> AutomationCondition:
        """Materialise, upstream first, as late as is still safe for the deadline of the freshness policy.

        What it does, and when, is in docs/freshness.md; an asset without a freshness policy has no deadline.
        """
        return AutomationCondition(KEEP_FRESH)

    def get_label(self) -> str:
        """Its name."""
        return self.label
