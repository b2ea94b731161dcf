"""What the operands of conditions answer: those that look at the world, not at other conditions. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import assert_never
from zoneinfo import ZoneInfo

from upwell.definitions.conditions.answers import Answer, Asked, Times, said
from upwell.definitions.conditions.model import (
    CheckResult,
    CronTickPassed,
    FreshnessResult,
    InLatestTimeWindow,
    Operand,
    RunTags,
)
from upwell.definitions.conditions.places import Places
from upwell.definitions.conditions.state import EMPTY, AutomationCursor, AutomationState, RunFacts, Subset, Update
from upwell.definitions.crons import plain_cron
from upwell.definitions.partitions.ticks import at_or_before, ticks_of


class Operands:
    """Their answers in one evaluation; `requested` grows while it goes on."""

    def __init__(
        self, places: Places, state: AutomationState, cursor: AutomationCursor, requested: Mapping[str, Subset]
    ) -> None:
        self._places = places
        self._graph = places.graph
        self._state = state
        self._cursor = cursor
        self._requested = requested
        self._ticks: dict[CronTickPassed, datetime] = {}

    def by_run_tags(self, condition: RunTags, asked: Asked) -> Answer:
        return said(condition, asked, self._by_run_tags(condition, asked) if asked.candidates else EMPTY)

    def check_result(self, condition: CheckResult, asked: Asked) -> Answer:
        wanted = "passed" if condition.passed else "failed"
        return said(condition, asked, self._check_is(asked, wanted) if asked.candidates else EMPTY)

    def freshness_result(self, condition: FreshnessResult, asked: Asked) -> Answer:
        kept = self._state.freshness(asked.key) == condition.state
        return said(condition, asked, self._places.everything(asked.key) if kept else EMPTY)

    def in_latest_time_window(self, condition: InLatestTimeWindow, asked: Asked) -> Answer:
        window = self._places.latest_window(asked.key, condition.lookback) if asked.candidates else EMPTY
        return said(condition, asked, window)

    def operand(self, condition: Operand, asked: Asked) -> Answer:
        times: Times | None = None
        true = EMPTY
        match condition.what:
            case "code_version_changed":
                true = self._code_version_changed(asked)
            case "initial_evaluation":
                true = asked.candidates if self._is_initial(asked.root) else EMPTY
            case _ if not asked.candidates:
                pass
            case "missing":
                true = self._missing(asked)
            case "run_in_progress":
                true = self._under_way(asked)
            case "backfill_in_progress":
                is_check = asked.key in self._graph.checks
                true = EMPTY if is_check else frozenset(self._state.backfill_in_progress(asked.key))
            case "execution_failed":
                true = self._failed(asked)
            case "will_be_requested":
                true = self._will_be_requested(asked)
            case "newly_updated":
                true, times = self._newly_updated(asked)
            case "newly_requested":
                true, times = self._newly_requested(asked)
            case "data_version_changed":
                if asked.former is not None and asked.key in self._graph.assets:
                    changed = self._state.data_version_changed_after(asked.key, asked.former.last_event_id)
                    true = self._places.everything(asked.key) & frozenset(changed)
            case "executed_with_root_target":
                true = self._latest_run_is(asked, lambda run: asked.key != asked.root and asked.root in run.targets)
            case _:
                assert_never(condition.what)
        return said(condition, asked, true, times=times)

    def _missing(self, asked: Asked) -> Subset:
        if asked.key in self._graph.checks:
            return asked.candidates if self._state.check_status(asked.key) is None else EMPTY
        return asked.candidates.difference(self._state.made(asked.key))

    def _under_way(self, asked: Asked) -> Subset:
        if asked.key in self._graph.checks:
            return self._check_is(asked, "in_progress")
        return frozenset(self._state.in_progress(asked.key))

    def _failed(self, asked: Asked) -> Subset:
        if asked.key in self._graph.checks:
            return self._check_is(asked, "execution_failed")
        return frozenset(self._state.failed(asked.key))

    def _check_is(self, asked: Asked, status: str) -> Subset:
        return self._places.everything(asked.key) if self._state.check_status(asked.key) == status else EMPTY

    def _is_initial(self, root: str) -> bool:
        former = self._cursor.conditions.get(root)
        return former is None or former.shape != self._places.shape(root)

    def _will_be_requested(self, asked: Asked) -> Subset:
        node = self._graph.assets.get(asked.key)
        if node is not None and node.step is None:
            return EMPTY
        together = self._places.in_one_run(asked.key, asked.root)
        return self._requested.get(asked.key, EMPTY) if together else EMPTY

    def _newly_updated(self, asked: Asked) -> tuple[Subset, Times | None]:
        if asked.former is None:
            return EMPTY, None
        if asked.key in self._graph.checks:
            newest = self._state.check_evaluation(asked.key)
            is_new = newest is not None and newest.at >= asked.former.evaluated_at.timestamp()
            return (self._places.everything(asked.key) if is_new else EMPTY), None
        times = {update.partition: update.at for update in self._updates(asked)}
        return frozenset(times), times or None

    def _updates(self, asked: Asked) -> Sequence[Update]:
        """What was made since the previous evaluation, of partitions that exist."""
        if asked.former is None:
            return ()
        found = self._state.updates_after(asked.key, asked.former.last_event_id)
        exists = self._places.everything(asked.key) if found else EMPTY
        return [update for update in found if update.partition in exists]

    def _newly_requested(self, asked: Asked) -> tuple[Subset, Times | None]:
        of_key = self._cursor.conditions.get(asked.key)
        if of_key is None or not of_key.requested or of_key.shape != self._places.shape(asked.key):
            return EMPTY, None
        if asked.former is None:
            return of_key.requested, None
        at = asked.former.evaluated_at.timestamp()
        return of_key.requested, dict.fromkeys(of_key.requested, at)

    def _code_version_changed(self, asked: Asked) -> Subset:
        node = self._graph.assets.get(asked.key)
        version = None if node is None else node.code_version
        former = asked.note
        asked.notes[asked.node] = version
        return asked.candidates if former is not None and former != version else EMPTY

    def _latest_run_is(self, asked: Asked, wanted: Callable[[RunFacts], bool]) -> Subset:
        is_check = asked.key in self._graph.checks
        newest = self._state.check_evaluation(asked.key) if is_check else self._state.latest_update(asked.key)
        if newest is None or newest.run_id is None or newest.partition not in asked.candidates:
            return EMPTY
        run = self._state.run(newest.run_id)
        return frozenset((newest.partition,)) if run is not None and wanted(run) else EMPTY

    def _by_run_tags(self, condition: RunTags, asked: Asked) -> Subset:
        if condition.what == "executed_with_tags":
            return self._latest_run_is(asked, lambda run: _has_tags(run, condition))
        if asked.former is None or not asked.former.last_event_id:
            return EMPTY
        said: dict[str | None, list[bool]] = {}
        for update in self._updates(asked):
            run = None if update.run_id is None else self._state.run(update.run_id)
            said.setdefault(update.partition, []).append(run is not None and _has_tags(run, condition))
        suits = all if condition.what == "all_new_updates_have_run_tags" else any
        return frozenset(partition for partition, found in said.items() if suits(found))

    def cron_tick_passed(self, condition: CronTickPassed, asked: Asked) -> Answer:
        if asked.former is None or not asked.candidates:
            return said(condition, asked, EMPTY)
        if condition not in self._ticks:
            cron = plain_cron(condition.cron_schedule, "an automation condition")
            ticks = ticks_of(cron, ZoneInfo(condition.cron_timezone), self._places.now)
            self._ticks[condition] = at_or_before(ticks, self._places.now)
        tick = self._ticks[condition]
        if tick < asked.former.evaluated_at:
            return said(condition, asked, EMPTY)
        return said(condition, asked, asked.candidates, times=dict.fromkeys(asked.candidates, tick.timestamp()))


def _has_tags(run: RunFacts, wanted: RunTags) -> bool:
    return all(key in run.tags for key in wanted.tag_keys or ()) and all(
        run.tags.get(key) == value for key, value in wanted.tag_values or ()
    )
