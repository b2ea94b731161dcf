"""What is queued and under way, by lane: whether an event joins a run, follows one, or starts its own. Pure.

And decisions: those that say the same of several events become one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace

from upwell.events import Event, EventDecided, RunCanceled, RunFailed, RunId, RunRequested, RunStarted, RunSucceeded
from upwell.journal.views import RunView


def lane_of(targets: Iterable[tuple[str, str | None]]) -> str:
    """The lane of a run: what it was asked for, in an order that does not depend on how it was asked."""
    return ", ".join(sorted(f"{asset}@{partition}" if partition is not None else asset for asset, partition in targets))


def condensed(events: Iterable[Event]) -> list[Event]:
    """The events in order, with decisions that differ only in what they are about put into the first of them.

    A burst of a thousand webhooks that join one run is a thousand events and one decision that lists them.
    """
    found: list[Event] = []
    ids: dict[int, list[int]] = {}  # place in `found` -> what is decided there
    places: dict[object, int] = {}
    for event in events:
        if isinstance(event, EventDecided):
            place = places.setdefault(
                (event.outcome, event.reason, event.assets, event.partition, event.run_id), len(found)
            )
            ids.setdefault(place, []).extend(event.event_ids)
            if place < len(found):
                continue
        found.append(event)
    for place, event_ids in ids.items():
        if len(event_ids) > 1 and isinstance(decided := found[place], EventDecided):
            found[place] = replace(decided, event_ids=tuple(event_ids))
    return found


class QueueView:
    """The reactor's memory of unfinished runs: by lane, the one that events may still join, and the one under way."""

    def __init__(self) -> None:
        self._lane_of: dict[RunId, str] = {}
        self._joinable: dict[str, RunId] = {}
        self._under_way: dict[str, RunId] = {}

    def joinable(self, lane: str) -> RunId | None:
        """The queued run of the lane that answers events and has not started."""
        return self._joinable.get(lane)

    def under_way(self, lane: str) -> RunId | None:
        """The run of the lane that has started and not ended."""
        return self._under_way.get(lane)

    def restore(self, runs: Iterable[RunView]) -> None:
        """Take in the unfinished runs found at start."""
        for run in runs:
            self._requested(run.run_id, run.lane, joinable=run.cause == "event" and not run.cancel_requested)
            if run.status == "STARTED":
                self._started(run.run_id)

    def apply(self, event: Event) -> None:
        """Follow what became of runs; other events mean nothing here, and neither does hearing one twice."""
        match event:
            case RunRequested(run_id=run_id, lane=lane, cause=cause):
                if run_id not in self._lane_of:
                    self._requested(run_id, lane, joinable=cause == "event")
            case RunStarted(run_id=run_id):
                self._started(run_id)
            case RunSucceeded(run_id=run_id) | RunFailed(run_id=run_id) | RunCanceled(run_id=run_id):
                self.forget(run_id)
            case _:
                pass

    def close_to_events(self, run_ids: Collection[RunId]) -> None:
        """These runs have started, or ended: no event joins them any more."""
        for run_id in run_ids:
            self._started(run_id)

    def forget(self, run_id: RunId) -> None:
        """The run has ended, or was never requested after all."""
        lane = self._lane_of.pop(run_id, None)
        if lane is None:
            return
        for runs in (self._joinable, self._under_way):
            if runs.get(lane) == run_id:
                del runs[lane]

    def _requested(self, run_id: RunId, lane: str, *, joinable: bool) -> None:
        self._lane_of[run_id] = lane
        if joinable:
            self._joinable[lane] = run_id

    def _started(self, run_id: RunId) -> None:
        lane = self._lane_of.get(run_id)
        if lane is None:
            return
        if self._joinable.get(lane) == run_id:
            del self._joinable[lane]
        self._under_way[lane] = run_id
