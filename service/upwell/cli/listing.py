"""`upwell list assets`, `list jobs`, `list sensors`, `list schedules`, `list sources`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TypeVar

import anyio
import typer
from pydantic import BaseModel

from upwell.cli.options import Files, Json, Modules, Select, Url, location_specs, quiet_settings
from upwell.cli.output import print_json, print_table
from upwell.cli.service_api import connect
from upwell.clock import SystemClock
from upwell.durations import format_duration
from upwell.logs import spoken
from upwell.settings import Settings
from upwell.web.listening_models import ScheduleList, Sensor, SensorList, Source, SourceList
from upwell.web.models import AssetList, JobList
from upwell.web.wording import ago, ahead

M = TypeVar("M", bound=BaseModel)

app = typer.Typer(no_args_is_help=True, add_completion=False, help="List assets, jobs, sensors, schedules or sources.")


@app.command()
def assets(
    select: Select = None, file: Files = None, module: Modules = None, url: Url = None, as_json: Json = False
) -> None:
    """List assets: group, kinds, what they listen to."""
    found = _ask(quiet_settings(file, module, url=url), "/assets", AssetList, select)
    rows = [
        (one.key, one.group, ", ".join(one.kinds) or "-", ", ".join(one.sources) or "-", one.description or "")
        for one in found.assets
    ]
    _show(found, ("ASSET", "GROUP", "KINDS", "LISTENS TO", "DESCRIPTION"), rows, as_json=as_json)


@app.command()
def jobs(file: Files = None, module: Modules = None, url: Url = None, as_json: Json = False) -> None:
    """List jobs and the assets they make."""
    found = _ask(quiet_settings(file, module, url=url), "/jobs", JobList)
    rows = [(one.name, ", ".join(one.assets), one.description or "") for one in found.jobs]
    _show(found, ("JOB", "ASSETS", "DESCRIPTION"), rows, as_json=as_json)


@app.command()
def sensors(file: Files = None, module: Modules = None, url: Url = None, as_json: Json = False) -> None:
    """List sensors: what calls them, whether they rest, and what came of the newest call."""
    found = _ask(quiet_settings(file, module, url=url), "/sensors", SensorList)
    now = SystemClock().now()
    rows = [
        (one.name, _called_by(one), _state(one), ago(one.called_at, now), one.status or "-", _outcome(one))
        for one in found.sensors
    ]
    _show(found, ("SENSOR", "CALLED BY", "STATE", "LAST CALL", "RESULT", ""), rows, as_json=as_json)


@app.command()
def schedules(file: Files = None, module: Modules = None, url: Url = None, as_json: Json = False) -> None:
    """List schedules: when they tick, whether they rest, and what came of the newest call."""
    found = _ask(quiet_settings(file, module, url=url), "/schedules", ScheduleList)
    now = SystemClock().now()
    rows = [
        (
            one.name,
            ", ".join(one.cron),
            one.timezone or "UTC",
            _state(one),
            ahead(one.next_tick, now),
            ago(one.called_at, now),
            one.status or "-",
            _outcome(one),
        )
        for one in found.schedules
    ]
    columns = ("SCHEDULE", "CRON", "TIMEZONE", "STATE", "NEXT", "LAST CALL", "RESULT", "")
    _show(found, columns, rows, as_json=as_json)


@app.command()
def sources(file: Files = None, module: Modules = None, url: Url = None, as_json: Json = False) -> None:
    """List event sources: who listens to them, whether they rest or fail, and when each was heard last."""
    found = _ask(quiet_settings(file, module, url=url), "/sources", SourceList)
    now = SystemClock().now()
    rows = [
        (
            one.name,
            one.kind,
            _state(one),
            ", ".join((*one.assets, *one.sensors)),
            ago(one.last_event_at, now),
            "-" if one.lag is None else spoken(one.lag),
            _trouble(one, now),
        )
        for one in found.sources
    ]
    _show(found, ("SOURCE", "KIND", "STATE", "LISTENERS", "LAST EVENT", "LAG", ""), rows, as_json=as_json)


def _state(one: Sensor | Source) -> str:
    if isinstance(one, Source):
        return one.state
    return "active" if one.active else "paused"


def _trouble(one: Source, now: datetime) -> str:
    """Why it fails."""
    if one.error is None:
        return ""
    return f"{ago(one.failing_since, now)}: {one.error.type}: {one.error.message}".split("\n", 1)[0]


def _called_by(one: Sensor) -> str:
    """What makes the sensor be called."""
    if one.interval is not None:
        return f"every {format_duration(timedelta(seconds=one.interval))}"
    runs = [f"runs {', '.join(one.watched_statuses)}"] if one.watched_statuses else []
    return ", ".join((*one.sources, *one.watched_assets, *runs)) or "-"


def _outcome(one: Sensor) -> str:
    """What there is to say of the newest call."""
    if one.error is not None:
        return f"{one.error.type}: {one.error.message}".split("\n", 1)[0]
    return one.reason or ""


def _ask(settings: Settings, path: str, answer: type[M], select: str | None = None) -> M:
    async def ask() -> M:
        async with connect(settings, location_specs(settings)) as api:
            return await api.get(path, answer, select=select)

    return anyio.run(ask)


def _show(found: BaseModel, columns: tuple[str, ...], rows: Sequence[tuple[str, ...]], *, as_json: bool) -> None:
    if as_json:
        print_json(found)
    else:
        print_table(columns, [tuple(" ".join(cell.split()) for cell in row) for row in rows])
