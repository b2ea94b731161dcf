"""What keeping assets fresh asks for: one run of everything that a demand names. Pure."""

from __future__ import annotations

from upwell.errors import DefinitionError
from upwell.events import EventDecided, FreshnessDemanded, RunRequested
from upwell.planning.planner import plan
from upwell.reactor.answering import Decision, Situation
from upwell.reactor.condensing import lane_of


def decide_demanded(event_id: int, event: FreshnessDemanded, situation: Situation) -> Decision:
    """Answer a demand with a run, or say why there can be none."""
    graph = situation.graph
    assets = tuple(dict.fromkeys(demand.asset for demand in event.demands))
    gone = [key for key in event.targets if key not in graph.assets or graph.assets[key].step is None]
    if gone:
        return _rejected(event_id, assets, f"{', '.join(gone)} is no longer made here; {event.reason}")
    requests = {key: keys or (None,) for key, keys in event.targets.items()}
    try:
        steps = plan(graph, requests, now=situation.now, downstream=False)
    except DefinitionError as error:
        return _rejected(event_id, assets, f"{error}; {event.reason}")
    pairs = [(key, one) for key, keys in requests.items() for one in keys]
    partitions = {one for _, one in pairs if one is not None}
    requested = RunRequested(
        run_id=situation.new_run_id(),
        lane=lane_of(pairs),
        plan=steps,
        reason=event.reason,
        cause="automation",
        roots=assets,
        partition=partitions.pop() if len(partitions) == 1 else None,
    )
    decided = EventDecided(
        event_ids=(event_id,),
        outcome="requested",
        reason=f"{event.reason}, so run {requested.run_id} starts",
        assets=assets,
        partition=requested.partition,
        run_id=requested.run_id,
    )
    return Decision(events=(decided, requested))


def _rejected(event_id: int, assets: tuple[str, ...], reason: str) -> Decision:
    return Decision(events=(EventDecided(event_ids=(event_id,), outcome="rejected", reason=reason, assets=assets),))
