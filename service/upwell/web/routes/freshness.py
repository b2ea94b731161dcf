"""Freshness over time."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Query

from upwell.durations import parse_duration
from upwell.errors import DefinitionError
from upwell.web.catalogue import find_asset
from upwell.web.freshness_history import read_history
from upwell.web.freshness_models import FreshnessHistory
from upwell.web.parts import Parts
from upwell.web.problems import ProblemError

router = APIRouter(tags=["assets"])

_SHORTEST, _LONGEST = timedelta(seconds=1), timedelta(days=400)


@router.get("/freshness/{key:path}/history")
async def get_freshness_history(
    key: str,
    parts: Parts,
    window: str = "30d",
    objective: Annotated[float, Query(gt=0, lt=100)] = 99.0,
) -> FreshnessHistory:
    """How much of the time up to now an asset was fresh, exact from its transitions.

    `objective` is the percentage of the time in which it is to be fresh: what of its error budget is used up, and how
    fast that went lately, follows from it.
    """
    find_asset(parts, key)
    return await read_history(parts, key, _window(window), objective)


def _window(text: str) -> timedelta:
    try:
        window = parse_duration(text, what="window")
    except DefinitionError as error:
        raise ProblemError(422, error.message) from None
    if not _SHORTEST <= window <= _LONGEST:
        raise ProblemError(422, f"window={text} is out of bounds: it is from 1s to {_LONGEST.days}d")
    return window
