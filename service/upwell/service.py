"""The composition root: every station around one journal, in one task group.

Starting goes against the way of an event, so that whoever hands something on is never ahead of who takes it; stopping
goes along it: nothing new is taken, running steps get their grace, then the journal is flushed and closed.
"""

from __future__ import annotations

import signal
from collections.abc import Sequence
from datetime import timedelta
from importlib.metadata import version

import anyio
import anyio.abc

from upwell import logs
from upwell.alerting import make_dispatcher, make_heartbeat, make_keeper
from upwell.alerts.event_log import EventLog
from upwell.clock import Clock, SystemClock
from upwell.definitions.freshness.defaults import default_policies
from upwell.definitions.project import Project
from upwell.events import ServiceStarted, ServiceStopping
from upwell.execution.executors.evaluators import Evaluators
from upwell.execution.executors.workers import WorkerExecutor
from upwell.execution.limits import Limits
from upwell.execution.locations import Locations
from upwell.execution.supervisor import Supervisor
from upwell.freshness.keeper import FreshnessKeeper
from upwell.freshness.watcher import FreshnessWatcher
from upwell.journal.canary import CanaryProbe
from upwell.journal.database import StoredJournal, open_journal
from upwell.journal.retention import Pruner
from upwell.planning.maintenance import PlannedMaintenance
from upwell.reactor.reactor import Reactor
from upwell.runtime.messages import LocationSpec
from upwell.sensing.caller import SensorCaller
from upwell.settings import Settings
from upwell.sources.host import SourceHost
from upwell.sources.reaction import parse_rate
from upwell.web.app import WebApp, WebParts, build_app
from upwell.web.auth import ApiToken, check_bind
from upwell.web.server import serve

log = logs.get_logger()


async def run_service(settings: Settings, specs: Sequence[LocationSpec], *, reload: bool) -> int:
    """Run until SIGTERM or SIGINT; a second one stops at once. SIGHUP loads the code anew.

    Returns:
        The exit code of the process: 0 after a graceful stop, 1 when it was cut short.

    Raises:
        JournalError: the database is in use or cannot be reached.
        SettingsError: the API would be open to the network.
    """
    check_bind(settings.host, _tokens(settings))
    clock = SystemClock()
    async with open_journal(settings.database_url, clock=clock) as journal:
        return await Service(settings, specs, journal, clock, reload=reload).run()


class Service:
    """The stations of one service and the order in which they start and stop."""

    def __init__(
        self,
        settings: Settings,
        specs: Sequence[LocationSpec],
        journal: StoredJournal,
        clock: Clock,
        *,
        reload: bool,
    ) -> None:
        queries, project = journal.queries, Project(default_policies(settings.freshness.defaults))
        self._settings = settings
        self._journal = journal
        self._project = project
        self._executor = WorkerExecutor()
        self._evaluators = Evaluators()
        self._event_log = EventLog(journal, queries)
        self._locations = Locations(
            specs,
            project=project,
            journal=journal,
            executor=self._executor,
            evaluators=self._evaluators,
            clock=clock,
            home=settings.home,
            workers=settings.workers,
            preload=settings.preload,
            memory_limit=settings.worker_memory_limit,
            watch=reload,
        )
        limits = Limits(max_runs=settings.max_runs, max_steps=settings.max_steps, pools=settings.pools)
        self._supervisor = Supervisor(journal, queries, project, self._executor, clock, limits)
        self._incidents = make_keeper(settings.alerts, journal, project, clock)
        self._dispatcher = make_dispatcher(settings.alerts, journal, project, clock, settings.secrets())
        self._freshness = FreshnessWatcher(journal, queries, project, clock)
        self._keeper = FreshnessKeeper(journal, queries, project, clock)
        proofs = (CanaryProbe(journal, clock).prove, self._freshness.prove)
        self._heartbeat = make_heartbeat(settings.heartbeat, settings.alerts, proofs, clock)
        self._sensors = SensorCaller(journal, queries, project, self._evaluators, clock)
        self._reactor = Reactor(journal, queries, project, clock)
        self._sources = SourceHost(journal, queries, project, clock, clean=logs.Redact(settings.secrets()).text)
        self._web: WebApp = build_app(
            WebParts(
                journal=journal,
                queries=queries,
                project=project,
                clock=clock,
                api_tokens=_tokens(settings),
                locations=[spec.name for spec in specs],
                max_body=settings.webhook.max_body,
                webhook_rate=parse_rate(rate, what="webhook.rate") if (rate := settings.webhook.rate) else None,
                max_batch=settings.webhook.max_batch,
                longest_wait=settings.webhook.longest_wait,
                trusted_proxies=settings.webhook.trusted_proxies,
                preview_sensor=self._sensors.preview,
                preview_decisions=self._reactor.preview,
                maintenance=_maintenance(settings),
            )
        )
        self._pruner = Pruner(journal, clock, settings.retention) if settings.retention else None
        self._stop = anyio.Event()
        self._cut_short = False

    async def run(self) -> int:
        """Start every station, serve until told to stop, and stop."""
        async with anyio.create_task_group() as stations:
            await stations.start(self._obey_signals, stations.cancel_scope)
            await stations.start(self._event_log.run)
            await stations.start(self._dispatcher.run)
            await stations.start(self._incidents.run)
            async with anyio.create_task_group() as intake:
                intake.start_soon(self._start, stations, intake)
                await self._stop.wait()
                self._web.drain()
                intake.cancel_scope.cancel()
            async with anyio.create_task_group() as draining:
                draining.start_soon(self._sensors.drain)
                draining.start_soon(self._supervisor.drain, self._settings.shutdown_grace)
            await self._journal.flush()
            stations.cancel_scope.cancel()
        return 1 if self._cut_short else 0

    async def _start(self, stations: anyio.abc.TaskGroup, intake: anyio.abc.TaskGroup) -> None:
        started = anyio.current_time()
        self._journal.post(ServiceStarted(version=version("upwell")))
        self._project.dynamic.replace(await self._journal.queries.dynamic_partitions())
        port = await intake.start(serve, self._web, self._settings.host, self._settings.port)
        stations.start_soon(self._web.run)
        if self._pruner is not None:
            stations.start_soon(self._pruner.run)
        await stations.start(self._locations.run)
        await self._project.until_loaded()
        await stations.start(self._freshness.run)
        await stations.start(self._supervisor.run)
        await stations.start(self._sensors.run)
        await stations.start(self._reactor.run)
        await stations.start(self._keeper.run)
        await intake.start(self._sources.run)
        if self._heartbeat is not None:
            stations.start_soon(self._heartbeat.run)
        log.info(
            "service.ready",
            url=f"http://{self._settings.host}:{port}",
            assets=len(self._project.graph.assets),
            seconds=round(anyio.current_time() - started, 3),
        )

    async def _obey_signals(
        self, everything: anyio.CancelScope, *, task_status: anyio.abc.TaskStatus[None] = anyio.TASK_STATUS_IGNORED
    ) -> None:
        with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
            task_status.started()
            async for number in signals:
                if number == signal.SIGHUP:
                    self._locations.reload()
                elif not self._stop.is_set():
                    self._journal.post(ServiceStopping(reason=signal.Signals(number).name))
                    self._stop.set()
                else:
                    self._cut_short = True
                    everything.cancel()


def _maintenance(settings: Settings) -> list[PlannedMaintenance]:
    return [
        PlannedMaintenance(
            select=one.select, cron=one.cron, duration=timedelta(seconds=one.duration), timezone=one.timezone
        )
        for one in settings.alerts.maintenance
    ]


def _tokens(settings: Settings) -> list[ApiToken]:
    return [ApiToken.of(token.token.get_secret_value(), token.role) for token in settings.api_tokens]
