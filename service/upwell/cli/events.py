"""`upwell events tail`; `events replay` and `events dead` stand in `replaying`."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Annotated, Any

import anyio
import typer

from upwell.cli import replaying
from upwell.cli.failures import Unreachable
from upwell.cli.options import Json, Url, quiet_settings
from upwell.cli.output import local, say
from upwell.cli.service_api import ServiceApi, connect
from upwell.web.models import Event, EventPage

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Read the journal, and replay what it holds.")

_SHOWN_ALREADY = {"asset", "partition", "run_id", "source", "plan", "cursor", "headers", "data", "error", "metadata"}


@app.callback()
def events() -> None:
    """Read the journal: everything that happened, in order. Have events of it decided on once more."""


app.command()(replaying.replay)
app.command()(replaying.dead)


@app.command()
def tail(
    limit: Annotated[int, typer.Option("--limit", "-n", min=0, max=1000, help="How many of the newest events.")] = 20,
    follow: Annotated[bool, typer.Option("--follow", help="Go on with what happens, until Ctrl-C.")] = False,
    kind: Annotated[list[str] | None, typer.Option("--kind", "-k", help="Only this kind; may be repeated.")] = None,
    asset: Annotated[str | None, typer.Option("--asset", "-a", help="Only events of this asset.")] = None,
    run: Annotated[str | None, typer.Option("--run", "-r", help="Only events of this run.")] = None,
    source: Annotated[str | None, typer.Option("--source", help="Only events of this source.")] = None,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Print the newest events, oldest first; with --json one object a line."""
    settings = quiet_settings(url=url)
    wanted = {"kind": kind, "asset": asset, "run": run, "source": source}

    async def show() -> None:
        async with connect(settings, (), needs_definitions=False) as api:
            if follow and not api.live:
                raise Unreachable(f"there is nothing to follow: no service answers at {settings.base_url}")
            newest = await _print_newest(api, limit, wanted, as_json=as_json)
            if follow:
                await _follow(api, newest, wanted, as_json=as_json)

    try:
        anyio.run(show)
    except KeyboardInterrupt:
        raise typer.Exit(0) from None


async def _print_newest(api: ServiceApi, limit: int, wanted: Mapping[str, Any], *, as_json: bool) -> int | None:
    """Print them; returns the id of the newest event of all, to go on from."""
    latest = (await api.get("/events", EventPage, limit=1)).events
    page = await api.get("/events", EventPage, limit=limit, **wanted) if limit else EventPage(events=(), next=None)
    for event in reversed(page.events):
        _print(event, as_json=as_json)
    return max([event.id for event in (*latest, *page.events)], default=None)


async def _follow(api: ServiceApi, after: int | None, wanted: Mapping[str, Any], *, as_json: bool) -> None:
    """Print what happens from `after` on. The stream knows kinds and assets; the rest is sifted here."""
    async with api.follow(after=after, kind=wanted["kind"], asset=wanted["asset"]) as events:
        async for event in events:
            if wanted["run"] in (None, event.run_id) and wanted["source"] in (None, event.source):
                _print(event, as_json=as_json)


def _print(event: Event, *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(event.model_dump_json() + "\n")
        sys.stdout.flush()
        return
    about = event.asset or event.source or (event.run_id or "")[:8]
    rest = {
        key: value for key, value in event.data.items() if key not in _SHOWN_ALREADY and value not in (None, [], {})
    }
    facts = ([f"partition={event.partition}"] if event.partition else []) + [
        f"{k}={_brief(v)}" for k, v in rest.items()
    ]
    say(f"{local(event.at)}  #{event.id:<6} {event.kind:<18} {about} {' '.join(facts)}".rstrip())


def _brief(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 120 else f"{text[:119]}…"
