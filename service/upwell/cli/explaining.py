"""`upwell explain`."""

from __future__ import annotations

from typing import Annotated

import anyio
import typer

from upwell.cli.options import Files, Json, Modules, Url, location_specs, quiet_settings
from upwell.cli.output import print_json, print_timed, say
from upwell.cli.service_api import connect
from upwell.web.models import Explanation


def explain(
    asset: Annotated[str, typer.Argument(help="The asset's key, for example marts/fct_orders.")],
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=500, help="How many decisions.")] = 20,
    file: Files = None,
    module: Modules = None,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Say why an asset is stale, why it ran, and why it did not: the decisions about it, newest first."""
    settings = quiet_settings(file, module, url=url)

    async def ask() -> Explanation:
        async with connect(settings, location_specs(settings)) as api:
            return await api.get("/explain", Explanation, asset=asset, limit=limit)

    found = anyio.run(ask)
    if as_json:
        print_json(found)
        return
    for text in (found.summary, *found.now):
        say(text)
    if found.decisions:
        say("")
        print_timed([(one.at, one.sentence) for one in found.decisions])
    else:
        say("Nothing was decided about it yet.")
