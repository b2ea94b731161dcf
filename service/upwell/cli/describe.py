"""The process that imports user code for the command line: reads what to load, writes what it found, and ends.

Run as `python -m upwell.cli.describe FD`: a `LoadLocation` frame comes on stdin, a `LocationReport` frame goes to FD.
"""

from __future__ import annotations

import os
import sys

from upwell.runtime.loader import load
from upwell.runtime.messages import LoadLocation, LocationReport
from upwell.runtime.protocol import FrameError, FrameReader, encode


def main() -> None:
    """Load one location and tell what came of it."""
    answer = int(sys.argv[1])
    (message,) = FrameReader().feed(sys.stdin.buffer.read())
    assert isinstance(message, LoadLocation)
    _, report = load(message)
    with os.fdopen(answer, "wb") as pipe:
        pipe.write(_frame(report))
    # User code may have left threads behind that would keep the process.
    sys.stdout.flush()
    os._exit(0)


def _frame(report: LocationReport) -> bytes:
    try:
        return encode(report)
    except FrameError as error:
        raise SystemExit(f"the definitions are too large to describe: {error}") from error


if __name__ == "__main__":
    main()
