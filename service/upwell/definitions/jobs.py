"""Jobs: named parts of the asset graph that people run as one."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field

from upwell.definitions.selection import AssetSelection, CoercibleToAssetSelection
from upwell.definitions.signature import Place
from upwell.events import Json

_NAME = re.compile(r"[A-Za-z0-9_.-]+")


@dataclass(frozen=True, kw_only=True)
class AssetJobDefinition:
    """A job over the assets that `selection` chooses once the whole graph is known."""

    name: str
    selection: AssetSelection
    config: Json = field(default=None, hash=False)
    description: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict, hash=False)
    place: Place = field(default_factory=Place, compare=False)


def define_asset_job(
    name: str,
    selection: CoercibleToAssetSelection | None = None,
    config: Json = None,
    description: str | None = None,
    tags: Mapping[str, str] | None = None,
) -> AssetJobDefinition:
    """A job that materialises the selected assets, by default all.

    Raises:
        DagsterInvalidDefinitionError: a name that a job cannot have.
        DagsterInvalidAssetSelectionError: a selection string that cannot be read.
    """
    caller = sys._getframe(1)  # no function is decorated here whose place could be told
    place = Place(file=caller.f_code.co_filename, line=caller.f_lineno)
    if not _NAME.fullmatch(name):
        raise place.error(f"{name!r} is no valid name for a job: use letters, digits, '_', '-' and '.'")
    chosen = AssetSelection.all() if selection is None else AssetSelection.from_coercible(selection)
    return AssetJobDefinition(
        name=name, selection=chosen, config=config, description=description, tags=dict(tags or {}), place=place
    )
