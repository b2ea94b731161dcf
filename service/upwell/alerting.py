"""The part of the composition root that makes of the settings who is told of what goes wrong."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from upwell.alert_settings import AlertSettings, HeartbeatSettings, SinkSettings
from upwell.alerts.dispatcher import Dispatcher, make_outlet
from upwell.alerts.heartbeat import Heartbeat, Proof
from upwell.alerts.keeper import IncidentKeeper
from upwell.alerts.lane import Outlet
from upwell.alerts.outgoing import Outgoing
from upwell.alerts.quiet import Maintenance, Silence
from upwell.alerts.routing import Reader
from upwell.alerts.selecting import ProjectSelecting
from upwell.alerts.sinks.sink import SinkOptions
from upwell.clock import Clock
from upwell.definitions.crons import checked_zone, plain_cron
from upwell.definitions.project import Project
from upwell.definitions.selection import AssetSelection
from upwell.errors import DefinitionError, SettingsError, UpwellError
from upwell.journal.database import StoredJournal
from upwell.logs import Redact


def make_keeper(settings: AlertSettings, journal: StoredJournal, project: Project, clock: Clock) -> IncidentKeeper:
    """Who keeps the incidents.

    Raises:
        SettingsError: a selection, a cron expression or a time zone that cannot be read.
    """
    return IncidentKeeper(
        journal,
        journal.queries,
        project,
        clock,
        dwell=settings.recovery_dwell,
        catch_up_grace=settings.catch_up_grace,
        sensor_failures=settings.sensor_failures,
        quiet=_quiet(settings),
    )


def make_dispatcher(
    settings: AlertSettings, journal: StoredJournal, project: Project, clock: Clock, secrets: Sequence[str] = ()
) -> Dispatcher:
    """Who tells the sinks; the values of `secrets` are told to nobody.

    Raises:
        SettingsError: a selection that cannot be read.
    """
    outgoing = Outgoing(settings.allow_private)
    outlets = [outlet for sink in settings.sinks if (outlet := _outlet(sink, outgoing, clock)) is not None]
    return Dispatcher(journal, journal.queries, ProjectSelecting(project), clock, outlets, clean=Redact(secrets).text)


def make_heartbeat(
    settings: HeartbeatSettings, alerts: AlertSettings, proofs: Sequence[Proof], clock: Clock
) -> Heartbeat | None:
    """Who tells the outside that the service is alive, where anybody is to be told."""
    if settings.url is None:
        return None
    return Heartbeat(
        settings.url.get_secret_value(),
        settings.interval,
        proofs,
        Outgoing(alerts.allow_private),
        clock,
        tell_failures=settings.tell_failures,
    )


def _outlet(sink: SinkSettings, outgoing: Outgoing, clock: Clock) -> Outlet | None:
    if sink.select is not None:
        _check_selection(sink.select, f"the sink {sink.name}")
    options = SinkOptions(
        name=sink.name,
        url=None if sink.url is None else sink.url.get_secret_value(),
        secret=None if sink.secret is None else sink.secret.get_secret_value(),
        sender=sink.sender,
        to=sink.to,
        timeout=sink.timeout,
        more=sink.options,
    )
    reader = Reader(select=sink.select, owners=sink.owners, min_severity=sink.min_severity, updates=sink.updates)
    return make_outlet(sink.kind, options, reader, outgoing, clock, rate=sink.rate, give_up_after=sink.give_up_after)


def _quiet(settings: AlertSettings) -> list[Silence | Maintenance]:
    found: list[Silence | Maintenance] = []
    for number, silence in enumerate(settings.silences, start=1):
        _check_selection(silence.select, f"silence {number}")
        found.append(
            Silence(
                id=f"settings-{number}",
                select=silence.select,
                since=silence.since,
                until=silence.until,
                reason=silence.reason,
            )
        )
    for number, window in enumerate(settings.maintenance, start=1):
        what = f"maintenance window {number}"
        _check_selection(window.select, what)
        try:
            checked_zone(window.timezone, what)
            plain_cron(window.cron, what)
        except DefinitionError as error:
            raise SettingsError(f"alerts.maintenance: {error}") from None
        found.append(
            Maintenance(
                select=window.select,
                cron=window.cron,
                duration=timedelta(seconds=window.duration),
                timezone=window.timezone,
                reason=window.reason,
            )
        )
    return found


def _check_selection(text: str, what: str) -> None:
    try:
        AssetSelection.from_string(text)
    except UpwellError as error:
        raise SettingsError(f"alerts: the selection of {what} cannot be read: {error}") from None
