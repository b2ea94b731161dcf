"""The runs that a sensor or a schedule asks for: each becomes one, unless its key had one before. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from upwell.definitions.graph import AssetGraph
from upwell.definitions.snapshot import JobNode, SensorNode
from upwell.events import EventDecided, RunKeysSuppressed, RunRequested, SensorEvaluated, WantedRun
from upwell.journal.listening_queries import RUN_KEY_REFRESHED_AFTER
from upwell.reactor.answering import Decision, Situation
from upwell.reactor.knowledge import Known
from upwell.reactor.submissions import Refusal, planned_run, roots_of


@dataclass(kw_only=True)
class _Tick:
    """What is decided about one call so far."""

    id: int
    requested: list[EventDecided | RunRequested] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    taken: dict[str, str] = field(default_factory=dict)  # run key -> the run that has it


def decide_evaluated(tick_id: int, event: SensorEvaluated, situation: Situation, known: Known) -> Decision:
    """Answer a call of a sensor: its runs, and why those that are not requested are not."""
    node = situation.graph.sensors.get(event.sensor)
    title = f"{'schedule' if node is not None and node.kind == 'schedule' else 'sensor'} {event.sensor}"
    if not event.runs:
        why = f"{title} asked for nothing" + (f": {event.skip_reason}" if event.skip_reason else "")
        return Decision(events=(_said(tick_id, event, "ignored", why),))
    tick = _Tick(id=tick_id)
    taken = {key: run_id for key, (run_id, _) in known.taken.items()}
    for wanted in event.runs:
        if wanted.run_key is not None and wanted.run_key in taken:
            tick.taken[wanted.run_key] = taken[wanted.run_key]
            continue
        try:
            requested = _requested(event, node, title, wanted, situation)
        except Refusal as refusal:
            tick.refused.append(str(refusal))
            continue
        if wanted.run_key is not None:
            taken[wanted.run_key] = requested.run_id
        tick.requested += [_decided(tick_id, requested), requested]
    return Decision(events=(*tick.requested, *_not_requested(tick, event, title, situation, known)))


def _requested(
    event: SensorEvaluated, node: SensorNode | None, title: str, wanted: WantedRun, situation: Situation
) -> RunRequested:
    graph = situation.graph
    assets, checks = _targets(wanted, node, graph, title)
    job = graph.jobs.get(wanted.job) if wanted.job is not None else None
    steps, lane = planned_run(assets, checks, job, wanted.partition, graph, situation.now)
    return RunRequested(
        run_id=situation.new_run_id(),
        lane=lane,
        plan=steps,
        reason=f"{title} asked for {_what(wanted, [*assets, *checks])}",
        cause="schedule" if node is not None and node.kind == "schedule" else "sensor",
        job=wanted.job,
        sensor=event.sensor,
        run_key=wanted.run_key,
        roots=roots_of(assets, checks, graph),
        partition=wanted.partition,
        event_ids=event.event_ids,
        config=wanted.config if wanted.config is not None else (job.config if job is not None else None),
        tags={**(job.tags if job is not None else {}), **_tags(event, node, wanted), **wanted.tags},
    )


def _what(wanted: WantedRun, targets: Sequence[str]) -> str:
    what = f"job {wanted.job}" if wanted.job is not None else ", ".join(targets)
    return what + (f" of {wanted.partition}" if wanted.partition is not None else "")


def _tags(event: SensorEvaluated, node: SensorNode | None, wanted: WantedRun) -> dict[str, str]:
    """The tags by which Dagster says where a run comes from."""
    by = "dagster/schedule_name" if node is not None and node.kind == "schedule" else "dagster/sensor_name"
    tags = {by: event.sensor}
    if wanted.run_key is not None:
        tags["dagster/run_key"] = wanted.run_key
    if wanted.partition is not None:
        tags["dagster/partition"] = wanted.partition
    return tags


def _targets(
    wanted: WantedRun, node: SensorNode | None, graph: AssetGraph, title: str
) -> tuple[Sequence[str], Sequence[str]]:
    """The assets and the checks that are wanted; where the run names none, those of the job or the sensor."""
    named = wanted.assets, wanted.checks
    if wanted.job is None:
        own = (node.assets, node.checks) if node is not None else ((), ())
        assets, checks = named if any(named) else own
        if not assets and not checks:
            raise Refusal(f"{title} asked for a run of nothing; give it a job, a target or an asset_selection")
        return assets, checks
    job = graph.jobs.get(wanted.job)
    if job is None:
        known = ", ".join(sorted(graph.jobs)) or "none"
        raise Refusal(f"{title} asked for job {wanted.job!r}, which does not exist; the jobs are: {known}")
    outside = [asset for asset in wanted.assets if asset not in job.assets]
    outside += [check for check in wanted.checks if not _holds(job, check, graph)]
    if outside:
        raise Refusal(f"{title} asked for {', '.join(outside)}, which job {wanted.job} does not hold")
    return named if any(named) else (job.assets, job.checks)


def _holds(job: JobNode, check: str, graph: AssetGraph) -> bool:
    """Whether it is a check of the job, or of an asset of it."""
    return check in job.checks or (check in graph.checks and graph.checks[check].asset in job.assets)


def _decided(tick_id: int, requested: RunRequested) -> EventDecided:
    return EventDecided(
        event_ids=(tick_id,),
        outcome="requested",
        reason=f"{requested.reason}, so run {requested.run_id} starts",
        assets=requested.roots,
        partition=requested.partition,
        run_id=requested.run_id,
        sensor=requested.sensor,
    )


def _not_requested(
    tick: _Tick, event: SensorEvaluated, title: str, situation: Situation, known: Known
) -> Iterable[EventDecided | RunKeysSuppressed]:
    for reason in tick.refused:
        yield _said(tick.id, event, "rejected", reason)
    if not tick.taken:
        return
    shown = "; ".join(f"run key {key!r} has run {run_id} already" for key, run_id in list(tick.taken.items())[:3])
    more = f" and {len(tick.taken) - 3} more have theirs" if len(tick.taken) > 3 else ""
    yield _said(tick.id, event, "ignored", f"{title}: {shown}{more}")
    stale = situation.now - RUN_KEY_REFRESHED_AFTER
    # To write down each repeat would cost more than the repeat: once a day keeps a key that is asked for known.
    old = {key: run_id for key, run_id in tick.taken.items() if key in known.taken and known.taken[key][1] < stale}
    if old:
        yield RunKeysSuppressed(sensor=event.sensor, taken=old)


def _said(tick_id: int, event: SensorEvaluated, outcome: str, reason: str) -> EventDecided:
    return EventDecided(
        event_ids=(tick_id,),
        outcome="rejected" if outcome == "rejected" else "ignored",
        reason=reason,
        sensor=event.sensor,
    )
