"""`upwell init`."""

from __future__ import annotations

from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated

import typer

from upwell.cli.failures import UsageError
from upwell.cli.output import say

_SKIPPED = {"__pycache__"}
_RENAMED = {"gitignore": ".gitignore"}  # in a package a .gitignore would act on the package


def init(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="The project's folder; made if it is not there.")],
) -> None:
    """Scaffold a project that runs: definitions, a file that lands, a webhook that listens."""
    template = resources.files("upwell.cli") / "scaffold"
    files = list(_files(template, directory))
    if taken := [str(target) for _, target in files if target.exists()]:
        raise UsageError(f"{', '.join(taken)}: there already; name another folder")
    for source, target in files:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(source.read_bytes())
    say(f"made {', '.join(str(target) for _, target in files)}")
    say(f"now:  cd {directory} && upwell dev")


def _files(template: Traversable, target: Path) -> list[tuple[Traversable, Path]]:
    found: list[tuple[Traversable, Path]] = []
    for entry in sorted(template.iterdir(), key=lambda entry: entry.name):
        if entry.name in _SKIPPED:
            continue
        path = target / _RENAMED.get(entry.name, entry.name)
        found.extend(_files(entry, path) if entry.is_dir() else [(entry, path)])
    return found
