"""The newest calls of a sensor or a schedule, as `sensors ticks` and `schedules ticks` show them."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import anyio
import typer

from upwell.cli.options import quiet_settings
from upwell.cli.output import local, print_json, print_table, say_indented
from upwell.cli.service_api import connect
from upwell.logs import spoken
from upwell.web.listening_models import Tick, TickPage, TickRun

Limit: TypeAlias = Annotated[int, typer.Option("--limit", "-n", min=1, max=200, help="How many of the newest.")]
Status: TypeAlias = Annotated[
    Literal["requested", "skipped", "failed"] | None, typer.Option("--status", help="Only calls that ended so.")
]
Traceback: TypeAlias = Annotated[bool, typer.Option("--traceback", "-t", help="Also print tracebacks.")]


def show_ticks(name: str, *, limit: int, status: str | None, traceback: bool, url: str | None, as_json: bool) -> None:
    """Print them, newest first."""
    settings = quiet_settings(url=url)

    async def ask() -> TickPage:
        async with connect(settings, (), needs_definitions=False) as api:
            return await api.get("/ticks", TickPage, sensor=name, status=status, limit=limit)

    found = anyio.run(ask)
    if as_json:
        print_json(found)
        return
    rows = [(local(one.at), f"#{one.event_id}", one.status, _about(one), spoken(one.duration)) for one in found.ticks]
    print_table(("TIME", "EVENT", "RESULT", "", "TOOK"), rows)
    for one in found.ticks if traceback else ():
        if one.error is not None and one.error.traceback:
            say_indented(f"#{one.event_id}", one.error.traceback)


def _about(tick: Tick) -> str:
    """What came of the call, in a line."""
    if tick.error is not None:
        again = "" if tick.retry_at is None else f"; again at {local(tick.retry_at)}"
        return f"attempt {tick.attempt}: {tick.error.type}: {tick.error.message}{again}"
    parts = [_run(run) for run in tick.runs]
    return "; ".join((*parts, *tick.rejected)) or tick.skip_reason or ""


def _run(run: TickRun) -> str:
    what = " ".join(text for text in (run.job or ", ".join(run.assets), run.partition) if text)
    key = f" (key {run.run_key})" if run.run_key is not None else ""
    if run.suppressed:
        return f"{what}{key} had run {_short(run.run_id)} already".strip()
    return f"{what}{key} -> run {_short(run.run_id)}".strip() if run.run_id else f"{what}{key}: not decided yet".strip()


def _short(run_id: str | None) -> str:
    return (run_id or "")[:8]
