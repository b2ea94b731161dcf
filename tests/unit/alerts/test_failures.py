"""Which failures are one incident, and what ends it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from upwell.alerts.failures import Failures
from upwell.alerts.incidents import Incidents
from upwell.events import (
    AssetFailed,
    AssetMaterialized,
    CheckEvaluated,
    ErrorInfo,
    Event,
    EventDeadLettered,
    EventReplayed,
    IncidentChanged,
    LocationFailed,
    LocationLoaded,
    RunFailed,
    RunId,
    RunSucceeded,
    SensorEvaluated,
    SensorFailed,
)
from upwell.journal.journal import Record
from upwell.journal.views import RunView

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ERROR = ErrorInfo(type="ValueError", message="no rows")
RUN, OTHER = RunId("r1"), RunId("r2")


class Company:
    """What is wrong in it, after one event a minute."""

    def __init__(self) -> None:
        self.incidents = Incidents()
        self.failures = Failures(self.incidents)
        self.events: list[IncidentChanged] = []
        self._number = 0

    def happen(self, *events: Event) -> list[str]:
        told: list[IncidentChanged] = []
        for event in events:
            self._number += 1
            record = Record(id=self._number, at=NOON + timedelta(minutes=self._number), event=event)
            needed = self.failures.needs_run(record)
            told += self.failures.take(record, None if needed is None else run(needed))
            self.incidents.validate()
        self.events += told
        return [f"{event.change} {event.trouble} {event.subject}" for event in told if event.change != "changed"]


def run(run_id: RunId) -> RunView:
    return RunView(
        run_id=run_id,
        status="FAILURE",
        lane="lane",
        reason="why",
        cause="manual",
        plan=(),
        requested_at=NOON,
        requested_id=1,
        roots=("a", "b"),
    )


def failed(asset: str, partition: str | None = None, run_id: RunId = RUN, step: str = "s") -> AssetFailed:
    return AssetFailed(asset=asset, error=ERROR, partition=partition, run_id=run_id, step_id=step)


def checked(*, passed: bool, partition: str | None = None, severity: str = "ERROR") -> CheckEvaluated:
    return CheckEvaluated(
        asset="a",
        check="has_rows",
        passed=passed,
        partition=partition,
        severity="WARN" if severity == "WARN" else "ERROR",
        run_id=RUN,
    )


def sensor_failed(attempt: int, *, given_up: bool = False) -> SensorFailed:
    return SensorFailed(sensor="new_files", error=ERROR, attempt=attempt, retry_at=None if given_up else NOON)


@pytest.mark.parametrize(
    ("events", "told"),
    [
        # An asset, until it is made.
        ([failed("a"), AssetMaterialized(asset="a")], ["opened asset a", "closed asset a"]),
        # The run that failed because of it is the same trouble.
        ([failed("a"), RunFailed(run_id=RUN, reason="a failed")], ["opened asset a"]),
        # The assets of one step are one.
        ([failed("a"), failed("b"), RunFailed(run_id=RUN, reason="a failed")], ["opened asset a"]),
        # Those of two steps are two.
        ([failed("a"), failed("b", step="t")], ["opened asset a", "opened asset b"]),
        # It is over when all of the step are made.
        ([failed("a"), failed("b"), AssetMaterialized(asset="a")], ["opened asset a"]),
        (
            [failed("a"), failed("b"), AssetMaterialized(asset="a"), AssetMaterialized(asset="b")],
            ["opened asset a", "closed asset a"],
        ),
        # It fails again, in another run: nothing new, and that run is the same trouble.
        ([failed("a"), failed("a", run_id=OTHER), RunFailed(run_id=OTHER, reason="a failed")], ["opened asset a"]),
        # Partitions of an asset are one, until each has been made.
        (
            [failed("a", "1"), failed("a", "2", OTHER), AssetMaterialized(asset="a", partition="1")],
            ["opened asset a"],
        ),
        (
            [
                failed("a", "1"),
                AssetMaterialized(asset="a", partition="2"),
                AssetMaterialized(asset="a", partition="1"),
            ],
            ["opened asset a", "closed asset a"],
        ),
        # A check, and the run that a blocking one fails.
        (
            [checked(passed=False), RunFailed(run_id=RUN, reason="a check failed"), checked(passed=True)],
            ["opened check a:has_rows", "closed check a:has_rows"],
        ),
        ([checked(passed=True)], []),
        # From a warning to an error.
        (
            [checked(passed=False, severity="WARN"), checked(passed=False)],
            ["opened check a:has_rows", "worsened check a:has_rows"],
        ),
        # A run that failed by itself, until one like it succeeds.
        (
            [RunFailed(run_id=RUN, reason="no code"), RunSucceeded(run_id=OTHER)],
            ["opened run a, b", "closed run a, b"],
        ),
        # A sensor, when it has failed three times or is given up; the events set aside with it are part of it.
        ([sensor_failed(1), sensor_failed(2)], []),
        (
            [
                sensor_failed(1),
                sensor_failed(2),
                sensor_failed(3),
                sensor_failed(4),
                SensorEvaluated(sensor="new_files"),
            ],
            ["opened sensor new_files", "closed sensor new_files"],
        ),
        (
            [
                sensor_failed(1, given_up=True),
                EventDeadLettered(event_ids=(1,), reason="it failed", sensor="new_files"),
            ],
            ["opened sensor new_files"],
        ),
        # Events that were set aside, until they are replayed.
        (
            [
                EventDeadLettered(event_ids=(7, 8), reason="no such partition"),
                EventDeadLettered(event_ids=(9,), reason="no such partition"),
                EventReplayed(event_ids=(7, 8)),
            ],
            ["opened dead_letter events"],
        ),
        (
            [EventDeadLettered(event_ids=(7,), reason="no such partition"), EventReplayed(event_ids=(7,))],
            ["opened dead_letter events", "closed dead_letter events"],
        ),
        # Code that cannot be loaded, until it can.
        (
            [
                LocationFailed(location="shop", error=ERROR),
                LocationFailed(location="shop", error=ERROR),
                LocationLoaded(location="shop", generation=2, code_hash="h"),
            ],
            ["opened location shop", "closed location shop"],
        ),
    ],
)
def test_what_is_told(events: Sequence[Event], told: list[str]) -> None:
    assert Company().happen(*events) == told


def test_an_incident_names_the_run_and_the_error() -> None:
    company = Company()
    company.happen(failed("a"))
    [event] = company.events
    assert (event.run_id, event.error, event.assets, event.severity) == (RUN, ERROR, ("a",), "error")


def test_all_assets_of_a_step_are_to_blame_and_so_find_their_readers() -> None:
    company = Company()
    company.happen(failed("a"), failed("b"))
    assert company.events[-1].assets == ("a", "b")


def test_after_a_restart_the_run_is_still_known_to_be_the_same_trouble() -> None:
    before = Company()
    before.happen(failed("a"))
    after = Company()
    [known] = before.incidents
    after.incidents._admit(known)
    after.failures.restore()
    assert after.happen(RunFailed(run_id=RUN, reason="a failed")) == []
