"""Standard output and error of a worker, on which each line says whose it is while several speak at a time."""

from __future__ import annotations

import io
from contextvars import ContextVar

_LONGEST_BEGINNING = 8192  # characters kept of a line that has no end yet


class Speaker:
    """Somebody whose lines are to be told from those of others: the sensor that is evaluated."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._begun: dict[NamedLines, str] = {}

    def say(self, text: str, stream: NamedLines) -> None:
        """Write the lines that `text` completes."""
        lines, _, begun = (self._begun.pop(stream, "") + text).rpartition("\n")
        if len(begun) > _LONGEST_BEGINNING:
            lines, begun = f"{lines}\n{begun}" if lines else begun, ""
        if lines:
            stream.write_plain("".join(f"[{self._name}] {line}\n" for line in lines.split("\n")))
        if begun:
            self._begun[stream] = begun

    def finish(self) -> None:
        """Write what has been begun."""
        for stream in list(self._begun):
            self.say("\n", stream)


SPEAKER: ContextVar[Speaker | None] = ContextVar("speaker", default=None)
"""Who speaks in this task, or in this thread that it called; without one, lines stay as they are."""


class NamedLines(io.TextIOWrapper):
    """A stream that writes the name of the `SPEAKER` before each of its lines, and no line within another."""

    def write(self, text: str, /) -> int:
        speaker = SPEAKER.get()
        if speaker is None:
            return self.write_plain(text)
        speaker.say(text, self)
        return len(text)

    def write_plain(self, text: str) -> int:
        """Write the text as it is."""
        return super().write(text)
