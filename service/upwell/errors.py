"""Every error that Upwell raises on purpose.

UpwellError
├── DefinitionError (ValueError)      a definition is wrong: names the thing, its file and line, the mend
│   └── DefinitionErrors              several of them, all shown at once
├── SelectionError (ValueError)       a selection string that cannot be read or matches nothing known
├── PartitionError (ValueError)       no such partition, or a partition is missing from a request
├── JournalError
│   ├── JournalInUse                  another process has the database; ask that one, or use another database
│   ├── JournalUnavailable            the disk is full, the database locked or gone; try again later
│   ├── JournalBusy                   the queue before the writer is full; try again later
│   └── ExpectationFailed             an append's guard did not hold any more
├── SettingsError (ValueError)        a setting that cannot be used
├── SourceError                       an event source cannot go on
└── RunError (RuntimeError)           a run failed, and the caller asked to be told by an exception
"""

from __future__ import annotations

from collections.abc import Sequence


class UpwellError(Exception):
    """The base of every error that Upwell raises on purpose."""


class DefinitionError(UpwellError, ValueError):
    """A definition is wrong.

    Args:
        message: the problem and its mend, naming the thing.
        file: where the definition stands, when known.
        line: its line there.
    """

    def __init__(self, message: str, *, file: str | None = None, line: int | None = None) -> None:
        self.message = message
        self.file = file
        self.line = line
        super().__init__(f"{file}:{line}: {message}" if file else message)


class DefinitionErrors(DefinitionError):
    """Several definitions are wrong; `problems` has each of them."""

    def __init__(self, problems: Sequence[DefinitionError]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in problems))


class SelectionError(UpwellError, ValueError):
    """A selection that cannot be read, or names nothing that exists."""


class PartitionError(UpwellError, ValueError):
    """A partition key that does not exist, or is missing where one is needed."""


class JournalError(UpwellError):
    """The journal could not do what was asked."""


class JournalInUse(JournalError):
    """Another process, most often a running service, has the database open for writing."""


class JournalUnavailable(JournalError):
    """The event could not be stored (disk full, database locked or gone); the same call may succeed later."""


class JournalBusy(JournalUnavailable):
    """Too much is waiting for the writer already; the same call may succeed later."""


class ExpectationFailed(JournalError):
    """What an append expected of the state was no longer so; nothing of it was written."""


class SettingsError(UpwellError, ValueError):
    """A setting that cannot be used."""


class SourceError(UpwellError):
    """An event source cannot go on; the host restarts it after a pause."""


class RunError(UpwellError, RuntimeError):
    """A run failed and the caller asked to be told by an exception."""
