"""What commands print: tables on a terminal, plain aligned columns elsewhere, JSON on request."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pydantic import BaseModel
from rich.console import Console
from rich.table import Table
from rich.text import Text

from upwell.logs import escape

_STYLES = {
    "up_to_date": "green",
    "PASS": "green",
    "SUCCESS": "green",
    "stale": "yellow",
    "WARN": "yellow",
    "materializing": "cyan",
    "failed": "bold red",
    "FAIL": "bold red",
    "FAILURE": "bold red",
    "active": "green",
    "paused": "yellow",
    "requested": "green",
    "skipped": "dim",
    "never": "dim",
    "UNKNOWN": "dim",
}


def say(text: str) -> None:
    """Print a line; whatever is in a name, it stays one line."""
    sys.stdout.write(f"{escape(text)}\n")
    sys.stdout.flush()


def note(text: str) -> None:
    """Print a line beside the result, where it does no harm to a pipe."""
    sys.stderr.write(f"{escape(text)}\n")


def say_indented(title: str, text: str) -> None:
    """Print a text of several lines, such as a traceback, under a title."""
    if title:
        say(title)
    for line in text.rstrip().splitlines():
        say(f"        {line}")


def local(instant: datetime) -> str:
    """The instant on this machine's clock."""
    return f"{instant.astimezone():%Y-%m-%d %H:%M:%S}"


def print_timed(lines: Sequence[tuple[datetime, str]]) -> None:
    """Print sentences, each with its instant; on a terminal they are wrapped beside it."""
    if not sys.stdout.isatty():
        for instant, text in lines:
            say(f"{local(instant)}  {text}")
        return
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column()
    for instant, text in lines:
        table.add_row(local(instant), Text(escape(text)))
    Console().print(table)


def print_json(value: BaseModel | Any) -> None:
    """Print a value as JSON."""
    plain = value.model_dump(mode="json") if isinstance(value, BaseModel) else value
    sys.stdout.write(
        json.dumps(plain, ensure_ascii=False, indent=2 if sys.stdout.isatty() else None, default=str) + "\n"
    )


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows under a heading."""
    clean = [[escape(cell) for cell in row] for row in rows]
    if not sys.stdout.isatty():
        _print_columns(columns, clean)
        return
    table = Table(*columns, box=None, header_style="dim", pad_edge=False, padding=(0, 2, 0, 0))
    for row in clean:
        table.add_row(*(Text(cell, style=_STYLES.get(cell, "")) for cell in row))
    Console().print(table)


def _print_columns(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    table = [list(columns), *rows]
    widths = [max(len(row[index]) for row in table) for index in range(len(columns))]
    for row in table:
        say("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
