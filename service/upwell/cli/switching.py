"""Have a source, a sensor or a schedule rest, or go on: what `pause` and `resume` of each do."""

from __future__ import annotations

import getpass

import anyio

from upwell.cli.options import quiet_settings
from upwell.cli.output import print_json, say
from upwell.cli.service_api import connect, quoted
from upwell.events import Listening
from upwell.web.listening_models import Switched, Switching

_DONE = {True: "goes on", False: "rests"}
_WAS_SO = {True: "is not paused", False: "is paused already"}


def switch(what: Listening, name: str, *, active: bool, url: str | None, as_json: bool) -> None:
    """Ask the service for it, and say how it is now."""
    settings = quiet_settings(url=url)

    async def ask() -> Switched:
        async with connect(settings, (), needs_definitions=False, offline=False) as api:
            path = f"/{what}s/{quoted(name)}/{'resume' if active else 'pause'}"
            return await api.post(path, Switching(by=who()), Switched)

    done = anyio.run(ask)
    if as_json:
        print_json(done)
    else:
        say(f"{what} {name} {(_DONE if done.changed else _WAS_SO)[done.active]}")


def who() -> str | None:
    """Who asks, for the others to read; nobody where the system knows no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return None
