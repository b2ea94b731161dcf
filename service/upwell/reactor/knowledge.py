"""What the journal knows of the past that a decision needs, beside the present situation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from upwell.events import RunId
from upwell.journal.journal import Record
from upwell.journal.views import RunView, StepView


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """What was looked up for one event.

    Attributes:
        run: the run that it is about, or that it retries; none when nobody knows it.
        steps: what became of that run's steps.
        records: the events that it names (to replay, or that filters were asked about), by id.
        runs: the runs that these events are about, by id.
        taken: of the run keys that a sensor asks for, those that have a run, and when each was last asked for.
    """

    run: RunView | None = None
    steps: Sequence[StepView] = ()
    records: Mapping[int, Record] = field(default_factory=dict)
    runs: Mapping[RunId, RunView] = field(default_factory=dict)
    taken: Mapping[str, tuple[str, datetime]] = field(default_factory=dict)
