"""The watcher against an oracle that looks at every asset in every second."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import anyio
from hypothesis import given, settings
from hypothesis import strategies as st

from upwell.clock import FakeClock
from upwell.definitions.freshness.model import FreshnessPolicy, TimeWindowFreshnessPolicy
from upwell.definitions.project import Project
from upwell.definitions.snapshot import AssetNode, Snapshot
from upwell.events import AssetMaterialized, FreshnessChanged
from upwell.freshness.watcher import FreshnessWatcher
from upwell.testing import MemoryJournal

START = datetime(2024, 1, 1, tzinfo=UTC)
END = 60

Told = tuple[str, str, int]  # previous state, state, second
Outages = list[tuple[int, int]]  # the service is down in [from, to)


@st.composite
def policies(draw: st.DrawFn) -> TimeWindowFreshnessPolicy:
    fail = draw(st.integers(1, 25))
    warn = draw(st.none() | st.integers(1, fail - 1)) if fail > 1 else None
    grace = draw(st.none() | st.integers(0, 40))
    return FreshnessPolicy.time_window(
        timedelta(seconds=fail),
        None if warn is None else timedelta(seconds=warn),
        grace=None if grace is None else timedelta(seconds=grace),
    )


ASSETS = st.dictionaries(
    st.sampled_from(["a", "b", "c"]), st.tuples(policies(), st.lists(st.integers(1, END), max_size=12)), min_size=1
)


@st.composite
def outages(draw: st.DrawFn) -> Outages:
    edges = sorted(draw(st.lists(st.integers(1, END - 1), unique=True, max_size=6)))
    return list(zip(edges[::2], edges[1::2], strict=False))


def looked_at(made: list[int], down: Outages, until: int) -> Iterator[tuple[int, bool]]:
    """Each instant, and whether what is made then counts already: at a deadline first comes the deadline."""
    for second in range(until + 1):
        sleeping = any(start <= second < end for start, end in down)
        if not sleeping or second in made:
            yield second, False
            yield second, True


def state_at(policy: TimeWindowFreshnessPolicy, made: list[int], second: int, inclusive: bool) -> str:
    past = [at for at in made if at < second or (inclusive and at == second)]
    if not past:
        grace = policy.fail_window if policy.grace is None else policy.grace
        return "FAIL" if second >= grace.total_seconds() else "UNKNOWN"
    age = second - max(past)
    if age >= policy.fail_window.total_seconds():
        return "FAIL"
    return "WARN" if policy.warn_window is not None and age >= policy.warn_window.total_seconds() else "PASS"


def oracle(policy: TimeWindowFreshnessPolicy, made: list[int], down: Outages, until: int = END) -> list[Told]:
    told: list[Told] = []
    previous = "NOT_APPLICABLE"
    began, true_state = 0, ""
    looks = set(looked_at(made, down, until))
    for second in range(until + 1):
        for inclusive in (False, True):
            state = state_at(policy, made, second, inclusive)
            if state != true_state:
                began, true_state = second, state
            if (second, inclusive) in looks and state != previous:
                told.append((previous, state, began))
                previous = state
    return told


def told_of(journal: MemoryJournal, asset: str) -> list[Told]:
    events = [record.event for record in journal.all_of(FreshnessChanged.kind)]
    return [
        (event.previous_state, event.state, int((event.changed_at - START).total_seconds()))
        for event in events
        if isinstance(event, FreshnessChanged) and event.asset == asset
    ]


def project_of(assets: dict[str, tuple[TimeWindowFreshnessPolicy, list[int]]]) -> Project:
    project = Project()
    nodes = tuple(AssetNode(key=key, step=key, freshness=policy) for key, (policy, _) in assets.items())
    project.replace(Snapshot(location="here", assets=nodes))
    return project


async def simulate(assets: dict[str, tuple[TimeWindowFreshnessPolicy, list[int]]], down: Outages) -> MemoryJournal:
    clock = FakeClock(START)
    journal = MemoryJournal(clock)
    starts, stops = {0, *(end for _, end in down)}, {start for start, _ in down}
    async with anyio.create_task_group() as service:
        running = None
        for second in sorted({END, *starts, *stops, *(at for _, made in assets.values() for at in made)}):
            if running is not None and second in stops:
                await clock.advance(to=START + timedelta(seconds=second) - timedelta(milliseconds=1))
                running.cancel()
            await clock.advance(to=START + timedelta(seconds=second))
            if second in starts:
                watcher = FreshnessWatcher(journal, journal, project_of(assets), clock)  # type: ignore[arg-type]
                running = anyio.CancelScope()
                service.start_soon(run_in, running, watcher)
                await clock.advance(0)
            for asset, (_, made) in assets.items():
                if second in made:
                    journal.post(AssetMaterialized(asset=asset))
        await clock.advance(0)
        service.cancel_scope.cancel()
    return journal


async def run_in(scope: anyio.CancelScope, watcher: FreshnessWatcher) -> None:
    with scope:
        await watcher.run()


@settings(deadline=None, max_examples=50)
@given(ASSETS)
def test_every_transition_is_told_once_at_the_second_of_the_oracle(
    assets: dict[str, tuple[TimeWindowFreshnessPolicy, list[int]]],
) -> None:
    journal = anyio.run(simulate, assets, [])
    for asset, (policy, made) in assets.items():
        assert told_of(journal, asset) == oracle(policy, made, [])


@settings(deadline=None, max_examples=100)
@given(ASSETS, outages())
def test_restarts_at_any_instant_repeat_nothing_and_miss_nothing(
    assets: dict[str, tuple[TimeWindowFreshnessPolicy, list[int]]], down: Outages
) -> None:
    journal = anyio.run(simulate, assets, down)
    for asset, (policy, made) in assets.items():
        assert told_of(journal, asset) == oracle(policy, made, down)


REPORTS = st.lists(st.tuples(st.integers(1, END), st.integers(0, 40)), max_size=8)  # made at, told so much later


async def report(policy: TimeWindowFreshnessPolicy, reports: list[tuple[int, int]]) -> MemoryJournal:
    clock = FakeClock(START)
    journal = MemoryJournal(clock)
    async with anyio.create_task_group() as service:
        project = project_of({"a": (policy, [])})
        await service.start(FreshnessWatcher(journal, journal, project, clock).run)  # type: ignore[arg-type]
        for told_at, made_at in sorted((made_at + delay, made_at) for made_at, delay in reports):
            await clock.advance(to=START + timedelta(seconds=told_at))
            claimed = None if told_at == made_at else START + timedelta(seconds=made_at)
            journal.post(AssetMaterialized(asset="a", materialized_at=claimed))
            await clock.advance(0)
        await clock.advance(to=START + timedelta(seconds=END + 40))
        service.cancel_scope.cancel()
    return journal


def in_force(journal: MemoryJournal) -> list[Told]:
    """What was told, without what was corrected."""
    found: dict[int, Told] = {}
    for record, told in zip(journal.all_of(FreshnessChanged.kind), told_of(journal, "a"), strict=True):
        assert isinstance(record.event, FreshnessChanged)
        for wrong in record.event.corrects:
            assert found.pop(wrong, None), "what is corrected was in force"
        found[record.id] = told
    return list(found.values())


def states_of(told: list[Told]) -> list[tuple[str, int]]:
    """Each state and when it began; a correction may say that it went on."""
    found = [(state, second) for _, state, second in told]
    return [one for at, one in enumerate(found) if at == 0 or found[at - 1][0] != one[0]]


@settings(deadline=None, max_examples=150)
@given(policies(), REPORTS)
def test_with_its_corrections_the_history_is_as_if_every_report_had_come_in_time(
    policy: TimeWindowFreshnessPolicy, reports: list[tuple[int, int]]
) -> None:
    journal = anyio.run(report, policy, reports)
    truth = oracle(policy, [made_at for made_at, _ in reports], [], until=END + 40)
    assert states_of(in_force(journal)) == states_of(truth)
    told = told_of(journal, "a")
    assert [previous for previous, _, _ in told[1:]] == [state for _, state, _ in told[:-1]]
