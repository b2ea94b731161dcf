"""`upwell validate`."""

from __future__ import annotations

from dataclasses import asdict

import typer

from upwell.cli.definitions import find_definitions
from upwell.cli.options import Files, Json, Modules, quiet_settings, required_specs
from upwell.cli.output import print_json, say


def validate(file: Files = None, module: Modules = None, as_json: Json = False) -> None:
    """Load definitions and print each problem with its file and line; the exit code is 1 when there is one."""
    settings = quiet_settings(file, module)
    specs = required_specs(settings)
    found = find_definitions(specs, settings.home)
    counts = {"assets": len(found.graph.assets), "checks": len(found.graph.checks), "jobs": len(found.graph.jobs)}
    if as_json:
        print_json({"valid": not found.problems, "problems": [asdict(problem) for problem in found.problems], **counts})
    for problem in () if as_json else found.problems:
        say(str(problem))
    if found.problems:
        raise typer.Exit(1)
    if not as_json:
        say(f"valid: {', '.join(f'{count} {what}' for what, count in counts.items() if count) or 'no definitions'}")
