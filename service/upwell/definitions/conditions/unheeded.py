"""Conditions that the service does not act on yet: said wherever somebody would wait for them."""

from __future__ import annotations

from collections.abc import Iterable

from upwell.definitions.conditions.model import EAGER, KEEP_FRESH
from upwell.definitions.snapshot import AssetNode


def is_unheeded(node: AssetNode) -> bool:
    """Whether the asset has a condition that makes nothing in the service."""
    return node.step is not None and node.automation not in (None, EAGER, KEEP_FRESH)


def unheeded(nodes: Iterable[AssetNode]) -> list[AssetNode]:
    """The assets of which that is so."""
    return [node for node in nodes if is_unheeded(node)]


def unheeded_note(node: AssetNode) -> str:
    """What is to be known of it, in a sentence."""
    return (
        f"the service does not act on the automation condition {node.automation} of {node.key!r} yet, and what is "
        f"above does not make it either; it acts on eager() and keep_fresh(). Give it a schedule, a sensor or on=, or "
        f"make it by `upwell materialize --select {node.key}`"
    )
