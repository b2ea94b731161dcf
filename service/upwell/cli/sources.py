"""`upwell sources pause`, `sources resume`."""

from __future__ import annotations

from typing import Annotated

import typer

from upwell.cli.options import Json, Url
from upwell.cli.switching import switch

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Pause event sources, and have them go on.")

Name = Annotated[str, typer.Argument(help="The source's name as `upwell list sources` shows it, e.g. webhook:orders.")]


@app.command()
def pause(name: Name, url: Url = None, as_json: Json = False) -> None:
    """Have a source rest: what it tells until it is resumed leads to nothing. It is kept over restarts."""
    switch("source", name, active=False, url=url, as_json=as_json)


@app.command()
def resume(name: Name, url: Url = None, as_json: Json = False) -> None:
    """Have a source go on. What came meanwhile can be replayed: `upwell events replay --source NAME --since T`."""
    switch("source", name, active=True, url=url, as_json=as_json)
