"""`upwell status`."""

from __future__ import annotations

import sys
from typing import Annotated

import anyio
import typer
from rich.cells import cell_len
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from upwell.cli.failures import Unreachable, UsageError
from upwell.cli.options import Files, Json, Modules, Url, location_specs, quiet_settings
from upwell.cli.output import print_json, print_table, say
from upwell.cli.service_api import ServiceApi, connect
from upwell.cli.standings import COLUMNS, Line, Standings, Trouble, standings
from upwell.clock import SystemClock
from upwell.logs import escape
from upwell.web.models import AssetList

Selection = Annotated[str | None, typer.Argument(metavar="[SELECTION]", help="Which assets; all by default.")]
Watch = Annotated[bool, typer.Option("--watch", "-w", help="Go on, and show what changes, until Ctrl-C.")]
Limit = Annotated[int, typer.Option("--limit", "-n", min=1, help="How many assets at most, the worst first.")]

_STYLES = {
    Trouble.LATE: "bold red",
    Trouble.AT_RISK: "bold yellow",
    Trouble.WARNED: "yellow",
    Trouble.INPUT_LATE: "yellow",
    Trouble.FAILED: "red",
    Trouble.UNKNOWN: "dim",
    Trouble.FRESH: "green",
    Trouble.NO_POLICY: "dim",
}
_STATUS_STYLES = {"failed": "red", "stale": "yellow", "materializing": "cyan", "never": "dim"}
_OPTIONAL = ("STATUS", "SINCE", "LAST MADE")  # what a narrow terminal goes without, the first first
_GAP = 2  # between columns
_LEAST_CAUSE = 20
_KINDS = (
    "freshness.changed",
    "freshness.at_risk",
    "asset.materialized",
    "asset.observed",
    "asset.failed",
    "step.started",
    "run.failed",
    "run.canceled",
    "location.loaded",
)
_TURN = 1.0  # seconds; ages move on although nothing happens
_QUIET = 0.2  # seconds in which several changes become one


def status(
    selection: Selection = None,
    watch: Watch = False,
    limit: Limit = 50,
    file: Files = None,
    module: Modules = None,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Show what is fresh, late and at risk, trouble first. Ends with 1 when something is late, for cron and CI.

    Asks the service; without one, reads the journal on disk.
    """
    settings = quiet_settings(file, module, url=url)
    if watch and (as_json or not sys.stdout.isatty()):
        raise UsageError("--watch draws on a terminal; for programs there is `upwell events tail --follow --json`")

    async def ask() -> AssetList:
        async with connect(settings, location_specs(settings)) as api:
            if watch:
                if not api.live:
                    raise Unreachable(f"there is nothing to watch: no service answers at {settings.base_url}")
                await _watch(api, selection)
            return await api.get("/assets", AssetList, select=selection)

    try:
        found = anyio.run(ask)
    except KeyboardInterrupt:
        raise typer.Exit(0) from None
    present = standings(found.assets, SystemClock().now(), limit)
    if as_json:
        print_json(found)
    else:
        _print(present)
    if present.late:
        raise typer.Exit(1)


def _print(present: Standings) -> None:
    if sys.stdout.isatty():
        console = Console()
        console.print(drawn(present, console.width))
        return
    print_table(COLUMNS, [line.cells for line in present.lines])
    if present.more:
        say(present.more)
    say(", ".join(text for _, text in present.sums) or "no assets")


def drawn(present: Standings, width: int) -> Group:
    """The table, each row on one line however narrow the terminal is, and the last line."""
    widths = [
        max(cell_len(escape(row[n])) for row in (COLUMNS, *(line.cells for line in present.lines)))
        for n in range(len(COLUMNS))
    ]
    shown = [*range(len(COLUMNS))]
    for name in _OPTIONAL:
        if sum(widths[n] + _GAP for n in shown) - widths[-1] + _LEAST_CAUSE > width:
            shown.remove(COLUMNS.index(name))
    table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, _GAP, 0, 0))
    for n in shown:
        table.add_column(COLUMNS[n], no_wrap=COLUMNS[n] != "CAUSE", overflow="ellipsis")
    room = width - sum(widths[n] + _GAP for n in shown[:-1]) - _GAP
    for line in present.lines:
        cells = [Text(escape(cell), style=_style(name, line)) for name, cell in zip(COLUMNS, line.cells, strict=True)]
        cells[-1].truncate(max(room, 1), overflow="ellipsis")
        table.add_row(*(cells[n] for n in shown))
    summary = Text(", ").join(Text(text, style=_STYLES[trouble]) for trouble, text in present.sums)
    more = [Text(present.more, style="dim")] if present.more else []
    return Group(table, *more, Text(""), summary or Text("no assets"))


def _style(column: str, line: Line) -> str:
    match column:
        case "ASSET":
            return "bold" if line.trouble < Trouble.UNKNOWN else ""
        case "FRESHNESS" | "DEADLINE":
            return _STYLES[line.freshness]
        case "STATUS":
            return _STATUS_STYLES.get(line.cells[COLUMNS.index(column)], "")
        case _:
            return ""


async def _watch(api: ServiceApi, selection: str | None) -> None:
    """Draw until Ctrl-C, anew whenever something happened."""
    console = Console()
    changed = anyio.Event()

    async def listen() -> None:
        nonlocal changed
        async with api.follow(kind=list(_KINDS)) as events:
            async for _ in events:
                changed.set()
        raise Unreachable("the service has stopped")

    async def draw() -> None:
        nonlocal changed
        found = await api.get("/assets", AssetList, select=selection)
        with Live(console=console, auto_refresh=False, screen=True) as live:
            while True:
                live.update(_screen(found, console), refresh=True)
                with anyio.move_on_after(_TURN):
                    await changed.wait()
                if changed.is_set():
                    await anyio.sleep(_QUIET)
                    changed = anyio.Event()
                    found = await api.get("/assets", AssetList, select=selection)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(listen)
        tasks.start_soon(draw)


def _screen(found: AssetList, console: Console) -> Group:
    now = SystemClock().now()
    present = standings(found.assets, now, max(1, console.height - 6))
    clock = Text(f"upwell status  {now.astimezone():%H:%M:%S}  (Ctrl-C ends)", style="dim")
    return Group(clock, Text(""), drawn(present, console.width))
