"""The catalogue: assets, their lineage, freshness and checks."""

from __future__ import annotations

from fastapi import APIRouter

from upwell.web import models
from upwell.web.catalogue import find_asset, read_present, selected
from upwell.web.parts import Parts
from upwell.web.presenting import (
    RECENT_PARTITIONS,
    present_asset,
    present_asset_detail,
    present_check,
    present_freshness,
    present_lineage,
)

router = APIRouter(tags=["assets"])


@router.get("/assets")
async def list_assets(parts: Parts, select: str | None = None) -> models.AssetList:
    """The catalogue, upstream first."""
    keys = selected(parts, select)
    present = await read_present(parts)
    return models.AssetList(assets=tuple(present_asset(key, present) for key in keys if key in present.graph.assets))


@router.get("/assets/{key:path}")
async def get_asset(key: str, parts: Parts) -> models.AssetDetail:
    """One asset; its key may hold slashes."""
    find_asset(parts, key)
    present = await read_present(parts)
    summary = await parts.queries.partition_summary(key, RECENT_PARTITIONS)
    return present_asset_detail(key, present, summary, parts.clock.now())


@router.get("/lineage")
async def get_lineage(parts: Parts, select: str | None = None) -> models.Lineage:
    """The graph, or the selected part of it."""
    keys = selected(parts, select)
    return present_lineage(keys, await read_present(parts))


@router.get("/freshness")
async def list_freshness(parts: Parts, select: str | None = None) -> models.FreshnessList:
    """The freshness of every asset that has a policy."""
    keys = selected(parts, select)
    present = await read_present(parts)
    found = [present_freshness(node, present) for key in keys if (node := present.graph.assets.get(key)) is not None]
    return models.FreshnessList(freshness=tuple(one for one in found if one is not None))


@router.get("/checks")
async def list_checks(parts: Parts, asset: str | None = None) -> models.CheckList:
    """Every declared check with its newest evaluation."""
    graph = parts.project.graph
    declared = graph.checks.values() if asset is None else graph.checks_of(find_asset(parts, asset).key)
    states = {f"{state.asset}:{state.check}": state for state in await parts.queries.check_states(asset)}
    return models.CheckList(checks=tuple(present_check(check, states.get(check.key)) for check in declared))
