"""What was decided, as a colleague would say it: a sentence for every outcome and for what else tells why. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import assert_never

from upwell.events import (
    AssetFailed,
    AssetMaterialized,
    AssetSkipped,
    CheckEvaluated,
    DuplicateIgnored,
    EventDeadLettered,
    EventDecided,
    FreshnessChanged,
    SensorFailed,
)
from upwell.web.wording import clock_time, events, sentence, short_runs

_OF_A_CALL = frozenset(("requested", "ignored", "rejected"))
"""The outcomes that say of a sensor what became of its call; the others say how it came to be called."""


def of_decision(decided: EventDecided, now: datetime) -> str:
    """The decision: what the events did, then why."""
    # What set an event aside may bring a traceback along; the sentence is its first line.
    why = decided.reason.split("\n", 1)[0].rstrip(".")
    if decided.outcome == "replayed":
        return sentence(why)
    if decided.sensor is not None and decided.outcome in _OF_A_CALL:
        return sentence(short_runs(_said_of_call(decided.sensor, why)))
    return sentence(short_runs(f"{_subject(decided)} {_did(decided, now)}{of(decided.partition)}: {why}"))


def _said_of_call(sensor: str, why: str) -> str:
    """What became of the call of a sensor or a schedule; most reasons begin with its name."""
    for noun in ("sensor", "schedule"):
        if why.startswith(f"{noun} {sensor}"):
            return f"{noun.capitalize()}{why.removeprefix(noun)}"
    return f"{sensor} was called: {why}"


def _subject(decided: EventDecided) -> str:
    text = events(decided.event_ids)
    return text[:1].upper() + text[1:]


def _did(decided: EventDecided, now: datetime) -> str:
    """The predicate, in the past, where one event and many are said alike."""
    match decided.outcome:
        case "requested":
            return "asked for a run"
        case "joined":
            return "joined a run"
        case "follows":
            return "came while a run was under way"
        case "called":
            return "called a sensor" if decided.sensor is None else f"called {decided.sensor}"
        case "waiting":
            return "had to wait" + ("" if decided.until is None else f" until {clock_time(decided.until, now)}")
        case "asked":
            return "had to wait for the answer of a filter"
        case "filtered" | "paused" | "ignored":
            return "led to nothing"
        case "replayed":
            return "asked for a replay"
        case "rejected":
            return "could not be answered"
        case _:
            assert_never(decided.outcome)


def of_asset(
    event: AssetMaterialized | AssetFailed | AssetSkipped | CheckEvaluated | FreshnessChanged, reason: str
) -> str:
    """What became of the asset."""
    match event:
        case AssetMaterialized():
            made = "was reported as made, from outside" if event.run_id is None else f"was made by run {event.run_id}"
            return sentence(short_runs(f"{event.asset}{of(event.partition)} {made}"))
        case AssetFailed():
            within = f" in run {event.run_id}" if event.run_id else ""
            return sentence(short_runs(f"{event.asset}{of(event.partition)} failed{within}: {reason}"))
        case AssetSkipped():
            within = f" in run {event.run_id}" if event.run_id else ""
            return sentence(short_runs(f"{event.asset}{of(event.partition)} was skipped{within}: {reason}"))
        case CheckEvaluated():
            return sentence(f"Check {reason}")
        case FreshnessChanged():
            return sentence(f"Its freshness: {reason}")
        case _:
            assert_never(event)


def of(partition: str | None) -> str:
    """The partition that a sentence is about, in brackets behind it."""
    return "" if partition is None else f" ({partition})"


def of_duplicate(event: DuplicateIgnored) -> str:
    """A delivery that came again."""
    return sentence(
        f"{event.source} delivered {event.delivery_id} once more: it was answered with the first one, "
        f"event {event.first_event_id}, and led to nothing"
    )


def of_dead_letter(event: EventDeadLettered) -> str:
    """Events that were given up."""
    text = events(event.event_ids) if event.event_ids else "what it was called about"
    tries = "1 attempt" if event.attempts == 1 else f"{event.attempts} attempts"
    why = event.reason.split("\n", 1)[0]
    return sentence(short_runs(f"{text[:1].upper()}{text[1:]} went to the dead letters after {tries}: {why}"))


def of_failed_call(event: SensorFailed, now: datetime) -> str:
    """A call of a sensor that failed."""
    error = f"{event.error.type}: {event.error.message}".split("\n", 1)[0].rstrip(".")
    then = "it was given up" if event.retry_at is None else f"the next attempt is at {clock_time(event.retry_at, now)}"
    return sentence(f"Sensor {event.sensor} failed in attempt {event.attempt}: {error}; {then}")
