"""The examples do what their pages say, on the real data."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pandas as pd
import pytest

from upwell import materialize

EXAMPLES = Path(__file__).parents[2] / "examples"
UPWELL = Path(sys.executable).with_name("upwell")

# As in "Dagster: Asset-Oriented Data Orchestration for Analytics Teams".
PRINTED = """
@asset(compute_kind="python", group_name="raw")
def raw_orders(context) -> pd.DataFrame:
    # Extract from source API
    df = extract_from_api()
    context.add_output_metadata({"num_rows": len(df)})
    return df

@asset(compute_kind="sql", group_name="marts", deps=[raw_orders])
def fct_orders(raw_orders: pd.DataFrame) -> pd.DataFrame:
    # Transform raw orders into fact table
    return raw_orders[raw_orders["status"] == "completed"].copy()

@asset_check(asset=fct_orders)
def fct_orders_row_count(fct_orders: pd.DataFrame) -> AssetCheckResult:
    row_count = len(fct_orders)
    return AssetCheckResult(
        passed=row_count > 0,
        metadata={"row_count": row_count}
    )

@asset(partitions_def=DailyPartitionsDefinition(start_date="2024-01-01"))
def daily_sales_summary(context):
    partition_date = context.partition_key
    # Process data for partition_date
    pass
"""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def clean_environment(home: Path) -> dict[str, str]:
    plain = {name: value for name, value in os.environ.items() if not name.startswith("UPWELL_")}
    return {**plain, "UPWELL_HOME": str(home)}


def load(file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"{file.parent.name}_{file.stem}", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def nycflights(tmp_path: Path) -> Path:
    """A copy of the example: what it lands and stores stays out of the checkout."""
    unwanted = shutil.ignore_patterns("landing", ".upwell", "__pycache__")
    return Path(shutil.copytree(EXAMPLES / "nycflights", tmp_path / "nycflights", ignore=unwanted))


def drop(nycflights: Path, day: date) -> Path:
    """The real flights of a day in the landing folder."""
    feeder = load(nycflights / "feeder.py")
    landing = nycflights / "landing" / "flights"
    feeder.drop_flights(pd.read_csv(feeder.DATA / "flights.csv.zip"), day, landing)
    return landing / f"{day}.csv"


def flight_assets(definitions: ModuleType) -> list[Any]:
    names = ["planes", "airports", "airlines", "raw_flights", "clean_flights", "delay_by_carrier"]
    checks = ["has_flights", "times_are_possible", "tail_numbers_are_known"]
    return [getattr(definitions, name) for name in names + checks]


def checks_of(result: Any) -> dict[str, Any]:
    return {evaluation.check_name: evaluation for evaluation in result.get_asset_check_evaluations()}


def test_the_quickstart_holds_the_printed_definitions_word_for_word() -> None:
    def lines(text: str) -> list[str]:
        return [line for line in text.splitlines() if line.strip()]

    file = (EXAMPLES / "quickstart" / "definitions.py").read_text()
    start = file.index("@asset(")
    assert lines(file[start:]) == lines(PRINTED)


def test_the_quickstart_runs_from_the_command_line(tmp_path: Path) -> None:
    definitions = EXAMPLES / "quickstart" / "definitions.py"
    command = [UPWELL, "materialize", "-f", definitions, "--partition", "2024-01-01"]
    done = subprocess.run(
        command, cwd=tmp_path, env=clean_environment(tmp_path / "home"), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for name in ("raw_orders", "fct_orders", "fct_orders_row_count", "daily_sales_summary"):
        assert name in done.stdout + done.stderr


@pytest.mark.service
def test_the_quickstart_becomes_fresh_by_a_webhook(serve: Callable[..., Any]) -> None:
    service = serve((EXAMPLES / "quickstart" / "on_webhook.py").read_text())
    orders = [{"order": 1, "status": "completed", "amount": 5.0}, {"order": 2, "status": "open", "amount": 7.0}]
    assert service.post("orders", orders).status_code == 202
    assert service.wait_for("asset.materialized", asset="raw_orders")
    assert service.wait_for("asset.materialized", asset="fct_orders")
    service.wait_for("run.succeeded")
    [check] = service.get("/api/v1/assets/fct_orders")["checks"]
    assert (check["status"], check["metadata"]["row_count"]["value"]) == ("passed", 1)


@pytest.mark.service
@pytest.mark.slow
def test_three_days_of_flights_become_fresh_and_the_example_ends_by_itself(nycflights: Path) -> None:
    options = ["--days", "3", "--interval", "1", "--port", str(free_port())]
    environment = {**clean_environment(nycflights / ".upwell"), "UPWELL_LOG__FORMAT": "json"}
    done = subprocess.run(
        [sys.executable, nycflights / "run.py", *options],
        env=environment,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    assert "3 days are fresh" in done.stdout
    told = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    made = {(line["asset"], line.get("partition")) for line in told if line["event"] == "asset.materialized"}
    days = {f"2013-01-0{number}" for number in (1, 2, 3)}
    for asset in ("raw_flights", "raw_weather", "flights_weather", "delay_by_carrier", "delay_by_weather"):
        assert {partition for key, partition in made if key == asset} == days
    assert not [line for line in told if line["event"] in {"run.failed", "asset.failed"}]
    [summary] = (nycflights / ".upwell" / "storage" / "daily_summary").iterdir()
    frame = pd.read_parquet(summary)
    assert dict(zip(frame["date"], frame["flights"], strict=True)) == {
        "2013-01-03": 914,
        "2013-01-02": 943,
        "2013-01-01": 842,
    }


def test_real_flights_fail_the_checks_that_warn(nycflights: Path) -> None:
    drop(nycflights, date(2013, 1, 1))
    result = materialize(flight_assets(load(nycflights / "definitions.py")), partition_key="2013-01-01")
    assert result.success
    checks = checks_of(result)
    assert checks["has_flights"].passed
    assert not checks["times_are_possible"].passed
    assert checks["times_are_possible"].metadata["impossible"].value == 1, "one plane arrived at 24:00"
    assert not checks["tail_numbers_are_known"].passed


def test_a_day_without_flights_stops_what_is_below_it(nycflights: Path) -> None:
    file = drop(nycflights, date(2013, 1, 1))
    file.write_text(file.read_text().splitlines()[0] + "\n")
    result = materialize(
        flight_assets(load(nycflights / "definitions.py")), partition_key="2013-01-01", raise_on_error=False
    )
    assert not result.success
    assert not checks_of(result)["has_flights"].passed
    made = {event.asset_key.to_user_string() for event in result.get_asset_materialization_events()}
    assert made == {"planes", "airports", "airlines", "raw_flights"}


def test_the_feeder_repeats_a_delivery_under_one_key_until_it_is_accepted(
    nycflights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    feeder = load(nycflights / "feeder.py")
    monkeypatch.setattr(feeder.time, "sleep", lambda seconds: None)
    weather = pd.read_csv(feeder.DATA / "weather.csv")
    answers, seen = iter([503, 503, 202]), []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append((request.headers["idempotency-key"], json.loads(request.content)))
        return httpx.Response(next(answers))

    with httpx.Client(transport=httpx.MockTransport(answer)) as client:
        feeder.post_weather(weather, date(2013, 1, 1), "http://service", client)
    assert len(seen) == 3
    assert len({key for key, _ in seen}) == 1
    assert seen[0][1]["date"] == "2013-01-01"
    assert len(seen[0][1]["observations"]) == len(feeder.of_day(weather, date(2013, 1, 1)))


def test_the_feeder_goes_on_after_the_newest_day(nycflights: Path) -> None:
    feeder = load(nycflights / "feeder.py")
    landing = nycflights / "landing" / "flights"
    assert feeder.next_day(landing) == date(2013, 1, 1)
    drop(nycflights, date(2013, 3, 9))
    assert feeder.next_day(landing) == date(2013, 3, 10)


def test_make_run_passes_its_options_to_the_example() -> None:
    if shutil.which("make") is None:
        pytest.skip("no make")
    command = ["make", "--dry-run", "--always-make", "run", "DAYS=3", "INTERVAL=1", "PORT=8611"]
    done = subprocess.run(command, cwd=EXAMPLES.parent, capture_output=True, text=True, check=True)
    assert re.search(r"run\.py --interval 1 --port 8611 --days 3", done.stdout)
