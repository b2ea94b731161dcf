"""Questions and answers: a condition that is asked of an asset or a check at a place in a tree, and what it said."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from upwell.definitions.conditions.model import AutomationCondition, BuiltIn
from upwell.definitions.conditions.state import EMPTY, ConditionCursor, Subset

Times: TypeAlias = Mapping[str | None, float]
"""When what a condition is true of happened, by partition (seconds since the epoch)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What a condition said of an asset or check: true of which of the candidates, and because of which answers.

    `times` is none where the condition is not about something that happens at an instant.
    """

    key: str
    condition: AutomationCondition
    candidates: Subset
    true: Subset
    children: tuple[Answer, ...] = ()
    times: Times | None = None


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Where in whose tree of conditions a question is asked, and of what.

    Attributes:
        root: whose condition it is.
        key: what it is asked of.
        former: what the condition remembers.
        notes: what it is to remember.
        above: the conditions that this one is part of.
    """

    root: str
    key: str
    node: str
    candidates: Subset
    former: ConditionCursor | None
    notes: dict[str, Subset | str | None] = field(repr=False)
    above: tuple[AutomationCondition, ...] = ()

    @property
    def note(self) -> Subset | str | None:
        """What this place in the tree remembers."""
        return None if self.former is None else self.former.notes.get(self.node)

    @property
    def known(self) -> Subset:
        """The same, of a place that remembers partitions."""
        return self.note if isinstance(self.note, frozenset) else EMPTY


def said(
    condition: AutomationCondition,
    asked: Asked,
    true: Subset,
    children: Iterable[Answer] = (),
    times: Times | None = None,
) -> Answer:
    return Answer(
        key=asked.key,
        condition=condition,
        candidates=asked.candidates,
        true=true,
        children=tuple(children),
        times=times,
    )


def node_of(parent: str, place: int | None, name: str) -> str:
    """The name of a place in a tree of conditions."""
    return hashlib.blake2b(f"{parent}\0{place}\0{name}".encode(), digest_size=8).hexdigest()


def lasting_node(condition: BuiltIn, key: str) -> str:
    """The name of a condition that is known again wherever it stands, also when a selection within it changed."""
    return node_of(key, None, condition.shape)
