"""History put right: what would have been told, had a report of something made in time come in time. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from upwell.events import FreshnessChanged, FreshnessState
from upwell.freshness.standings import Fact, Standing
from upwell.journal.journal import Record


def corrected(
    standing: Standing, facts: Iterable[Fact], told: Sequence[Record], now: datetime
) -> list[FreshnessChanged]:
    """What to tell in place of `told`.

    The first change names the events that it corrects: from when it is dated, it and those after it hold instead. None
    when what was told was right.

    Args:
        standing: the asset as it stood before the first of the facts; afterwards as it stands at `now`.
        facts: what happened since then, in order, with what has only now been told.
        told: the changes that were told of that time.
    """
    before = standing.told
    standing.changes_at = standing.told_at  # it has not been looked at yet
    truth: list[FreshnessChanged] = []
    for fact in facts:
        truth += standing.elapse(fact.at)
        truth += standing.history(fact)
    truth += standing.elapse(now)
    wrong = [record for record in told if isinstance(record.event, FreshnessChanged)]
    while truth and wrong and _alike(truth[0], wrong[0].event):
        before = truth.pop(0).state
        wrong.pop(0)
    if not wrong:
        return truth
    first, latest = wrong[0].event, wrong[-1].event
    assert isinstance(first, FreshnessChanged)
    assert isinstance(latest, FreshnessChanged)
    if not truth or truth[0].changed_at > first.changed_at:
        truth.insert(0, _stayed(standing, before, first))
    return [
        replace(truth[0], previous_state=latest.state, corrects=tuple(record.id for record in wrong)),
        *truth[1:],
    ]


def _alike(true: FreshnessChanged, told: object) -> bool:
    return isinstance(told, FreshnessChanged) and (true.state, true.changed_at) == (told.state, told.changed_at)


def _stayed(standing: Standing, state: FreshnessState, instead_of: FreshnessChanged) -> FreshnessChanged:
    """The state did not change when it was told to have changed."""
    return replace(
        instead_of,
        state=state,
        last_materialized=standing.last,
        data_time=standing.data_time,
        deadline=standing.deadline,
        overdue_seconds=0.0,
        cause=None,
        affected=(),
        inherited_from=None,
        inherited_by=(),
        caught_up=False,
        corrects=(),
    )
