"""What a command cannot do, with its exit code."""

from __future__ import annotations

from collections.abc import Iterator

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


def leaves(error: BaseException) -> Iterator[BaseException]:
    """The errors in a group of errors, which is what leaves a task group."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from leaves(inner)
    else:
        yield error
