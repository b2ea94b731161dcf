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

from upwell.logs import escape, spoken

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


def ago(instant: datetime | None, now: datetime) -> str:
    """How long ago, roughly; a dash for never."""
    if instant is None:
        return "-"
    seconds = max(0.0, (now - instant).total_seconds())
    for unit, size in (("d", 86_400), ("h", 3_600)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit} ago"
    return "just now" if seconds < 1 else f"{spoken(seconds)} ago"
