"""What is known of assets, runs and demands, kept up to date event by event. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime

from upwell.events import (
    AssetMaterialized,
    AssetObserved,
    EventDecided,
    FreshnessAtRisk,
    FreshnessChanged,
    FreshnessDemanded,
    RunCanceled,
    RunFailed,
    RunRequested,
    RunSucceeded,
    StepFailed,
    StepSkipped,
    StepSucceeded,
)
from upwell.freshness.occasions import Demanded
from upwell.freshness.progress import RUN_EVENTS, RunProgress
from upwell.freshness.standings import Fact, Standing, fact_of
from upwell.journal.journal import Record
from upwell.planning.durations import Durations
from upwell.planning.upkeep import Made, Pair

_MOST_KNOWN = 100_000  # partitions known to be there, or not, before that is forgotten


@dataclass(kw_only=True)
class Circumstances:
    """Everything from which it follows what is to be begun, and what will be late.

    Attributes:
        made: the newest materialisation of each asset.
        told: the deadlines that were said to be at risk last.
    """

    durations: Durations = field(default_factory=Durations)
    standings: dict[str, Standing] = field(default_factory=dict)
    made: dict[str, Made] = field(default_factory=dict)
    demanded: dict[str, Demanded] = field(default_factory=dict)
    told: dict[str, datetime] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._runs: dict[str, RunProgress] = {}
        self._runs_of: dict[str, set[str]] = defaultdict(set)
        self._awaited: dict[str, list[str]] = {}  # run that was promised -> assets that it is demanded for
        self._watched: dict[str, set[str]] = defaultdict(set)  # asset -> those below it that are looked at closely
        self._grown: set[str] = set()  # assets of steps that turned out to take longer
        self._there: set[Pair] = set()
        self._asked: set[Pair] = set()

    def take_in_run(self, run: RunProgress) -> None:
        """A run that has not ended."""
        self._runs[run.run_id] = run
        for step in run.plan:
            for asset in step.assets:
                self._runs_of[asset].add(run.run_id)

    def know_partitions(self, asked: Iterable[Pair], there: Iterable[Pair]) -> None:
        """Of these partitions it is known now whether they were ever made."""
        if len(self._asked) > _MOST_KNOWN:
            self._asked.clear()
            self._there.clear()
        self._asked.update(asked)
        self._there.update(there)

    def learn(self, record: Record, now: datetime) -> set[str]:
        """Take in an event; the assets that are to be looked at again."""
        event, touched = record.event, set[str]()
        fact = fact_of(record, now)
        if fact is not None:
            touched |= self._learn_fact(record, fact)
        match event:
            case FreshnessChanged(asset=asset, previous_state="NOT_APPLICABLE") if asset in self.standings:
                self.standings[asset].known_since = event.changed_at
                touched.add(asset)
            case FreshnessDemanded():
                self.note_demand(event, record.at, record.id)
            case FreshnessAtRisk():
                self.told[event.asset] = event.deadline
            case EventDecided():
                touched |= self._learn_decision(event)
            case _ if isinstance(event, RUN_EVENTS):
                touched |= self._learn_of_run(record)
            case _:
                pass
        return {asset for asset in touched if asset in self.standings}

    def _learn_fact(self, record: Record, fact: Fact) -> set[str]:
        event, asset = record.event, fact.asset
        before = self.made.get(asset)
        if isinstance(event, AssetMaterialized) and (before is None or before.id < record.id):
            self.made[asset] = Made(id=record.id, at=fact.at, run_id=event.run_id, data_time=fact.data_time)
            if (asset, event.partition) in self._asked:
                self._there.add((asset, event.partition))
        elif isinstance(event, AssetObserved) and before is not None:
            self.made[asset] = replace(before, data_time=fact.data_time)
        standing = self.standings.get(asset)
        if standing is not None and fact.id > standing.last_id:
            standing.take(fact)
        return {asset, *self._watched.get(asset, ())}

    def _learn_decision(self, event: EventDecided) -> set[str]:
        answered = {key for key, one in self.demanded.items() if one.pending and one.id in event.event_ids}
        if not answered:
            return set()
        if event.run_id is not None and event.outcome != "rejected":
            self._awaited[event.run_id] = sorted(answered)
            return set()
        for asset in answered:
            self.demanded[asset] = replace(self.demanded[asset], pending=False)
        return answered

    def _learn_of_run(self, record: Record) -> set[str]:
        event = record.event
        if isinstance(event, RunRequested):
            if event.run_id not in self._runs:
                self.take_in_run(
                    RunProgress(run_id=event.run_id, plan=event.plan, lane=event.lane, requested_at=record.at)
                )
            for asset in self._awaited.pop(event.run_id, ()):
                self.demanded[asset] = replace(self.demanded[asset], pending=False, run_id=event.run_id)
            return self._assets_of(self._runs[event.run_id])
        run = self._runs.get(getattr(event, "run_id", ""))
        if run is None:
            return set()
        if isinstance(event, StepSucceeded):
            self._time(run, event, record.at)
        run.apply(event, record.at)
        if isinstance(event, RunSucceeded | RunFailed | RunCanceled):
            return self._end_run(run, consumed=not isinstance(event, RunFailed))
        return self._assets_of(run) if isinstance(event, StepFailed | StepSkipped) else set()

    def _end_run(self, run: RunProgress, *, consumed: bool) -> set[str]:
        del self._runs[run.run_id]
        assets = self._assets_of(run)
        for asset in assets:
            self._runs_of[asset].discard(run.run_id)
            last = self.demanded.get(asset)
            if consumed and last is not None and last.run_id == run.run_id:
                self.demanded[asset] = replace(last, consumed=True)
        return assets

    def _assets_of(self, run: RunProgress) -> set[str]:
        return {asset for step in run.plan for asset in step.assets}

    def _time(self, run: RunProgress, event: StepSucceeded, at: datetime) -> None:
        step = run.step(event.step_id)
        if step is None or event.step_id in run.ended:
            return
        ready = None if run.remembered else run.ready_at(event.step_id)
        seconds = event.duration if ready is None else (at - ready).total_seconds()
        if self.durations.add(step.step, seconds):
            self._grown.update(step.assets or [check.partition(":")[0] for check in step.checks])

    def note_demand(self, event: FreshnessDemanded, at: datetime, event_id: int = 0) -> None:
        """Something was demanded, and is to be answered; without an id it is about to be written."""
        for demand in event.demands:
            self.demanded[demand.asset] = Demanded(
                deadline=demand.deadline,
                partition=demand.partition,
                attempt=demand.attempt,
                at=at,
                id=event_id,
                pending=True,
            )
