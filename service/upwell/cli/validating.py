"""`upwell validate`."""

from __future__ import annotations

from dataclasses import asdict

import typer

from upwell.cli.definitions import find_definitions, problem
from upwell.cli.options import Files, Json, Modules, quiet_settings, required_specs
from upwell.cli.output import print_json, say
from upwell.definitions.conditions.unheeded import unheeded
from upwell.errors import DefinitionError


def validate(file: Files = None, module: Modules = None, as_json: Json = False) -> None:
    """Load definitions and print each problem with its file and line; the exit code is 1 when there is one.

    Notes say what is valid and does not do what one would expect of it.
    """
    settings = quiet_settings(file, module)
    specs = required_specs(settings)
    found = find_definitions(specs, settings.home)
    # Only here: a service waits for a location that may still bring the asset.
    problems = (*found.problems, *(problem("", error) for error in found.graph.unknown_inputs()))
    schedules = sum(node.kind == "schedule" for node in found.graph.sensors.values())
    counts = {
        "assets": len(found.graph.assets),
        "checks": len(found.graph.checks),
        "jobs": len(found.graph.jobs),
        "sensors": len(found.graph.sensors) - schedules,
        "schedules": schedules,
    }
    notes = [
        str(problem("", DefinitionError(f"note: {one.note}", file=one.file, line=one.line)))
        for one in unheeded(found.graph.assets.values(), found.graph.checks.values())
    ]
    if as_json:
        print_json({"valid": not problems, "problems": [asdict(one) for one in problems], "notes": notes, **counts})
    for one in () if as_json else (*problems, *notes):
        say(str(one))
    if problems:
        raise typer.Exit(1)
    if not as_json:
        say(f"valid: {', '.join(_counted(count, what) for what, count in counts.items() if count) or 'no definitions'}")


def _counted(count: int, what: str) -> str:
    return f"{count} {what if count > 1 else what[:-1]}"
