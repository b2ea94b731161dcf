"""Why: the decisions about an asset."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from upwell.web import explanation, models
from upwell.web.parts import Parts

router = APIRouter(tags=["assets"])


@router.get("/explain")
async def explain(
    asset: str, parts: Parts, before: int | None = None, limit: Annotated[int, Query(ge=1, le=500)] = 50
) -> models.Explanation:
    """Why an asset is as it is: what it waits for now, and the decisions about it, newest first."""
    return await explanation.explain(parts, asset, before=before, limit=limit)
