"""Options that several commands share, and what they mean for the settings."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import typer

from upwell import logs
from upwell.cli.failures import UsageError
from upwell.runtime.messages import LocationSpec
from upwell.settings import Settings, load_settings

DEFAULT_FILE = Path("definitions.py")

Files: TypeAlias = Annotated[
    list[Path] | None,
    typer.Option("--file", "-f", help="A Python file with definitions; may be repeated.", exists=True, dir_okay=False),
]
Modules: TypeAlias = Annotated[
    list[str] | None, typer.Option("--module", "-m", help="An importable module with definitions; may be repeated.")
]
Json: TypeAlias = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Url: TypeAlias = Annotated[
    str | None, typer.Option("--url", help="The service to ask; by default http://127.0.0.1:8600 or UPWELL_URL.")
]
Select: TypeAlias = Annotated[
    str | None, typer.Option("--select", "-s", help="Which assets, for example fct_orders, +fct_orders or group:marts.")
]


def settings_with(files: Files, modules: Modules, **options: Any) -> Settings:
    """The settings, under the options of the command line; what was not given is left to the settings."""
    given = {key: value for key, value in options.items() if value is not None}
    if files or modules:
        # Named here, they are all that is loaded.
        given |= {"files": tuple(map(str, files or ())), "modules": tuple(modules or ()), "locations": {}}
    return load_settings(**given)


def quiet_settings(files: Files = None, modules: Modules = None, **options: Any) -> Settings:
    """The settings of a command whose stdout is its result; of the log only warnings are written, to stderr."""
    settings = settings_with(files, modules, **options)
    logs.configure(format="console", level="warning", secrets=settings.secrets(), stream=sys.stderr)
    return settings


def location_specs(settings: Settings) -> tuple[LocationSpec, ...]:
    """The code locations to load; where none is set, the one file that `upwell init` makes, if it is there."""
    locations = settings.code_locations()
    specs = tuple(
        LocationSpec(
            name=name,
            files=location.files,
            modules=location.modules,
            working_directory=str(location.working_directory.absolute()),
        )
        for name, location in locations.items()
    )
    if not specs and DEFAULT_FILE.is_file():
        return (LocationSpec(name="default", files=(str(DEFAULT_FILE),), working_directory=str(Path.cwd())),)
    return specs


def required_specs(settings: Settings) -> tuple[LocationSpec, ...]:
    """The code locations to load.

    Raises:
        UsageError: there are none.
    """
    if specs := location_specs(settings):
        return specs
    raise UsageError(
        "no definitions are named. Name them with -f FILE or -m MODULE, in UPWELL_FILES or UPWELL_MODULES, "
        f"or put them into ./{DEFAULT_FILE}"
    )
