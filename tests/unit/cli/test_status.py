"""The table of `upwell status`, and what its exit code says."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import anyio
import pytest
from rich.console import Console

from upwell.cli.standings import COLUMNS, Standings, standings
from upwell.cli.status import drawn
from upwell.clock import SystemClock
from upwell.events import ErrorInfo, FreshnessChanged
from upwell.journal.database import open_journal
from upwell.web.models import Asset, Failure, Freshness, FreshnessRisk, Materialization

NOW = datetime(2024, 5, 1, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def asset(key: str, freshness: Freshness | None = None, status: Any = "up_to_date", error: str | None = None) -> Asset:
    failure = Failure(event_id=1, at=NOW, run_id=None, error=ErrorInfo(type="ValueError", message=error or ""))
    made = Materialization(
        event_id=1,
        at=NOW - 90 * MINUTE,
        run_id=None,
        partition=None,
        duration=None,
        code_version=None,
        data_version=None,
        data_time=None,
        metadata={},
    )
    return Asset(
        key=key,
        group="default",
        description=None,
        kinds=(),
        tags={},
        owners=(),
        code_version=None,
        external=False,
        partitioned=False,
        location="shop",
        status=status,
        freshness=freshness,
        last_materialization=made,
        failure=failure if error else None,
        checks_passed=0,
        checks_failed=0,
        sources=(),
    )


def is_(state: Any, since: timedelta, due: timedelta, **more: Any) -> Freshness:
    return Freshness(asset="a", state=state, changed_at=NOW - since, deadline=NOW + due, **more)


RISK = FreshnessRisk(
    since=NOW - MINUTE,
    deadline=NOW + 20 * MINUTE,
    expected_at=NOW + 32 * MINUTE,
    slow_hop="stg_orders",
    reason="slow",
)
SHOP = [
    asset("scratch"),
    asset("dim_products", is_("PASS", 50 * MINUTE, 48 * 60 * MINUTE)),
    asset("fct_orders", is_("FAIL", 30 * MINUTE, -30 * MINUTE, inherited_from="raw_orders")),
    asset("raw_orders", is_("FAIL", 12 * MINUTE, -12 * MINUTE)),
    asset("dim_users", is_("PASS", 600 * MINUTE, 20 * MINUTE, at_risk=RISK), status="materializing"),
    asset("prices", is_("WARN", MINUTE, 40 * MINUTE)),
    asset("report", is_("PASS", MINUTE, MINUTE, inherited_from="raw_orders", inherited_since=NOW - 12 * MINUTE)),
    asset("import", is_("PASS", MINUTE, 3 * MINUTE), status="failed", error="no\nrows"),
    asset("young", is_("UNKNOWN", MINUTE, 3 * MINUTE), status="never"),
]


def words(present: Standings) -> list[tuple[str, str]]:
    return [line.cells[:2] for line in present.lines]  # type: ignore[misc]  # two cells of a row


def test_trouble_comes_first_and_who_is_to_blame_before_who_is_late_because_of_it() -> None:
    assert words(standings(SHOP, NOW, 50)) == [
        ("raw_orders", "late"),
        ("fct_orders", "late"),
        ("dim_users", "at risk"),
        ("import", "fresh"),
        ("prices", "warned"),
        ("report", "input late"),
        ("young", "unknown"),
        ("dim_products", "fresh"),
        ("scratch", "-"),
    ]


def test_a_row_says_since_when_until_when_and_because_of_what() -> None:
    rows = {line.cells[0]: dict(zip(COLUMNS, line.cells, strict=True)) for line in standings(SHOP, NOW, 50).lines}
    late = rows["fct_orders"]
    assert (late["SINCE"], late["DEADLINE"], late["CAUSE"]) == ("30 min ago", "overdue 30 min", "raw_orders is late")
    risk = rows["dim_users"]
    assert (risk["SINCE"], risk["DEADLINE"], risk["STATUS"]) == ("60 s ago", "in 20 min", "materializing")
    assert risk["CAUSE"] == "stg_orders takes the time; expected 12 min late"
    assert rows["report"]["SINCE"] == "12 min ago"
    assert rows["import"]["CAUSE"] == "ValueError: no rows"
    assert rows["scratch"]["LAST MADE"] == "90 min ago"


def test_the_last_line_sums_up() -> None:
    assert ", ".join(text for _, text in standings(SHOP, NOW, 50).sums) == (
        "2 late, 1 at risk, 1 failed, 1 warned, 1 input late, 1 unknown, 1 fresh, 1 without policy"
    )


def test_of_thousands_only_the_worst_are_shown() -> None:
    many = [asset(f"a{n:04}", is_("PASS", MINUTE, MINUTE)) for n in range(3000)]
    present = standings([*many, *SHOP], NOW, 4)
    assert [name for name, _ in words(present)] == ["raw_orders", "fct_orders", "dim_users", "import"]
    assert present.more == "and 3005 more: 1 warned, 1 input late, 1 unknown, 3001 fresh, 1 without policy"


@pytest.mark.parametrize("width", [60, 80, 100, 140])
def test_a_row_is_one_line_however_narrow_the_terminal_is(width: int) -> None:
    output = StringIO()
    present = standings([*SHOP, asset("x", status="failed", error="long " * 50)], NOW, 50)
    Console(file=output, width=width, force_terminal=True, no_color=True).print(drawn(present, width))
    lines = output.getvalue().splitlines()
    assert [*map(str.strip, lines)].index("") == 1 + len(SHOP) + 1
    assert lines[1].find("late") == lines[2].find("late") > 0


DEFINITIONS = """
from datetime import timedelta
from upwell import FreshnessPolicy, asset

@asset(freshness_policy=FreshnessPolicy.time_window(fail_window=timedelta(hours=1)))
def orders(): ...

@asset
def scratch(): ...
"""


@pytest.fixture
def told(project: Path) -> Callable[[Any], None]:
    """Writes what became of the freshness of `orders` to the journal of the project."""
    (project / "definitions.py").write_text(DEFINITIONS)

    async def write(state: Any) -> None:
        clock = SystemClock()
        url = f"sqlite+aiosqlite:///{project / '.upwell' / 'upwell.db'}"
        (project / ".upwell").mkdir(exist_ok=True)
        async with open_journal(url, clock=clock) as journal:
            now = clock.now()
            await journal.append(
                FreshnessChanged(asset="orders", state=state, previous_state="UNKNOWN", changed_at=now, deadline=now)
            )

    return lambda state: anyio.run(write, state)


@pytest.mark.parametrize("options", [(), ("--json",), ("orders",)])
def test_something_late_is_exit_code_1(
    told: Callable[[Any], None], upwell: Callable[..., Any], options: tuple[str, ...]
) -> None:
    told("FAIL")
    result = upwell("status", *options)
    assert result.exit_code == 1, result.stderr
    if "--json" in options:
        [orders] = [one for one in json.loads(result.stdout)["assets"] if one["key"] == "orders"]
        assert orders["freshness"]["state"] == "FAIL"
    else:
        assert result.stdout.splitlines()[-1].startswith("1 late")


def test_what_is_late_outside_of_the_selection_does_not_matter(
    told: Callable[[Any], None], upwell: Callable[..., Any]
) -> None:
    told("FAIL")
    assert upwell("status", "scratch").exit_code == 0


def test_nothing_late_is_exit_code_0(told: Callable[[Any], None], upwell: Callable[..., Any]) -> None:
    told("WARN")
    result = upwell("status")
    assert result.exit_code == 0
    assert "1 warned" in result.stdout


def test_a_service_that_cannot_be_reached_is_exit_code_3(project: Path, upwell: Callable[..., Any]) -> None:
    assert upwell("status", "--url", "http://127.0.0.1:1").exit_code == 3


def test_watching_without_a_terminal_is_wrong_usage(told: Callable[[Any], None], upwell: Callable[..., Any]) -> None:
    result = upwell("status", "--watch")
    assert result.exit_code == 2
    assert "events tail" in result.stderr
