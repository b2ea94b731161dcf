"""Conditions that the service does not act on yet: said wherever somebody would wait for them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from upwell.definitions.conditions.model import EAGER, KEEP_FRESH
from upwell.definitions.snapshot import AssetNode, CheckNode


@dataclass(frozen=True, kw_only=True)
class Unheeded:
    """The condition of an asset or a check that makes nothing in the service; `note` is what is to be known of it."""

    key: str
    condition: str
    note: str
    file: str | None = None
    line: int | None = None


def unheeded(assets: Iterable[AssetNode], checks: Iterable[CheckNode] = ()) -> Iterator[Unheeded]:
    """Those among these."""
    places = {}
    for node in assets:
        places[node.key] = (node.file, node.line)
        if node.step is not None and node.automation not in (None, EAGER, KEEP_FRESH):
            note = (
                f"the service does not act on the automation condition {node.automation} of {node.key!r} yet, and what "
                f"is above does not make it either; it acts on eager() and keep_fresh(). Give it a schedule, a sensor "
                f"or on=, or make it by `upwell materialize --select {node.key}`"
            )
            yield Unheeded(key=node.key, condition=node.automation, note=note, file=node.file, line=node.line)
    for check in checks:
        if check.automation is not None:
            note = (
                f"the service does not act on the automation condition {check.automation} of the check {check.key!r} "
                "yet; the check runs when its asset is made"
            )
            file, line = places.get(check.asset, (None, None))
            yield Unheeded(key=check.key, condition=check.automation, note=note, file=file, line=line)
