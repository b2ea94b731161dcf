"""`upwell alerts list`, `alerts silence`, `alerts silences`, `alerts unsilence`."""

from __future__ import annotations

from typing import Annotated

import anyio
import typer

from upwell.cli.failures import UsageError
from upwell.cli.options import Json, Url, quiet_settings
from upwell.cli.output import local, print_json, print_table, say
from upwell.cli.service_api import connect, quoted
from upwell.cli.switching import who
from upwell.durations import parse_duration
from upwell.errors import DefinitionError
from upwell.web.alerting_models import IncidentPage, Silence, SilenceEnding, SilenceList, SilenceOver, SilenceRequest

app = typer.Typer(no_args_is_help=True, add_completion=False, help="See what is wrong, and silence alerts.")


@app.command("list")
def list_incidents(
    everything: Annotated[bool, typer.Option("--all", help="Also those that are over.")] = False,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=500, help="How many at most.")] = 50,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Show what is wrong now, one line for each cause."""
    settings = quiet_settings(url=url)

    async def ask() -> IncidentPage:
        async with connect(settings, (), needs_definitions=False) as api:
            return await api.get("/incidents", IncidentPage, open=None if everything else True, limit=limit)

    page = anyio.run(ask)
    if as_json:
        print_json(page)
    elif not page.incidents:
        say("nothing is wrong")
    else:
        rows = [
            [
                local(one.opened_at),
                one.severity if one.open else "over",
                one.trouble,
                one.subject,
                str(one.affected),
                one.silenced or "",
                one.summary,
            ]
            for one in page.incidents
        ]
        print_table(["SINCE", "SEVERITY", "TROUBLE", "TO BLAME", "AFFECTED", "SILENCED", "WHAT"], rows)


@app.command()
def silence(
    select: Annotated[str, typer.Option("--select", "-s", help="Which assets to blame; * for everything.")],
    duration: Annotated[str, typer.Option("--for", help="For how long, such as 90m, 2h or 3d.")],
    reason: Annotated[str | None, typer.Option("--reason", help="Why, for the others.")] = None,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Have nobody told of what these assets are to blame for. What is still wrong at the end is told then."""
    settings = quiet_settings(url=url)
    request = SilenceRequest(select=select, seconds=_seconds(duration), reason=reason, by=who())

    async def ask() -> Silence:
        async with connect(settings, (), needs_definitions=False, offline=False) as api:
            return await api.post("/silences", request, Silence)

    made = anyio.run(ask)
    if as_json:
        print_json(made)
    else:
        say(f"{made.select} is silenced until {local(made.until)}; end it with: upwell alerts unsilence {made.silence}")


@app.command()
def silences(url: Url = None, as_json: Json = False) -> None:
    """Show the silences that somebody asked for."""
    settings = quiet_settings(url=url)

    async def ask() -> SilenceList:
        async with connect(settings, (), needs_definitions=False) as api:
            return await api.get("/silences", SilenceList)

    found = anyio.run(ask)
    if as_json:
        print_json(found)
    elif not found.silences:
        say("nothing is silenced")
    else:
        rows = [
            [one.silence, one.select, local(one.until), one.silenced_by or "", one.reason or ""]
            for one in found.silences
        ]
        print_table(["SILENCE", "SELECT", "UNTIL", "BY", "REASON"], rows)


@app.command()
def unsilence(
    name: Annotated[str, typer.Argument(metavar="SILENCE", help="The silence, as `upwell alerts silences` shows it.")],
    url: Url = None,
    as_json: Json = False,
) -> None:
    """End a silence before its time; what it kept back and is still wrong is told now."""
    settings = quiet_settings(url=url)

    async def ask() -> SilenceOver:
        async with connect(settings, (), needs_definitions=False, offline=False) as api:
            return await api.post(f"/silences/{quoted(name)}/end", SilenceEnding(by=who()), SilenceOver)

    over = anyio.run(ask)
    if as_json:
        print_json(over)
    else:
        say(f"silence {over.silence} is over")


def _seconds(text: str) -> float:
    try:
        seconds = parse_duration(text, what="--for").total_seconds()
    except DefinitionError as error:
        raise UsageError(str(error)) from None
    if seconds <= 0:
        raise UsageError(f"--for={text} is no time at all")
    return seconds
