"""Definitions as data: user code is imported in a process of its own, which describes it and ends."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from upwell.definitions.freshness.defaults import DefaultPolicy
from upwell.definitions.graph import AssetGraph
from upwell.definitions.project import Project
from upwell.errors import DefinitionError, DefinitionErrors
from upwell.events import ErrorInfo
from upwell.runtime.messages import LoadLocation, LocationReport, LocationSpec
from upwell.runtime.process import describe_exit
from upwell.runtime.protocol import FrameReader, encode

_AT_LINE = re.compile(r"(?P<file>[^\n:]+):(?P<line>\d+): (?P<message>.*)", re.S)
_FRAME = re.compile(r'^\s*File "(?P<file>[^"]+)", line (?P<line>\d+)', re.M)


_OURS = Path(__file__).parents[1]


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Something wrong with a definition."""

    location: str
    message: str
    file: str | None = None
    line: int | None = None

    def __str__(self) -> str:
        place = f"{_short(self.file)}:{self.line}" if self.file else self.location
        return f"{place}: {self.message}"


@dataclass(frozen=True, kw_only=True)
class Found:
    """What the definitions of all locations make together, and what is wrong with them."""

    project: Project
    problems: tuple[Problem, ...]

    @property
    def graph(self) -> AssetGraph:
        return self.project.graph


def find_definitions(
    specs: Iterable[LocationSpec], home: Path, default_policies: Sequence[DefaultPolicy] = ()
) -> Found:
    """Load every location, each in a process of its own, and put them together."""
    project = Project(default_policies)
    problems: list[Problem] = []
    for spec in specs:
        report = describe(spec, home)
        if report.error is not None:
            problems.extend(problems_of(spec.name, report.error))
        elif report.snapshot is not None:
            try:
                project.replace(report.snapshot)
            except DefinitionErrors as errors:
                problems.extend(problem(spec.name, error) for error in errors.problems)
    return Found(project=project, problems=tuple(problems))


def describe(spec: LocationSpec, home: Path) -> LocationReport:
    """What loading the location finds. What the code prints goes to stderr; a crash is an error like any other."""
    read_end, write_end = os.pipe()
    with os.fdopen(read_end, "rb") as answer:
        child = subprocess.Popen(
            [sys.executable, "-m", "upwell.cli.describe", str(write_end)],
            stdin=subprocess.PIPE,
            stdout=2,  # its prints go to our stderr: stdout is for the result
            pass_fds=[write_end],
        )
        os.close(write_end)
        assert child.stdin is not None
        with child.stdin:
            child.stdin.write(encode(LoadLocation(spec=spec, home=str(home))))
        frames = list(FrameReader().feed(answer.read()))
    code = child.wait()
    if frames and isinstance(frames[0], LocationReport):
        return frames[0]
    status = -code if code < 0 else code << 8
    return LocationReport(
        error=ErrorInfo(type="Crash", message=f"the process that imported it {describe_exit(status)}")
    )


def problems_of(location: str, error: ErrorInfo) -> list[Problem]:
    """What kept a location from loading, each with its file and line where they are known."""
    if error.traceback is None:  # the message says it all, with file and line where there are any
        return [_read(location, text) for text in _entries(error.message)]
    # What one of our own functions refuses stands where the user's code called it.
    frames = [frame for frame in _FRAME.finditer(error.traceback) if not Path(frame["file"]).is_relative_to(_OURS)]
    file, line = (frames[-1]["file"], int(frames[-1]["line"])) if frames else (None, None)
    return [Problem(location=location, message=f"{error.type}: {error.message}", file=file, line=line)]


def _entries(message: str) -> list[str]:
    """The problems that were joined by line ends; a line that names no place belongs to the one before."""
    entries: list[str] = []
    for text in message.splitlines():
        if entries and not _AT_LINE.match(text):
            entries[-1] += f"\n{text}"
        else:
            entries.append(text)
    return entries


def _read(location: str, text: str) -> Problem:
    if match := _AT_LINE.fullmatch(text):
        return Problem(location=location, message=match["message"], file=match["file"], line=int(match["line"]))
    return Problem(location=location, message=text)


def problem(location: str, error: DefinitionError) -> Problem:
    """The error as a problem of a location, or of none of them alone."""
    return Problem(location=location, message=error.message, file=error.file, line=error.line)


def _short(file: str | None) -> str:
    path = Path(file or "")
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
