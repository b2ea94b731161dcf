"""What a command cannot do, with its exit code."""

from __future__ import annotations

from upwell.errors import UpwellError


class CommandError(UpwellError):
    """A command cannot do what was asked; its message goes to stderr, its code to the shell."""

    exit_code = 1


class UsageError(CommandError):
    """The command was called wrongly."""

    exit_code = 2


class Unreachable(CommandError):
    """Neither a service nor a database can be reached."""

    exit_code = 3
