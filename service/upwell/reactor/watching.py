"""Events of the journal itself that sensors watch for: materialisations, and what becomes of runs. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from upwell.definitions.graph import AssetGraph
from upwell.definitions.snapshot import SensorNode
from upwell.events import (
    AssetMaterialized,
    Event,
    RunCanceled,
    RunFailed,
    RunRequested,
    RunStarted,
    RunSucceeded,
)
from upwell.journal.projections import run_status_after
from upwell.journal.views import RunView
from upwell.reactor.answering import Decision, Situation, call_sensor, together
from upwell.reactor.knowledge import Known

RunChange = RunRequested | RunStarted | RunSucceeded | RunFailed | RunCanceled

WATCHED = (AssetMaterialized, RunRequested, RunStarted, RunSucceeded, RunFailed, RunCanceled)
"""The events that sensors may watch for."""


def watchers(event: Event, graph: AssetGraph) -> Sequence[SensorNode]:
    """The sensors that may have to be called about an event of the journal."""
    if isinstance(event, AssetMaterialized):
        return graph.asset_sensors.get(event.asset, ()) if graph.asset_sensors else ()
    if graph.run_status_sensors and isinstance(event, RunChange):
        return graph.run_status_sensors.get(run_status_after(event) or "", ())
    return ()


def decide_watched(record_id: int, event: Event, situation: Situation, known: Known) -> Decision:
    """Call the sensors that watch for this event."""
    nodes = [node for node in watchers(event, situation.graph) if situation.switches.sensor_active(node)]
    if isinstance(event, AssetMaterialized):
        what = f"{event.asset} was materialised" + (f" for {event.partition}" if event.partition is not None else "")
        assets: tuple[str, ...] = (event.asset,)
    else:
        nodes = list(_of_run(nodes, known.run))
        status = run_status_after(event) or ""
        what = f"run {known.run.run_id if known.run else ''} is {status}"
        assets = ()
    return together(
        [
            call_sensor((record_id,), node.name, f"{what}, which sensor {node.name} watches for", assets=assets)
            for node in nodes
        ]
    )


def _of_run(nodes: Iterable[SensorNode], run: RunView | None) -> Iterable[SensorNode]:
    """Those that watch for this run: none is called about a run that it asked for itself, which would have no end."""
    if run is None:
        return ()
    return (
        node
        for node in nodes
        if (node.watched_jobs is None or run.job in node.watched_jobs)
        and run.sensor != node.name
        and (run.job is None or run.job not in node.jobs or node.watched_jobs is not None)
    )
