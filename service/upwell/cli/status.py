"""`upwell status`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import anyio
import typer

from upwell.cli.options import Files, Json, Modules, Url, location_specs, quiet_settings
from upwell.cli.output import print_json, print_table
from upwell.cli.service_api import connect
from upwell.clock import SystemClock
from upwell.web.models import Asset, AssetList, Freshness
from upwell.web.wording import ago

Selection = Annotated[str | None, typer.Argument(metavar="[SELECTION]", help="Which assets; all by default.")]


def status(
    selection: Selection = None, file: Files = None, module: Modules = None, url: Url = None, as_json: Json = False
) -> None:
    """Show which assets are up to date and fresh. Asks the service; without one, reads the journal on disk."""
    settings = quiet_settings(file, module, url=url)

    async def ask() -> AssetList:
        async with connect(settings, location_specs(settings)) as api:
            return await api.get("/assets", AssetList, select=selection)

    found = anyio.run(ask)
    if as_json:
        print_json(found)
    else:
        now = SystemClock().now()
        rows = [_row(one, now) for one in found.assets]
        print_table(("ASSET", "STATUS", "FRESHNESS", "SINCE", "LAST MATERIALIZED"), rows)


def _fresh(freshness: Freshness) -> str:
    """Its own state, and beside it what its input inherits."""
    late = freshness.inherited_from
    return freshness.state if late is None else f"{freshness.state} (input late: {late})"


def _row(asset: Asset, now: datetime) -> tuple[str, ...]:
    freshness, made = asset.freshness, asset.last_materialization
    return (
        asset.key,
        asset.status,
        _fresh(freshness) if freshness else "-",
        ago(freshness.changed_at, now) if freshness else "-",
        ago(made.at, now) if made else "never",
    )
