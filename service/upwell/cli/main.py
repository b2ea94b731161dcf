"""The command `upwell`: which commands there are, and what becomes of errors.

A module of commands is loaded when one of its commands is used, not before: most of them need the web, database or
data frame libraries, and `upwell --help` or a completion must not wait for those. The table below is therefore
all that is known of a command until then; a test holds it against the commands themselves. Loading by name here, in
one place, is what keeps imports of our own out of every function elsewhere.
"""

from __future__ import annotations

import gc
import importlib
import sys
from dataclasses import dataclass
from importlib.metadata import version
from typing import Annotated, Any

import typer
import typer.core
import typer.main

from upwell.cli.failures import CommandError, leaves
from upwell.errors import (
    DefinitionError,
    JournalError,
    PartitionError,
    RunError,
    SelectionError,
    SettingsError,
    UpwellError,
)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A command: where it stands and what it does. `target` is a function or, for a family of commands, a Typer."""

    name: str
    module: str
    target: str
    summary: str


ENTRIES = (
    Entry(name="init", module="scaffolding", target="init", summary="Scaffold a project that runs."),
    Entry(name="dev", module="serving", target="dev", summary="Run the service with live reload and readable logs."),
    Entry(name="serve", module="serving", target="serve", summary="Run the service for production, with JSON logs."),
    Entry(
        name="materialize", module="materializing", target="materialize", summary="Make assets now, without a service."
    ),
    Entry(name="list", module="listing", target="app", summary="List assets, jobs, sensors, schedules or sources."),
    Entry(name="status", module="status", target="status", summary="Show what is fresh, late and at risk."),
    Entry(
        name="explain",
        module="explaining",
        target="explain",
        summary="Say why an asset is stale, why it ran or did not.",
    ),
    Entry(name="validate", module="validating", target="validate", summary="Load definitions and print each problem."),
    Entry(name="sensors", module="sensors", target="app", summary="Pause sensors, call them for a look, see ticks."),
    Entry(name="schedules", module="schedules", target="app", summary="Pause schedules, and see their ticks."),
    Entry(name="sources", module="sources", target="app", summary="Pause event sources, and have them go on."),
    Entry(name="alerts", module="alerts", target="app", summary="See what is wrong, and silence alerts."),
    Entry(name="events", module="events", target="app", summary="Read the journal, and replay what it holds."),
    Entry(name="db", module="storage", target="app", summary="Upgrade, back up or prune the database."),
)


class LazyCommands(typer.core.TyperGroup):
    """Loads the command that is used, and turns Upwell's errors into exit codes."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        # `Any`: Typer brings its own copy of Click, whose types have no public name.
        name, _, rest = super().resolve_command(ctx, args)
        return name, load(next(entry for entry in ENTRIES if entry.name == name)), rest

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except (UpwellError, BaseExceptionGroup) as error:
            errors = [leaf for leaf in leaves(error) if isinstance(leaf, UpwellError)]
            if len(errors) < len(list(leaves(error))):
                raise
            for message in dict.fromkeys(map(str, errors)):
                sys.stderr.write(f"upwell: {message}\n")
            raise typer.Exit(max(exit_code(leaf) for leaf in errors)) from None


def load(entry: Entry) -> Any:
    """The command of an entry, imported."""
    # What imports make stays: looking for garbage in it meanwhile, and ever after, is a fifth of the time to start.
    gc.disable()
    target = getattr(importlib.import_module(f"upwell.cli.{entry.module}"), entry.target)
    gc.freeze()
    gc.enable()
    if isinstance(target, typer.Typer):
        return typer.main.get_command(target)
    alone = typer.Typer(add_completion=False)
    alone.command(entry.name)(target)
    return typer.main.get_command(alone)


def exit_code(error: UpwellError) -> int:
    """1: the work failed, 2: wrong usage, 3: the service or the database cannot be reached."""
    match error:
        case DefinitionError() | RunError():
            return 1
        case SettingsError() | SelectionError() | PartitionError():
            return 2
        case JournalError():
            return 3
        case CommandError():
            return error.exit_code
        case _:
            return 1


def _placeholder() -> None:
    """Stands for a command in the list of commands; `LazyCommands` puts the real one in its place."""


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"upwell {version('upwell')}")
        raise typer.Exit


app = typer.Typer(
    cls=LazyCommands,
    name="upwell",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_show_locals=False,
)


@app.callback()
def upwell(
    show_version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and end.")
    ] = False,
) -> None:
    """Event-driven data assets: webhooks, files and timers make your data fresh, and you know it."""


for _entry in ENTRIES:
    app.command(_entry.name, help=_entry.summary)(_placeholder)
