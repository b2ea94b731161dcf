"""`upwell list assets`, `list jobs`, `list sources`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import anyio
import typer
from pydantic import BaseModel

from upwell.cli.options import Files, Json, Modules, Select, Url, location_specs, quiet_settings
from upwell.cli.output import ago, print_json, print_table
from upwell.cli.service_api import connect
from upwell.clock import SystemClock
from upwell.settings import Settings
from upwell.web.models import AssetList, JobList, SourceList

M = TypeVar("M", bound=BaseModel)

app = typer.Typer(no_args_is_help=True, add_completion=False, help="List assets, jobs or event sources.")


@app.command()
def assets(
    select: Select = None, file: Files = None, module: Modules = None, url: Url = None, as_json: Json = False
) -> None:
    """List assets: group, kinds, what they listen to."""
    found = _ask(quiet_settings(file, module, url=url), "/assets", AssetList, select)
    rows = [
        (one.key, one.group, ", ".join(one.kinds) or "-", ", ".join(one.sources) or "-", one.description or "")
        for one in found.assets
    ]
    _show(found, ("ASSET", "GROUP", "KINDS", "LISTENS TO", "DESCRIPTION"), rows, as_json=as_json)


@app.command()
def jobs(file: Files = None, module: Modules = None, url: Url = None, as_json: Json = False) -> None:
    """List jobs and the assets they make."""
    found = _ask(quiet_settings(file, module, url=url), "/jobs", JobList)
    rows = [(one.name, ", ".join(one.assets), one.description or "") for one in found.jobs]
    _show(found, ("JOB", "ASSETS", "DESCRIPTION"), rows, as_json=as_json)


@app.command()
def sources(file: Files = None, module: Modules = None, url: Url = None, as_json: Json = False) -> None:
    """List event sources, who listens to them, and when each was heard last."""
    found = _ask(quiet_settings(file, module, url=url), "/sources", SourceList)
    now = SystemClock().now()
    rows = [(one.name, ", ".join(one.assets), ago(one.last_event_at, now)) for one in found.sources]
    _show(found, ("SOURCE", "ASSETS", "LAST EVENT"), rows, as_json=as_json)


def _ask(settings: Settings, path: str, answer: type[M], select: str | None = None) -> M:
    async def ask() -> M:
        async with connect(settings, location_specs(settings)) as api:
            return await api.get(path, answer, select=select)

    return anyio.run(ask)


def _show(found: BaseModel, columns: tuple[str, ...], rows: Sequence[tuple[str, ...]], *, as_json: bool) -> None:
    if as_json:
        print_json(found)
    else:
        print_table(columns, [tuple(" ".join(cell.split()) for cell in row) for row in rows])
