"""A measured figure, and how several are shown and kept."""

import json
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).parent / "results.json"


@dataclass(frozen=True, kw_only=True)
class Figure:
    """What was measured, for Upwell and for what it is compared with.

    `ratio` says how much better Upwell is (above 1) or how near to the limit; `target` is what it should be, in words.
    """

    name: str
    upwell: float
    unit: str
    other: str = ""
    other_value: float | None = None
    ratio: float | None = None
    target: str = ""
    met: bool | None = None


def seconds(value: float) -> str:
    """A duration for people."""
    return f"{value * 1000:.3g} ms" if value < 1 else f"{value:.2f} s"


def shown(value: float | None, unit: str) -> str:
    """A value with its unit, for people."""
    if value is None:
        return ""
    if unit == "s":
        return seconds(value)
    if unit == "bytes":
        return f"{value / 2**20:.0f} MiB"
    return f"{value:,.0f} {unit}" if value >= 100 else f"{value:.3g} {unit}"


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which that share of the values lies."""
    return statistics.quantiles(values, n=100, method="inclusive")[round(share * 100) - 1]


def table(figures: Iterable[Figure]) -> Table:
    """All figures, one a line."""
    made = Table("figure", "upwell", "compared with", "", "ratio", "target", "met")
    for figure in figures:
        made.add_row(
            figure.name,
            shown(figure.upwell, figure.unit),
            figure.other,
            shown(figure.other_value, figure.unit),
            "" if figure.ratio is None else f"{figure.ratio:.3g}",
            figure.target,
            {True: "yes", False: "no", None: ""}[figure.met],
        )
    return made


def publish(figures: Sequence[Figure], conditions: dict[str, object]) -> None:
    """Print the table, and keep everything in results.json."""
    Console(width=None if Console().is_terminal else 160).print(table(figures))
    kept = {"conditions": conditions, "figures": [asdict(figure) for figure in figures]}
    RESULTS.write_text(json.dumps(kept, indent=2) + "\n")
