"""The table of `upwell status`: trouble first, and a last line that sums up. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum

from upwell.web.models import Asset, Freshness

COLUMNS = ("ASSET", "FRESHNESS", "SINCE", "DEADLINE", "STATUS", "LAST MADE", "CAUSE")

_SECOND = timedelta(seconds=1)
_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))


class Trouble(IntEnum):
    """How an asset stands, the worst first."""

    LATE = 0
    AT_RISK = 1
    FAILED = 2  # not late for now, but the newest attempt failed
    WARNED = 3
    INPUT_LATE = 4
    UNKNOWN = 5
    FRESH = 6
    NO_POLICY = 7


WORDS = {
    Trouble.LATE: "late",
    Trouble.AT_RISK: "at risk",
    Trouble.FAILED: "failed",
    Trouble.WARNED: "warned",
    Trouble.INPUT_LATE: "input late",
    Trouble.UNKNOWN: "unknown",
    Trouble.FRESH: "fresh",
    Trouble.NO_POLICY: "without policy",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """A row: how the asset stands, how it does by its freshness alone, and the text of each column."""

    trouble: Trouble
    freshness: Trouble
    cells: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Standings:
    """The rows that are shown, and what all come to."""

    lines: tuple[Line, ...]
    rest: Sequence[Trouble]
    counts: Counter[Trouble]

    @property
    def late(self) -> bool:
        """Whether something is late."""
        return self.counts[Trouble.LATE] > 0

    @property
    def sums(self) -> list[tuple[Trouble, str]]:
        """`3 late`, `1 at risk`, `40 fresh`: what there is, the worst first."""
        return _sums(self.counts)

    @property
    def more(self) -> str | None:
        """What is not shown."""
        if not self.rest:
            return None
        return f"and {len(self.rest)} more: {', '.join(text for _, text in _sums(Counter(self.rest)))}"


def standings(assets: Iterable[Asset], now: datetime, most: int) -> Standings:
    """The assets, those in trouble first, of each kind those that have been so for longest; at most so many."""
    ranked = sorted(((trouble_of(one), one) for one in assets), key=lambda pair: (pair[0], *_longest_first(*pair)))
    return Standings(
        lines=tuple(_line(one, trouble, now) for trouble, one in ranked[:most]),
        rest=[trouble for trouble, _ in ranked[most:]],
        counts=Counter(trouble for trouble, _ in ranked),
    )


def trouble_of(asset: Asset) -> Trouble:
    """How the asset stands, by the worst that can be said of it."""
    by_freshness = _by_freshness(asset.freshness)
    return min(by_freshness, Trouble.FAILED) if asset.status == "failed" else by_freshness


def _by_freshness(freshness: Freshness | None) -> Trouble:
    if freshness is None:
        return Trouble.NO_POLICY
    if freshness.state == "FAIL":
        return Trouble.LATE
    if freshness.at_risk is not None:
        return Trouble.AT_RISK
    if freshness.state == "WARN":
        return Trouble.WARNED
    if freshness.inherited_from is not None:
        return Trouble.INPUT_LATE
    return Trouble.FRESH if freshness.state == "PASS" else Trouble.UNKNOWN


def _longest_first(trouble: Trouble, asset: Asset) -> tuple[bool, float]:
    """Those to blame before those that are late because of them; what is in no trouble stays upstream first."""
    freshness = asset.freshness
    if freshness is None or trouble >= Trouble.UNKNOWN:
        return False, 0.0
    since = _since(freshness)
    return freshness.inherited_from is not None, 0.0 if since is None else since.timestamp()


def _since(freshness: Freshness) -> datetime | None:
    match _by_freshness(freshness):
        case Trouble.AT_RISK if freshness.at_risk is not None:
            return freshness.at_risk.since
        case Trouble.INPUT_LATE:
            return freshness.inherited_since
        case _:
            return freshness.changed_at


def _line(asset: Asset, trouble: Trouble, now: datetime) -> Line:
    freshness, made = asset.freshness, asset.last_materialization
    by_freshness = _by_freshness(freshness)
    cells = (
        asset.key,
        "-" if freshness is None else WORDS[by_freshness],
        "-" if freshness is None else _ago(_since(freshness), now),
        "-" if freshness is None else _deadline(freshness, now),
        asset.status.replace("_", " "),
        "never" if made is None else _ago(made.at, now),
        " ".join(_cause(asset, trouble).split()),
    )
    return Line(trouble=trouble, freshness=by_freshness, cells=cells)


def _deadline(freshness: Freshness, now: datetime) -> str:
    deadline = freshness.deadline
    if deadline is None:
        return "-"
    return f"overdue {_span(now - deadline)}" if freshness.state == "FAIL" else f"in {_span(deadline - now)}"


def _ago(instant: datetime | None, now: datetime) -> str:
    if instant is None:
        return "-"
    return "just now" if now - instant < _SECOND else f"{_span(now - instant)} ago"


def _span(duration: timedelta) -> str:
    """How long it is in one number: 40 s, 12 min, 3 h, 2 d."""
    seconds = max(0.0, duration.total_seconds())
    unit, size = next(((unit, size) for unit, size in _UNITS if seconds >= 2 * size), _UNITS[-1])
    return f"{seconds // size:.0f} {unit}"


def _cause(asset: Asset, trouble: Trouble) -> str:
    freshness, failure = asset.freshness, asset.failure
    if trouble is Trouble.AT_RISK and freshness is not None and (risk := freshness.at_risk) is not None:
        return f"{risk.slow_hop} takes the time; expected {_span(risk.expected_at - risk.deadline)} late"
    if freshness is not None and freshness.inherited_from is not None:
        return f"{freshness.inherited_from} is late"
    if asset.status == "failed" and failure is not None and failure.error is not None:
        return f"{failure.error.type}: {failure.error.message}"
    return "was never made" if trouble is Trouble.LATE and asset.last_materialization is None else ""


def _sums(counts: Counter[Trouble]) -> list[tuple[Trouble, str]]:
    return [(trouble, f"{counts[trouble]} {WORDS[trouble]}") for trouble in Trouble if counts[trouble]]
