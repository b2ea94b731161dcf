"""Code locations end to end: user code loads in workers, new code takes over only when it can."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import anyio
import psutil
import pytest

from upwell.clock import SystemClock
from upwell.definitions.project import Project
from upwell.events import Event, LocationFailed, LocationLoaded, ReloadRequested, RunId
from upwell.execution.executors.workers import WorkerExecutor
from upwell.execution.locations import Locations
from upwell.journal.journal import Record
from upwell.runtime.messages import LocationSpec, StepReport, StepTask

pytestmark = pytest.mark.anyio

GOOD = "from upwell import asset\n\n@asset\ndef {name}() -> None: ...\n"


class Journal:
    """What Locations needs of a journal, in memory."""

    head = 0

    def __init__(self) -> None:
        self.posted: list[Event] = []
        self._changed = anyio.Event()
        self._give, self._take = anyio.create_memory_object_stream[Record](100)

    def post(self, *events: Event) -> None:
        self.posted += events
        changed, self._changed = self._changed, anyio.Event()
        changed.set()

    def come(self, event: Event) -> None:
        """Let an event of somebody else come by."""
        self._give.send_nowait(Record(id=1, at=datetime(2024, 1, 1, tzinfo=UTC), event=event))

    async def subscribe(self, after: int) -> AsyncIterator[Sequence[Record]]:
        async for record in self._take:
            yield [record]

    async def next(self, count: int) -> Event:
        """The event of that number (from 1), when it has been posted."""
        with anyio.fail_after(20):
            while len(self.posted) < count:
                await self._changed.wait()
        return self.posted[count - 1]


class Shop:
    """A project in a folder, with its locations running."""

    def __init__(self, folder: Path, **options: object) -> None:
        self.file = folder / "shop.py"
        self.journal = Journal()
        self.project = Project()
        self.executor = WorkerExecutor()
        self.locations = Locations(
            [LocationSpec(name="shop", files=("shop.py",), working_directory=str(folder))],
            project=self.project,
            journal=self.journal,  # type: ignore[arg-type]  # a stand-in
            executor=self.executor,
            clock=SystemClock(),
            home=folder / "home",
            **{"workers": 1, "preload": (), **options},  # type: ignore[arg-type]
        )

    def deploy(self, text: str) -> None:
        self.file.write_text(text)

    async def run(self, step: str) -> StepReport:
        now = datetime(2024, 1, 1, tzinfo=UTC)
        with anyio.fail_after(20):
            return await self.executor.run(
                StepTask(run_id=RunId("r"), step_id=step, step=step, location="shop", attempt=1, now=now)
            )

    async def error_of_next_deploy(self, text: str) -> LocationFailed:
        count = len(self.journal.posted)
        self.deploy(text)
        self.locations.reload()
        event = await self.journal.next(count + 1)
        assert isinstance(event, LocationFailed)
        return event


@contextlib.asynccontextmanager
async def running(folder: Path, text: str = GOOD.format(name="a"), **options: object) -> AsyncIterator[Shop]:
    shop = Shop(folder, **options)
    shop.deploy(text)
    async with anyio.create_task_group() as tasks:
        with anyio.fail_after(20):
            await tasks.start(shop.locations.run)
        yield shop
        tasks.cancel_scope.cancel()


async def test_a_location_is_described_and_told_when_it_is_loaded(tmp_path: Path) -> None:
    async with running(tmp_path) as shop:
        event = await shop.journal.next(1)
        assert isinstance(event, LocationLoaded)
        assert (event.location, event.generation, event.assets) == ("shop", 1, 1)
        assert set(shop.project.graph.assets) == {"a"} and shop.project.graph.location_of_step == {"a": "shop"}
        assert (await shop.run("a")).error is None


@pytest.mark.parametrize("how", ["reload", "event"])
async def test_new_code_takes_over_when_somebody_asks(tmp_path: Path, how: str) -> None:
    async with running(tmp_path) as shop:
        shop.deploy(GOOD.format(name="b"))
        if how == "reload":
            shop.locations.reload()
        else:
            shop.journal.come(ReloadRequested())
        event = await shop.journal.next(2)
        assert isinstance(event, LocationLoaded) and event.generation == 2
        assert set(shop.project.graph.assets) == {"b"}
        assert (await shop.run("b")).error is None


async def test_new_code_takes_over_when_a_file_changes(tmp_path: Path) -> None:
    async with running(tmp_path, watch=True) as shop:
        shop.deploy("import more\nfrom more import *\n")
        (tmp_path / "more.py").write_text(GOOD.format(name="b"))
        with anyio.fail_after(20):
            while set(shop.project.graph.assets) != {"b"}:
                await anyio.sleep(0.01)
                (tmp_path / "more.py").touch()  # until the watcher has begun


@pytest.mark.parametrize(
    ("text", "type_", "said"),
    [
        ("def (", "SyntaxError", "shop.py"),
        ("import nothing_of_the_kind", "ModuleNotFoundError", "nothing_of_the_kind"),
        ("raise SystemExit(3)", "SystemExit", "3"),
        ("import os\nprint('last words', flush=True)\nos._exit(3)", "LoadingFailed", "last words"),
        ("x = 1", "DagsterInvalidDefinitionError", "shop.py:1"),
        (
            "from upwell import asset\n@asset\ndef a(b): ...\n@asset\ndef b(a): ...\n",
            "DagsterInvalidDefinitionError",
            "circle",
        ),
    ],
)
async def test_broken_code_is_told_and_the_old_goes_on(tmp_path: Path, text: str, type_: str, said: str) -> None:
    async with running(tmp_path) as shop:
        failed = await shop.error_of_next_deploy(text)
        assert failed.error.type == type_
        assert said in failed.error.message + (failed.error.traceback or "")
        assert set(shop.project.graph.assets) == {"a"}
        assert (await shop.run("a")).error is None


async def test_code_whose_import_hangs_is_given_up_and_the_old_goes_on(tmp_path: Path) -> None:
    async with running(tmp_path, load_timeout=1.0) as shop:
        failed = await shop.error_of_next_deploy("import time; time.sleep(3600)")
        assert "longer than 1 s" in failed.error.message
        assert (await shop.run("a")).error is None


async def test_a_broken_start_is_told_and_mended_by_the_next_deploy(tmp_path: Path) -> None:
    async with running(tmp_path, "def (") as shop:
        first = (await shop.locations.first_load())["shop"]
        assert isinstance(first, LocationFailed) and first.error.type == "SyntaxError"
        report = await shop.run("a")
        assert report.error is not None and report.error.type == "LocationNotLoaded"
        shop.deploy(GOOD.format(name="a"))
        shop.locations.reload()
        assert isinstance(await shop.journal.next(2), LocationLoaded)
        assert (await shop.run("a")).error is None


async def test_a_step_under_way_finishes_in_the_old_code(tmp_path: Path) -> None:
    slow = "import time\nfrom pathlib import Path\n" + GOOD.format(name="a").replace("...", "{}")
    waiting = slow.format("\n    while not Path('go').exists(): time.sleep(0.01)")
    async with running(tmp_path, waiting) as shop:
        reports: list[StepReport] = []

        async def run() -> None:
            reports.append(await shop.run("a"))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run)
            await anyio.sleep(0.1)
            old = shop.locations.pids()
            shop.deploy(GOOD.format(name="b"))
            shop.locations.reload()
            await shop.journal.next(2)
            assert not reports
            (tmp_path / "go").touch()
        assert reports[0].error is None
        with anyio.fail_after(10):
            while any(psutil.pid_exists(pid) for pid in set(old) - set(shop.locations.pids())):
                await anyio.sleep(0.01)


async def test_the_loss_of_the_nursery_is_made_good(tmp_path: Path) -> None:
    async with running(tmp_path) as shop:
        os.kill(shop.locations.pids()[0], signal.SIGKILL)
        assert isinstance(await shop.journal.next(2), LocationLoaded)
        assert (await shop.run("a")).error is None


async def test_no_process_is_left_when_it_ends(tmp_path: Path) -> None:
    async with running(tmp_path, workers=2) as shop:
        family = psutil.Process().children(recursive=True)
        assert len(family) >= 3 and set(shop.locations.pids()) <= {one.pid for one in family}
    _, left = psutil.wait_procs(family, timeout=10)
    assert left == []


async def test_modules_are_imported_from_the_working_directory(tmp_path: Path) -> None:
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack" / "__init__.py").write_text("")
    (tmp_path / "pack" / "shop.py").write_text("from pack.names import NAME\n" + GOOD.format(name="a"))
    (tmp_path / "pack" / "names.py").write_text("NAME = 1\n")
    shop = Shop(tmp_path)
    shop.locations = Locations(
        [LocationSpec(name="pack", modules=("pack.shop",), working_directory=str(tmp_path))],
        project=shop.project,
        journal=shop.journal,  # type: ignore[arg-type]  # a stand-in
        executor=shop.executor,
        clock=SystemClock(),
        home=tmp_path / "home",
        preload=(),
    )
    async with anyio.create_task_group() as tasks:
        await tasks.start(shop.locations.run)
        assert set(shop.project.graph.assets) == {"a"}
        tasks.cancel_scope.cancel()


async def test_a_worker_replaced_after_a_broken_deploy_still_runs_the_code_of_its_generation(tmp_path: Path) -> None:
    more = (
        "from shared import VALUE\n"
        + GOOD.format(name="a")
        + "\n@asset\ndef dies() -> None:\n    import os; os._exit(1)\n"
    )
    (tmp_path / "shared.py").write_text("VALUE = 1\n")
    async with running(tmp_path, more) as shop:
        await shop.error_of_next_deploy("def (")
        (tmp_path / "shared.py").unlink()
        for _ in range(2):
            report = await shop.run("dies")
            assert report.error is not None and report.error.type == "WorkerEnded"
        assert (await shop.run("a")).error is None
