"""`upwell sensors preview`, `sensors pause`, `sensors resume`, `sensors ticks`."""

from __future__ import annotations

import json
from typing import Annotated

import anyio
import typer

from upwell.cli.deciding import print_decisions
from upwell.cli.options import Json, Url, quiet_settings
from upwell.cli.output import print_json, say, say_indented
from upwell.cli.service_api import connect, quoted
from upwell.cli.switching import switch
from upwell.cli.ticks import Limit, Status, Traceback, show_ticks
from upwell.events import SensorEvaluated, SensorFailed, WantedRun, decode
from upwell.web.listening_models import Preview, PreviewRequest

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Pause sensors, call them for a look, see ticks.")

Name = Annotated[str, typer.Argument(help="The sensor's name.")]


@app.command()
def preview(
    name: Name,
    cursor: Annotated[
        str | None, typer.Option("--cursor", "-c", help="The cursor to call it with; by default the one it remembers.")
    ] = None,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Call a sensor now and show what it would lead to. Nothing is written; the exit code is 1 when it fails."""
    settings = quiet_settings(url=url)

    async def ask() -> Preview:
        async with connect(settings, (), needs_definitions=False, offline=False) as api:
            return await api.post(f"/sensors/{quoted(name)}/preview", PreviewRequest(cursor=cursor), Preview)

    found = anyio.run(ask)
    events = [decode(event.kind, json.dumps(event.data)) for event in found.events]
    if as_json:
        print_json(found)
    else:
        for event in events:
            if isinstance(event, SensorEvaluated | SensorFailed):
                _print_call(event)
        print_decisions(found.decisions)
    if any(isinstance(event, SensorFailed) for event in events):
        raise typer.Exit(1)


def _print_call(event: SensorEvaluated | SensorFailed) -> None:
    if isinstance(event, SensorFailed):
        say(f"{event.sensor} fails: {event.error.type}: {event.error.message}")
        if event.error.traceback:
            say_indented("", event.error.traceback)
        return
    runs = f"{len(event.runs)} run{'' if len(event.runs) == 1 else 's'}"
    why = f": {event.skip_reason}" if event.skip_reason else ""
    say(f"{event.sensor} asks for {runs}" if event.runs else f"{event.sensor} asks for nothing{why}")
    for run in event.runs:
        say(f"    {_wanted(run)}")
    say("its cursor stays as it is" if event.cursor is None else f"its cursor becomes {event.cursor}")


def _wanted(run: WantedRun) -> str:
    facts = {
        "job": run.job,
        "assets": ", ".join(run.assets),
        "checks": ", ".join(run.checks),
        "partition": run.partition,
        "key": run.run_key,
        "config": None if run.config is None else json.dumps(run.config, ensure_ascii=False),
        "tags": ", ".join(f"{key}={value}" for key, value in run.tags.items()),
    }
    return "  ".join(f"{name} {value}" for name, value in facts.items() if value) or "what the sensor is for"


@app.command()
def pause(name: Name, url: Url = None, as_json: Json = False) -> None:
    """Have a sensor rest: it is not called until it is resumed. It is kept over restarts."""
    switch("sensor", name, active=False, url=url, as_json=as_json)


@app.command()
def resume(name: Name, url: Url = None, as_json: Json = False) -> None:
    """Have a sensor go on, also one that the code switches off."""
    switch("sensor", name, active=True, url=url, as_json=as_json)


@app.command()
def ticks(
    name: Name,
    limit: Limit = 20,
    status: Status = None,
    traceback: Traceback = False,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Show the newest calls of a sensor: the runs that it asked for, why it skipped, how it failed."""
    show_ticks(name, limit=limit, status=status, traceback=traceback, url=url, as_json=as_json)
