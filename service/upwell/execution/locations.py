"""Code locations: loading user code in workers, and letting new code take over only when it loads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import anyio
import anyio.abc
import anyio.to_thread

from upwell import logs
from upwell.clock import Clock
from upwell.definitions.conditions.unheeded import unheeded
from upwell.definitions.project import Project
from upwell.definitions.snapshot import Snapshot
from upwell.errors import DefinitionError
from upwell.events import ErrorInfo, LocationFailed, LocationLoaded, ReloadRequested
from upwell.execution.executors.evaluator_crew import EvaluatorCrew
from upwell.execution.executors.evaluators import Evaluators
from upwell.execution.executors.nursery_process import NurseryGone, NurseryProcess, open_nursery
from upwell.execution.executors.pool import WorkerPool
from upwell.execution.executors.workers import WorkerExecutor
from upwell.execution.source_watch import changed_locations
from upwell.journal.journal import Journal
from upwell.runtime.messages import LoadLocation, LocationReport, LocationSpec

log = logs.get_logger()

PRELOAD = ("pandas", "pyarrow.parquet")
"""What most data projects import, and what takes longest."""

OURS = ("upwell_sensors",)
"""What most projects import of ours beside `upwell`, which the nursery has anyway."""

LOAD_TIMEOUT = 60.0
"""Seconds that importing a location's code may take."""

_NURSERY_PAUSE = timedelta(seconds=1)


@dataclass(kw_only=True)
class _Location:
    """One location: what is loaded, and whether somebody wants it loaded anew."""

    spec: LocationSpec
    wanted: anyio.Event = field(default_factory=anyio.Event)
    generation: int = 0
    pool: WorkerPool | None = None
    first: LocationLoaded | LocationFailed | None = None


class Locations:
    """Loads every location at start, and again when asked: by `reload`, by an event in the journal, by a changed file.

    New code is loaded in new workers beside the old. When it loads, and the whole project still makes a valid graph,
    it takes over: the project's graph is replaced, the old workers finish their steps and end. When it does not,
    everything stays as it was and a `LocationFailed` says why. Sensors and filters are evaluated only where there are
    `evaluators`, and cost a location that has none of them nothing.
    """

    def __init__(
        self,
        specs: Sequence[LocationSpec],
        *,
        project: Project,
        journal: Journal,
        executor: WorkerExecutor,
        clock: Clock,
        home: Path,
        evaluators: Evaluators | None = None,
        workers: int = 2,
        preload: Sequence[str] = PRELOAD,
        memory_limit: int | None = None,
        watch: bool = False,
        load_timeout: float = LOAD_TIMEOUT,
    ) -> None:
        self._locations = {spec.name: _Location(spec=spec) for spec in specs}
        self._project = project
        self._journal = journal
        self._executor = executor
        self._evaluators = evaluators
        self._clock = clock
        self._home = home.absolute()
        self._workers = workers
        self._preload = (*preload, *OURS)
        self._memory_limit = memory_limit
        self._watch = watch
        self._load_timeout = load_timeout
        self._attempted = anyio.Event()
        self._nursery_pid: int | None = None

    async def run(self, *, task_status: anyio.abc.TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Keep every location loaded; started when the first attempt at each is over."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._obey_requests, self._journal.head)
            if self._watch:
                tasks.start_soon(self._reload_on_change)
            tasks.start_soon(self._keep_loaded)
            await self.first_load()
            task_status.started()

    def reload(self, location: str | None = None) -> None:
        """Load the code of a location, or of all, anew, as soon as what is being loaded just now is done."""
        for name, place in self._locations.items():
            if location in (None, name):
                place.wanted.set()

    async def first_load(self) -> Mapping[str, LocationLoaded | LocationFailed]:
        """What came of the first attempt at each location, once there was one at all of them."""
        if self._locations:
            await self._attempted.wait()
        return {name: place.first for name, place in self._locations.items() if place.first is not None}

    def pids(self) -> tuple[int, ...]:
        """Every process started here: the nursery and the workers that are current."""
        nursery = () if self._nursery_pid is None else (self._nursery_pid,)
        pools = (place.pool for place in self._locations.values())
        evaluators = () if self._evaluators is None else self._evaluators.pids()
        return nursery + tuple(pid for pool in pools if pool is not None for pid in pool.pids) + evaluators

    # What asks for a reload.

    async def _obey_requests(self, after: int) -> None:
        async for records in self._journal.subscribe(after):
            for record in records:
                if isinstance(record.event, ReloadRequested):
                    self.reload(record.event.location)

    async def _reload_on_change(self) -> None:
        specs = [place.spec for place in self._locations.values()]
        async for names in changed_locations(specs, self._clock):
            for name in names:
                self.reload(name)

    # Loading.

    async def _keep_loaded(self) -> None:
        """Load whatever is wanted in workers of one nursery; when that dies, start anew with another."""
        while True:
            self.reload()
            try:
                async with open_nursery(memory_limit=self._memory_limit) as nursery:
                    self._nursery_pid = nursery.pid
                    await self._serve(nursery)
            except OSError as error:
                self._fail_all(ErrorInfo(type="NurseryNotStarted", message=f"no worker can be started: {error}"))
            finally:
                self._nursery_pid = None
            await self._clock.sleep_until(self._clock.now() + _NURSERY_PAUSE)

    async def _serve(self, nursery: NurseryProcess) -> None:
        async with anyio.create_task_group() as loading:
            loading.start_soon(self._prepare_and_load, nursery, loading)
            await nursery.ended.wait()
            log.error("workers.lost", reason="the process that starts workers has ended; another one is started")
            for name, place in self._locations.items():
                if self._evaluators is not None:
                    self._evaluators.retire(name)
                if place.pool is not None:
                    place.pool.retire()  # what waits for one of its workers waits for the next generation
                elif place.first is None:
                    self._failed(place, ErrorInfo(type="NurseryGone", message=f"loading {name!r} was interrupted"))
            loading.cancel_scope.cancel()

    async def _prepare_and_load(self, nursery: NurseryProcess, loading: anyio.abc.TaskGroup) -> None:
        specs = [place.spec for place in self._locations.values()]
        roots = await anyio.to_thread.run_sync(_roots, specs)
        try:
            await nursery.preload(self._preload, roots)
        except NurseryGone:
            return
        for place in self._locations.values():
            loading.start_soon(self._load_when_wanted, place, nursery, loading)

    async def _load_when_wanted(self, place: _Location, nursery: NurseryProcess, loading: anyio.abc.TaskGroup) -> None:
        while True:
            await place.wanted.wait()
            place.wanted = anyio.Event()  # whoever asks from here on gets another attempt
            await self._load(place, nursery, loading)

    async def _load(self, place: _Location, nursery: NurseryProcess, loading: anyio.abc.TaskGroup) -> None:
        started_at = self._clock.monotonic()
        pool = self._pool(place, nursery)
        loading.start_soon(pool.run)
        report = await pool.first_report()
        wanted = self._evaluators is not None and _has_to_evaluate(report.snapshot)
        crew = self._crew(place, nursery, pool) if wanted else None
        error = report.error or self._take_over(place, pool, crew, report)
        if error is not None:
            pool.retire()
            if place.pool is not None and place.pool.retired:
                self._remove(place.spec.name)  # its workers were lost, and there are no others
            self._failed(place, error)
            return
        if crew is not None:
            loading.start_soon(crew.run)
        assert report.snapshot is not None
        place.generation += 1
        event = LocationLoaded(
            location=place.spec.name,
            generation=place.generation,
            code_hash=report.snapshot.code_hash,
            assets=len(report.snapshot.assets),
            duration=self._clock.monotonic() - started_at,
        )
        self._told(place, event)
        for one in unheeded(report.snapshot.assets, report.snapshot.checks):
            log.warning("automation.unheeded", asset=one.key, condition=one.condition, reason=one.note)

    def _take_over(
        self, place: _Location, pool: WorkerPool, crew: EvaluatorCrew | None, report: LocationReport
    ) -> ErrorInfo | None:
        """Let new code take the place of the old; an error if the project as a whole does not allow it."""
        if report.snapshot is None:
            return ErrorInfo(type="LoadingFailed", message="the worker described nothing")
        try:
            self._project.replace(report.snapshot)
        except DefinitionError as error:
            return ErrorInfo(type=type(error).__name__, message=str(error))
        self._executor.install(place.spec.name, pool)
        if self._evaluators is not None:
            if crew is not None:
                self._evaluators.install(place.spec.name, crew)
            else:
                self._evaluators.remove(place.spec.name)
        place.pool = pool
        return None

    def _remove(self, location: str) -> None:
        self._executor.remove(location)
        if self._evaluators is not None:
            self._evaluators.remove(location)

    def _pool(self, place: _Location, nursery: NurseryProcess) -> WorkerPool:
        return WorkerPool(
            nursery=nursery,
            load=LoadLocation(spec=place.spec, home=str(self._home)),
            logs=self._home / "logs",
            size=self._workers,
            load_timeout=self._load_timeout,
            clock=self._clock,
            on_failed_replacement=lambda error: self._failed(place, error),
        )

    def _crew(self, place: _Location, nursery: NurseryProcess, pool: WorkerPool) -> EvaluatorCrew:
        return EvaluatorCrew(
            nursery=nursery,
            load=pool.load,
            logs=self._home / "logs",
            load_timeout=self._load_timeout,
            clock=self._clock,
            on_failed_replacement=lambda error: self._failed(place, error),
        )

    def _fail_all(self, error: ErrorInfo) -> None:
        for place in self._locations.values():
            self._failed(place, error)

    def _failed(self, place: _Location, error: ErrorInfo) -> None:
        self._told(place, LocationFailed(location=place.spec.name, error=error))

    def _told(self, place: _Location, event: LocationLoaded | LocationFailed) -> None:
        self._journal.post(event)
        place.first = place.first or event
        if all(other.first is not None for other in self._locations.values()):
            self._attempted.set()


def _has_to_evaluate(snapshot: Snapshot | None) -> bool:
    """Whether there are sensors, or filters of users."""
    if snapshot is None:
        return False
    return bool(snapshot.sensors) or any(on.filter_call is not None for asset in snapshot.assets for on in asset.on)


def _roots(specs: Sequence[LocationSpec]) -> list[str]:
    """Where the source of the locations is looked for: what they name first, then what lies beside it."""
    directories = {spec.name: Path(spec.working_directory).resolve() for spec in specs}
    files = [directories[spec.name] / file for spec in specs for file in spec.files]
    return [str(path) for path in (*files, *(file.parent for file in files), *directories.values())]
