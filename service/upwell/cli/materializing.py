"""`upwell materialize`: by a run of our own, or by the service where one has the database open."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import anyio
import typer

from upwell.cli.failures import UsageError
from upwell.cli.options import Files, Modules, Select, Url, quiet_settings, required_specs
from upwell.cli.options import Json as AsJson
from upwell.cli.output import note, print_json
from upwell.cli.run_by_service import run_by_service
from upwell.cli.run_here import run_here
from upwell.cli.run_report import RunReport
from upwell.cli.run_request import RunRequest
from upwell.cli.service_api import connect
from upwell.errors import JournalInUse
from upwell.events import Json
from upwell.runtime.messages import LocationSpec
from upwell.settings import Settings

Partition = Annotated[str | None, typer.Option("--partition", "-p", help="The partition of those that have some.")]
Config = Annotated[
    str | None, typer.Option("--config", "-c", help="Config of the run: JSON, or the name of a file that holds it.")
]


def materialize(
    select: Select = None,
    partition: Partition = None,
    config: Config = None,
    file: Files = None,
    module: Modules = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Make assets now, upstream first, and show how it goes. The exit code is 1 when the run failed.

    While a service has the database open, the service carries out the run.
    """
    settings = quiet_settings(file, module, url=url)
    request = RunRequest(select=select, partition=partition, config=_read_config(config))
    report = RunReport(quiet=as_json)
    anyio.run(_materialize, settings, required_specs(settings), request, report)
    if as_json:
        print_json(report.as_json())
    if not report.succeeded:
        raise typer.Exit(1)


async def _materialize(
    settings: Settings, specs: Sequence[LocationSpec], request: RunRequest, report: RunReport
) -> None:
    try:
        await run_here(settings, specs, request, report)
    except JournalInUse:
        async with connect(settings, (), offline=False) as api:
            note(f"a service is running here, so it makes them: {settings.base_url}")
            await run_by_service(api, request, report)


def _read_config(text: str | None) -> Json:
    if text is None:
        return None
    try:
        return json.loads(text if text.lstrip().startswith("{") else Path(text).read_text())
    except (OSError, ValueError) as error:
        raise UsageError(f"--config is neither JSON nor a file that holds it: {error}") from None
