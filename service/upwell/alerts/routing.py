"""Who is told of what. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from upwell.events import IncidentChanged, IncidentStep, Severity

_NEWS: frozenset[IncidentStep] = frozenset({"opened", "worsened", "unsilenced"})
_UPDATES: frozenset[IncidentStep] = frozenset({"changed", "eased", "recovering"})


class Knowing(Protocol):
    """What is known of assets."""

    def has_any(self, selection: str, assets: Sequence[str]) -> bool:
        """Whether one of these is selected."""

    def knows_any(self, assets: Sequence[str]) -> bool:
        """Whether one of these is there."""

    def owners(self, assets: Sequence[str]) -> set[str]:
        """Who owns any of these."""


@dataclass(frozen=True, kw_only=True)
class Reader:
    """Of what somebody wants to be told.

    An asset that is late because of another counts as well as the one that is to blame: whoever reads it wants to know.
    """

    select: str | None = None
    owners: tuple[str, ...] = ()
    min_severity: Severity = "warning"
    updates: bool = False

    @property
    def is_particular(self) -> bool:
        """Whether it matters to it which assets are to blame."""
        return self.select is not None or bool(self.owners)


def wants(reader: Reader, event: IncidentChanged, knowing: Knowing, *, told: bool) -> bool:
    """Whether `reader` is to be told of this change; `told` says whether it knows of the incident.

    Of the end it is told just if it knows of the beginning, whatever has been silenced since. That a deadline which was
    at risk was kept in the end is told to nobody.
    """
    if event.change == "closed":
        kept = event.merged_into is None and event.lateness is not None and event.lateness.only_at_risk
        return told and not kept
    if event.silenced is not None or (event.severity == "warning" and reader.min_severity == "error"):
        return False
    joined = [member.name for member in event.joined if member.name != event.subject]
    if event.change in _NEWS:
        return _is_for(reader, [*event.assets, *joined], knowing)
    if event.change in _UPDATES and (told or event.change != "changed"):
        return told and reader.updates
    # Somebody joined whom it asks for by name: to this reader that is how it begins.
    return bool(joined) and reader.is_particular and _is_for(reader, joined, knowing)


def _is_for(reader: Reader, assets: Sequence[str], knowing: Knowing) -> bool:
    if assets and not knowing.knows_any(assets):
        return True  # their code is not loaded (any more), so nobody knows whose they are: rather told than lost
    selected = reader.select in (None, "*") or knowing.has_any(reader.select or "", assets)
    owned = not reader.owners or not _none_of(reader.owners, knowing.owners(assets))
    return selected and owned


def _none_of(wanted: Collection[str], there: Collection[str]) -> bool:
    return not any(owner in there for owner in wanted)
