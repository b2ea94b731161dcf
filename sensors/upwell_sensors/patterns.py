"""File patterns: `landing/{region}/orders-*.csv`, as a folder to watch and names to match below it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from upwell.errors import DefinitionError

_MAGIC = re.compile(r"[*?\[{]")
_TOKEN = re.compile(r"\{(?P<name>[^{}]*)\}|(?P<star>\*+)|(?P<any>\?)|\[(?P<not>!?)(?P<set>[^\]]+)\]|(?P<brace>[{}])")
PROBE = ".upwell-probe-"  # how the names of our own trial files begin, which are no news
_TEMPORARY = ("~", ".tmp", ".part", ".partial", ".crdownload", ".swp")


@dataclass(frozen=True)
class FilePattern:
    """Which files below a root are meant.

    `*` and `?` stay within one name, `**` is any number of folders, `[abc]` one of these characters, and `{name}` a
    part of a name that is captured. Hidden names, and those that programs give to unfinished files (`x.tmp`, `x~`),
    match only where the pattern says so itself.
    """

    root: str  # absolute; the part of the pattern before its first wildcard
    segments: tuple[str, ...]

    @classmethod
    def parse(cls, text: str, *, base: str) -> FilePattern:
        """Read a pattern; a relative one lies below `base`.

        Raises:
            DefinitionError: it is empty, names a folder, leaves its root, or has a capture that is no name.
        """
        if not text or text.endswith("/") or "\0" in text:
            raise DefinitionError(f"files({text!r}): write a file name or pattern, for example 'landing/*.csv'")
        given = text.split("/")
        fixed = next((at for at, part in enumerate(given[:-1]) if _MAGIC.search(part)), len(given) - 1)
        segments = tuple(part for part in given[fixed:] if part not in ("", "."))
        if ".." in segments:
            raise DefinitionError(f"files({text!r}): '..' may not follow a wildcard")
        root = Path(base, "/".join(given[:fixed]) or ("/" if text.startswith("/") else "."))
        pattern = cls(root=os.path.normpath(root), segments=segments)
        pattern._check(text)
        return pattern

    def _check(self, text: str) -> None:
        try:
            _ = (self._whole, self._folders)
        except (re.error, ValueError) as error:
            raise DefinitionError(f"files({text!r}): {error}") from None

    @property
    def recursive(self) -> bool:
        """Whether files in folders below the root can match."""
        return len(self.segments) > 1

    def match(self, path: str) -> Mapping[str, str] | None:
        """What the pattern captures from `path` (relative to the root), none if it does not match."""
        return found.groupdict() if (found := self._whole.fullmatch(path)) and self.matches(path) else None

    def matches(self, path: str) -> bool:
        """Whether the pattern matches `path` (relative to the root)."""
        return self._whole.fullmatch(path) is not None and (self._expects_temporary or not _is_temporary(path))

    def enters(self, folder: str) -> bool:
        """Whether a file below `folder` (relative to the root) can match."""
        names = folder.split("/")
        for at, (name, segment) in enumerate(zip(names, self._folders, strict=False)):
            if segment is None:
                return self._expects_hidden or not any(below.startswith(".") for below in names[at:])
            if not segment.fullmatch(name):
                return False
        return len(names) <= len(self._folders)

    @cached_property
    def _whole(self) -> re.Pattern[str]:
        named: set[str] = set()
        parts = [
            "(?:[^/.][^/]*/)*" if segment == "**" else _regex(segment, named) + "/" for segment in self.segments[:-1]
        ]
        last = "(?:[^/.][^/]*/)*[^/.][^/]*" if self.segments[-1] == "**" else _regex(self.segments[-1], named)
        return re.compile("".join(parts) + last)

    @cached_property
    def _folders(self) -> tuple[re.Pattern[str] | None, ...]:
        """How the folders on the way must be called; none from the first `**` on, where any may be."""
        folders: list[re.Pattern[str] | None] = []
        for at, segment in enumerate(self.segments):
            if segment == "**":
                return (*folders, None)
            if at < len(self.segments) - 1:
                folders.append(re.compile(_regex(segment, set())))
        return tuple(folders)

    @property
    def _expects_hidden(self) -> bool:
        return any(segment.startswith(".") for segment in self.segments[:-1])

    @cached_property
    def _expects_temporary(self) -> bool:
        return _is_temporary(self.segments[-1])


def _is_temporary(path: str) -> bool:
    return path.endswith(_TEMPORARY) or path.startswith(PROBE)


def _regex(segment: str, named: set[str]) -> str:
    """One segment as a regular expression; `named` collects the captures so far."""
    regex = "" if segment.startswith(".") else r"(?!\.)"
    end = 0
    for token in _TOKEN.finditer(segment):
        regex += re.escape(segment[end : token.start()]) + _part(token, named)
        end = token.end()
    return regex + re.escape(segment[end:])


def _part(token: re.Match[str], named: set[str]) -> str:
    match token.lastgroup:
        case "name":
            return _capture(token["name"], named)
        case "star":
            return "[^/]*"
        case "any":
            return "[^/]"
        case "set":
            return f"(?!/)[{'^' if token['not'] else ''}{re.escape(token['set']).replace(chr(92) + '-', '-')}]"
        case _:
            raise ValueError("a brace has no partner; a capture is written {name}")


def _capture(name: str, named: set[str]) -> str:
    if not name.isidentifier() or not name.isascii():
        raise ValueError(f"{{{name}}} is no name for a capture; use letters, digits and _")
    if name in named:
        return f"(?P={name})"
    named.add(name)
    return f"(?P<{name}>[^/]+?)"
