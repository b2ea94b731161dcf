"""The runs that a sensor asks for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count

from upwell.definitions.graph import AssetGraph
from upwell.definitions.partitions.time_windows import DailyPartitionsDefinition
from upwell.definitions.snapshot import AssetNode, CheckNode, DepNode, JobNode, SensorNode, Snapshot, StepNode
from upwell.events import (
    EventDecided,
    RunId,
    RunKeysSuppressed,
    RunRequested,
    SensorEvaluated,
    WantedRun,
)
from upwell.journal.journal import Record
from upwell.reactor.answering import Decision, Situation
from upwell.reactor.condensing import QueueView
from upwell.reactor.decisions import decide
from upwell.reactor.gates import Gates
from upwell.reactor.knowledge import Known
from upwell.reactor.switches import Switches

NOW = datetime(2024, 1, 10, 12, tzinfo=UTC)
DAILY = DailyPartitionsDefinition(start_date="2024-01-01")
ASSETS = (
    AssetNode(key="raw", step="raw"),
    AssetNode(key="mart", step="mart", deps=(DepNode(asset="raw"),)),
    AssetNode(key="checked", step="checked"),
    AssetNode(key="days", step="days", partitions=DAILY),
)
GRAPH = AssetGraph(
    [
        Snapshot(
            location="here",
            assets=ASSETS,
            steps=(
                *(StepNode(key=node.key, assets=(node.key,)) for node in ASSETS),
                StepNode(key="checked_fresh", checks=("checked:fresh",)),
                StepNode(key="given_fresh", checks=("given:fresh",)),
            ),
            checks=(
                CheckNode(asset="checked", name="fresh", step="checked_fresh"),
                CheckNode(asset="given", name="fresh", step="given_fresh"),
            ),
            jobs=(
                JobNode(name="nightly", assets=("raw",), tags={"team": "a"}, config={"x": 1}),
                JobNode(name="daily", assets=("days",)),
                JobNode(name="weekly", assets=("checked",)),
                JobNode(name="ops", step="job:ops", partitions=DAILY),
            ),
            sensors=(
                SensorNode(name="watch", kind="polling", jobs=("nightly",)),
                SensorNode(name="checking", kind="polling", checks=("checked:fresh",)),
                SensorNode(name="every_day", kind="schedule", jobs=("daily", "ops")),
            ),
        )
    ]
)


def decided(*runs: WantedRun, sensor: str = "watch", known: Known | None = None, **more: object) -> Decision:
    numbers = count(1)
    situation = Situation(
        graph=GRAPH,
        queue=QueueView(),
        gates=Gates(),
        switches=Switches(),
        now=NOW,
        new_run_id=lambda: RunId(f"run{next(numbers)}"),
    )
    event = SensorEvaluated(sensor=sensor, runs=runs, **more)  # type: ignore[arg-type]
    return decide(Record(id=7, at=NOW, event=event), situation, known)


def requested(decision: Decision) -> list[RunRequested]:
    return [event for event in decision.events if isinstance(event, RunRequested)]


def reasons(decision: Decision) -> list[tuple[str, str]]:
    return [(event.outcome, event.reason) for event in decision.events if isinstance(event, EventDecided)]


def test_checks_run_without_their_assets_when_a_sensor_names_them_or_is_for_nothing_else() -> None:
    for wanted in (WantedRun(checks=("checked:fresh",)), WantedRun()):
        (run,) = requested(decided(wanted, sensor="checking"))
        assert [(step.assets, step.checks) for step in run.plan] == [((), ("checked:fresh",))]
        assert (run.lane, run.roots) == ("checked:fresh", ("checked",))
        assert run.reason == "sensor checking asked for checked:fresh"


def test_of_a_job_only_checks_of_its_own_assets_run_alone() -> None:
    (run,) = requested(decided(WantedRun(job="weekly", checks=("checked:fresh",))))
    assert [step.id for step in run.plan] == ["checked_fresh"]
    refused = decided(WantedRun(job="weekly", checks=("given:fresh",)))
    assert reasons(refused) == [("rejected", "sensor watch asked for given:fresh, which job weekly does not hold")]


def test_a_skip_is_a_decision_with_its_reason() -> None:
    assert reasons(decided(skip_reason="nothing new")) == [("ignored", "sensor watch asked for nothing: nothing new")]


def test_a_run_of_a_job_has_its_assets_tags_and_config_and_nothing_downstream() -> None:
    decision = decided(WantedRun(job="nightly", run_key="k", tags={"n": "1"}), event_ids=(3,))
    (run,) = requested(decision)
    assert [step.id for step in run.plan] == ["raw"]
    assert run.tags == {"team": "a", "dagster/sensor_name": "watch", "dagster/run_key": "k", "n": "1"}
    assert (run.job, run.sensor, run.run_key, run.cause, run.config, run.event_ids) == (
        "nightly",
        "watch",
        "k",
        "sensor",
        {"x": 1},
        (3,),
    )
    assert reasons(decision) == [("requested", "sensor watch asked for job nightly, so run run1 starts")]


def test_a_schedule_asks_for_a_partition() -> None:
    decision = decided(WantedRun(job="daily", partition="2024-01-05"), sensor="every_day")
    (run,) = requested(decision)
    assert (run.cause, run.partition, run.lane) == ("schedule", "2024-01-05", "days@2024-01-05")
    assert run.tags["dagster/schedule_name"] == "every_day"


def test_a_job_of_ops_is_one_step_of_a_partition_that_there_is() -> None:
    (run,) = requested(decided(WantedRun(job="ops", partition="2024-01-05"), sensor="every_day"))
    assert [(step.id, step.step, step.assets) for step in run.plan] == [("job:ops@2024-01-05", "job:ops", ())]
    assert (run.lane, run.job, run.roots) == ("job:ops@2024-01-05", "ops", ())
    early = decided(WantedRun(job="ops", partition="2023-01-01"))
    assert "job ops has no partition '2023-01-01'" in str(reasons(early))
    assert "job ops is partitioned. Say which" in str(reasons(decided(WantedRun(job="ops"))))


def test_a_key_that_had_its_run_is_not_run_again_and_the_decision_names_that_run() -> None:
    known = Known(taken={"k": ("first", NOW)})
    decision = decided(WantedRun(job="nightly", run_key="k"), WantedRun(job="nightly", run_key="new"), known=known)
    assert [run.run_key for run in requested(decision)] == ["new"]
    assert reasons(decision)[-1] == ("ignored", "sensor watch: run key 'k' has run first already")


def test_a_key_that_is_asked_for_twice_in_one_call_has_one_run() -> None:
    decision = decided(*(WantedRun(job="nightly", run_key="k") for _ in range(2)))
    assert len(requested(decision)) == 1
    assert reasons(decision)[-1] == ("ignored", "sensor watch: run key 'k' has run run1 already")


def test_a_key_that_is_still_asked_for_after_a_day_is_kept_known() -> None:
    known = Known(taken={"old": ("r1", NOW - timedelta(days=2)), "new": ("r2", NOW)})
    decision = decided(*(WantedRun(job="nightly", run_key=key) for key in ("old", "new")), known=known)
    assert decision.events[-1] == RunKeysSuppressed(sensor="watch", taken={"old": "r1"})


def test_what_cannot_be_run_is_refused_with_the_mend_and_the_others_run() -> None:
    decision = decided(
        WantedRun(job="nightli"),
        WantedRun(job="nightly", assets=("mart",)),
        WantedRun(job="daily"),
        WantedRun(job="daily", partition="1999-01-01"),
        WantedRun(),
        WantedRun(job="nightly"),
    )
    assert [run.job for run in requested(decision)] == ["nightly"]
    assert [reason for outcome, reason in reasons(decision) if outcome == "rejected"] == [
        "sensor watch asked for job 'nightli', which does not exist; the jobs are: daily, nightly, ops, weekly",
        "sensor watch asked for mart, which job nightly does not hold",
        "days is partitioned; say which partition, e.g. '2024-01-09'",
        "days has no partition '1999-01-01'; its partitions are 2024-01-01 to 2024-01-09",
        "sensor watch asked for a run of nothing; give it a job, a target or an asset_selection",
    ]
