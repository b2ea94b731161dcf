"""`upwell db upgrade`, `db backup`, `db prune`."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import anyio
import typer

from upwell.cli.failures import UsageError
from upwell.cli.options import Json, quiet_settings
from upwell.cli.output import print_json, say
from upwell.clock import SystemClock
from upwell.durations import parse_duration
from upwell.journal.backup import back_up
from upwell.journal.database import open_journal
from upwell.journal.retention import Pruned
from upwell.journal.schema import HEAD
from upwell.settings import Settings

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Upgrade, back up or prune the database.")


@app.command()
def upgrade(as_json: Json = False) -> None:
    """Bring the database's schema up to date; make it if there is none. The service does the same at its start."""
    settings = quiet_settings()

    async def work() -> None:
        async with open_journal(settings.database_url, clock=SystemClock()):
            pass

    anyio.run(work)
    if as_json:
        print_json({"schema": HEAD})
    else:
        say(f"the database has schema {HEAD}")


@app.command()
def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The new file to copy to.")], as_json: Json = False
) -> None:
    """Copy the database to FILE, also while the service runs; the copy is the database at one instant."""
    path = quiet_settings().sqlite_path
    if path is None:
        raise UsageError("this copies SQLite databases; for PostgreSQL say: pg_dump --format=custom --file=FILE")
    size = back_up(path, file)
    if as_json:
        print_json({"file": str(file), "bytes": size})
    else:
        say(f"{path} copied to {file} ({size / 1024 / 1024:.1f} MiB)")


@app.command()
def prune(
    older_than: Annotated[
        str | None, typer.Option("--older-than", help="Age of what goes, such as 90d; by default UPWELL_RETENTION.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Remove old events and ended runs; the state of assets, partitions and checks stays. The service must not run."""
    settings = quiet_settings()
    age = _age(settings, older_than)

    async def work() -> Pruned:
        async with open_journal(settings.database_url, clock=SystemClock()) as journal:
            return await journal.prune(age)

    pruned = anyio.run(work)
    if as_json:
        print_json(asdict(pruned))
    else:
        say(f"removed {pruned.events} events and {pruned.runs} runs")


def _age(settings: Settings, older_than: str | None) -> timedelta:
    if older_than is not None:
        return parse_duration(older_than, what="--older-than")
    if settings.retention is None:
        raise UsageError("say --older-than 90d, or set UPWELL_RETENTION")
    return timedelta(seconds=settings.retention)
