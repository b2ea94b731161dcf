"""What an asset listens to and what keeps it from being made now: what an explanation says beside decisions. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from upwell.definitions.conditions.model import EAGER
from upwell.definitions.conditions.unheeded import unheeded
from upwell.definitions.graph import AssetGraph
from upwell.definitions.reactions import On
from upwell.definitions.snapshot import SensorNode
from upwell.journal.journal import Record
from upwell.journal.views import DeadLetter, FailingSource, SensorState, WaitingEvent
from upwell.web import listening_models as models
from upwell.web.listening import Switches, noun_of
from upwell.web.ticking import next_tick
from upwell.web.wording import ago, clock_time, events, named, sentence, short_runs


@dataclass(frozen=True, kw_only=True)
class Feeding:
    """What makes an asset be made: assets whose events reach it (itself among them), and who asks for runs of it."""

    assets: tuple[str, ...]
    sensors: tuple[SensorNode, ...]
    listeners: tuple[On, ...]  # of those assets and sensors

    @property
    def sources(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(on.source.name for on in self.listeners))


@dataclass(frozen=True, kw_only=True)
class Circumstances:
    """What is so now of all that feeds an asset."""

    now: datetime
    heard: Mapping[str, Record | None]  # by source, the newest event
    switches: Switches
    failing: Mapping[str, FailingSource]  # by source
    states: Mapping[str, SensorState]
    waiting: Sequence[WaitingEvent]
    dead: Sequence[DeadLetter]


def feeding(key: str, graph: AssetGraph) -> Feeding:
    """Everything that makes the asset be made."""
    assets = tuple(_listening_above(key, graph))
    jobs = {job.name for job in graph.jobs.values() if key in job.assets}
    sensors = tuple(node for node in graph.sensors.values() if key in node.assets or not jobs.isdisjoint(node.jobs))
    listeners = (
        *(on for asset in assets for on in graph.assets[asset].on),
        *(on for node in sensors for on in node.on),
    )
    return Feeding(assets=assets, sensors=sensors, listeners=listeners)


def _listening_above(key: str, graph: AssetGraph) -> Iterator[str]:
    """The assets that listen and whose events reach `key`: itself, and those above from which runs flow down to it."""
    seen, open_keys = {key}, [key]
    while open_keys:
        below = open_keys.pop(0)
        if graph.assets[below].on:
            yield below
        if graph.assets[below].automation not in (None, EAGER):
            continue  # its own condition decides, whatever happens above
        for above in graph.upstream(below):
            if above not in seen and graph.assets[above].on_downstream == "all":
                seen.add(above)
                open_keys.append(above)


def sentences(key: str, graph: AssetGraph, feeds: Feeding, now: Circumstances) -> tuple[str, ...]:
    """What a colleague would say of it, one sentence each."""
    return (
        *_listens(key, graph, feeds, now),
        *(_paused(name, now) for name in feeds.sources if not now.switches.state("source", name).active),
        *_failing(feeds, now),
        *(_asks(node, now) for node in feeds.sensors),
        *_waits(feeds, now),
        *(_dead(letter, now) for letter in now.dead),
    )


def _listens(key: str, graph: AssetGraph, feeds: Feeding, now: Circumstances) -> Iterator[str]:
    node = graph.assets[key]
    if node.on:
        yield f"{key} listens to {named([_heard(on, now) for on in node.on])}."
    without_effect = next(unheeded([node]), None)
    if without_effect is not None:
        yield f"Nothing is made of its automation condition {node.automation}: {without_effect.note}."
    elif node.automation not in (None, EAGER):
        yield f"Its automation condition decides when it is made: {node.automation}."
    others = [asset for asset in feeds.assets if asset != key]
    if others:
        also = "It is also made" if node.on else f"{key} listens to nothing itself; it is made"
        yield f"{also} when something comes for {named([_with_sources(asset, graph, now) for asset in others])}."
    if not feeds.assets and not feeds.sensors and node.automation is None and node.step is not None:
        yield (
            f"Nothing makes {key} by itself: neither it nor what is above it listens to a source, and no sensor or "
            f"schedule asks for it. `upwell materialize --select {key}` makes it."
        )


def _with_sources(asset: str, graph: AssetGraph, now: Circumstances) -> str:
    return f"{asset}, which listens to {named([_heard(on, now) for on in graph.assets[asset].on])}"


def _heard(on: On, now: Circumstances) -> str:
    record = now.heard.get(on.source.name)
    facts = ["never heard" if record is None else f"last heard {ago(record.at, now.now)}, event {record.id}"]
    if on.filter is not None or on.filter_call is not None:
        facts.append("filtered")
    return f"{on.source.name} ({'; '.join(facts)})"


def _paused(source: str, now: Circumstances) -> str:
    by = _by(now.switches.state("source", source), now)
    return f"{source} is paused{by}: what it tells leads to nothing until `upwell sources resume '{source}'`."


def _failing(feeds: Feeding, now: Circumstances) -> Iterator[str]:
    for name in feeds.sources:
        if name in now.failing and now.switches.state("source", name).active:
            trouble = now.failing[name]
            why = f"{trouble.error.type}: {trouble.error.message}".split("\n", 1)[0]
            yield sentence(f"{name} has been failing since {clock_time(trouble.since, now.now)}: {why}")


def _by(switch: models.Switch, now: Circumstances) -> str:
    by = "" if switch.switched_by is None else f" by {switch.switched_by}"
    return "" if switch.switched_at is None else f" ({ago(switch.switched_at, now.now)}{by})"


def _asks(node: SensorNode, now: Circumstances) -> str:
    """What a sensor or schedule that asks for runs of the asset does at present."""
    noun, switch = noun_of(node), now.switches.of_sensor(node)
    if not switch.active:
        why = _by(switch, now) or " (the code says so)"
        mend = f"`upwell {noun}s resume {node.name}`"
        return f"{noun.capitalize()} {node.name} would ask for runs of it, but is paused{why}: {mend}."
    tick = next_tick(node, now.now) if noun == "schedule" else None
    ahead = "" if tick is None else f"; its next tick is at {clock_time(tick, now.now)}"
    return sentence(
        f"{noun.capitalize()} {node.name} asks for runs of it; {_called(now.states.get(node.name), now)}{ahead}"
    )


def _called(state: SensorState | None, now: Circumstances) -> str:
    if state is None or state.status is None:
        return "it was never called yet"
    when = f"it was last called {ago(state.called_at, now.now)}"
    match state.status:
        case "requested":
            return f"{when} and asked for runs"
        case "skipped":
            return f"{when} and asked for nothing" + (f" ({state.reason})" if state.reason else "")
        case "failed":
            error = "" if state.error is None else f": {state.error.type}: {state.error.message}"
            return f"{when} and failed{error}".split("\n", 1)[0]


def _waits(feeds: Feeding, now: Circumstances) -> Iterator[str]:
    gates: dict[str, list[WaitingEvent]] = {}
    for waiting in now.waiting:
        gates.setdefault(waiting.gate, []).append(waiting)
    for gate, several in gates.items():
        ids = [each.event_id for each in several]
        until = max((each.until for each in several if each.until is not None), default=None)
        text = events(ids)
        verb = "waits" if len(ids) == 1 else "wait"
        source = next((name for name in feeds.sources if gate.startswith(name)), gate)
        when = "" if until is None else f" until {clock_time(until, now.now)}"
        yield f"{text[:1].upper()}{text[1:]} of {source} {verb}{when}."


def _dead(letter: DeadLetter, now: Circumstances) -> str:
    why = letter.reason.split("\n", 1)[0].rstrip(".")
    return short_runs(
        f"Event {letter.event_id} went to the dead letters {ago(letter.at, now.now)}: {why}. "
        f"`upwell events replay --id {letter.event_id}` has it decided on once more."
    )


def concerns(waiting: WaitingEvent, feeds: Feeding) -> bool:
    """Whether what waits at a gate is for what feeds the asset; the name of a gate names source and listener."""
    gathering = {on.source.name for on in feeds.listeners if on.gathers}
    names = (*feeds.assets, *(f"sensor {node.name}" for node in feeds.sensors))
    return any(waiting.gate.startswith(source) for source in gathering) and any(each in waiting.gate for each in names)
