"""`upwell schedules pause`, `schedules resume`, `schedules ticks`."""

from __future__ import annotations

from typing import Annotated

import typer

from upwell.cli.options import Json, Url
from upwell.cli.switching import switch
from upwell.cli.ticks import Limit, Status, Traceback, show_ticks

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Pause schedules, and see their ticks.")

Name = Annotated[str, typer.Argument(help="The schedule's name.")]


@app.command()
def pause(name: Name, url: Url = None, as_json: Json = False) -> None:
    """Have a schedule rest: it is not called until it is resumed. It is kept over restarts."""
    switch("schedule", name, active=False, url=url, as_json=as_json)


@app.command()
def resume(name: Name, url: Url = None, as_json: Json = False) -> None:
    """Have a schedule go on, also one that the code switches off."""
    switch("schedule", name, active=True, url=url, as_json=as_json)


@app.command()
def ticks(
    name: Name,
    limit: Limit = 20,
    status: Status = None,
    traceback: Traceback = False,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Show the newest calls of a schedule: the runs that it asked for, why it skipped, how it failed."""
    show_ticks(name, limit=limit, status=status, traceback=traceback, url=url, as_json=as_json)
