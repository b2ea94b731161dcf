"""Gates: where events wait for quiet, for the end of a batch, or for their turn under a rate. Pure.

A gate stands before what answers the events of one source together. Events that arrive while it is shut wait; when it
opens, all of them are answered at once. What changes within a batch of decisions can be taken back, as a batch that
could not be written has not happened.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from upwell.clock import Deadlines
from upwell.definitions.reactions import Rate
from upwell.reactor.matching import Answer, Gathering


@dataclass(frozen=True, kw_only=True, slots=True)
class Held:
    """A shut gate: what it stands before, since when it is shut, and when it opens."""

    source: str
    answer: Answer
    since: datetime
    until: datetime

    @property
    def gathering(self) -> Gathering:
        assert self.answer.gathering is not None, "only what gathers has a gate"
        return self.answer.gathering


class Gates:
    """Every gate at which events wait, by key, and how often each rate was used lately.

    Rates are known since the start of the service: a restart gives each a new stretch.
    """

    def __init__(self) -> None:
        self._held: dict[str, Held] = {}
        self._ids: dict[str, list[int]] = {}
        self._used: dict[str, tuple[datetime, ...]] = {}
        self._deadlines: Deadlines[str] = Deadlines()
        self._before: list[tuple[str, Held | None, list[int], int]] = []  # the last: how long the list of ids was
        self._used_before: dict[str, tuple[datetime, ...]] = {}

    def next_opening(self) -> datetime:
        """The instant at which the next gate opens, or NEVER."""
        return self._deadlines.next()

    def wait(self, source: str, answer: Answer, event_id: int, at: datetime, now: datetime) -> datetime | None:
        """Have the event, which came at `at`, wait at its gate; the instant when that opens. None: it need not wait."""
        if answer.gathering is None:
            return None
        key = gate_key(source, answer)
        held = self._held.get(key)
        # It cannot open in the past: new code may gather for a shorter time than what waits already has.
        until = max(now, self._opening(source, answer, held.since if held else at, at, now))
        if held is None and until <= now and answer.gathering.debounce is None and answer.gathering.batch is None:
            self._use(source, answer, now)
            return None
        since = held.since if held else at
        self._set(key, Held(source=source, answer=answer, since=since, until=until), [event_id])
        return until

    def restore(self, key: str, source: str, answer: Answer, event_id: int, at: datetime, now: datetime) -> None:
        """Have an event wait again that waited before a restart; what does not gather any more opens at once."""
        held = self._held.get(key)
        since = held.since if held else at
        if answer.gathering is None:
            answer = replace(answer, gathering=Gathering(batch=0.0))
        until = self._opening(source, answer, since, at, now)
        self._set(key, Held(source=source, answer=answer, since=since, until=until), [event_id])

    def open(self, now: datetime) -> Iterator[tuple[str, Held, Sequence[int]]]:
        """Open what is due, earliest first: the gate, what it stood before, and the events that waited there.

        A gate whose rate is used up stays shut for longer.
        """
        for _, key in self._deadlines.pop_due(now):
            held, ids = self._held[key], self._ids[key]
            turn = self._turn(held.source, held.answer, now)
            if turn > now:
                self._set(key, replace(held, until=turn), [])
                continue
            self._before.append((key, held, ids, len(ids)))
            del self._held[key], self._ids[key]
            self._use(held.source, held.answer, now)
            yield key, held, ids

    def written(self) -> None:
        """What was done since the last call is on disk."""
        self._before.clear()
        self._used_before.clear()

    def take_back(self) -> None:
        """What was done since then has not happened."""
        while self._before:
            key, held, ids, length = self._before.pop()
            if held is None:
                del self._held[key], self._ids[key]
                self._deadlines.discard(key)
            else:
                del ids[length:]
                self._held[key], self._ids[key] = held, ids
                self._deadlines.set(key, held.until)
        self._used |= self._used_before
        self._used_before.clear()

    def _opening(self, source: str, answer: Answer, since: datetime, at: datetime, now: datetime) -> datetime:
        gathering = answer.gathering
        assert gathering is not None
        if gathering.debounce is not None:
            return at + timedelta(seconds=gathering.debounce)
        if gathering.batch is not None:
            return since + timedelta(seconds=gathering.batch)
        return self._turn(source, answer, now)

    def _turn(self, source: str, answer: Answer, now: datetime) -> datetime:
        """The first instant, from `now` on, at which the rate allows one more."""
        rate = answer.gathering.throttle if answer.gathering else None
        if rate is None:
            return now
        lately = _lately(self._used.get(rate_key(source, answer), ()), rate, now)
        return now if len(lately) < rate.count else max(now, lately[-rate.count] + timedelta(seconds=rate.seconds))

    def _use(self, source: str, answer: Answer, now: datetime) -> None:
        rate = answer.gathering.throttle if answer.gathering else None
        if rate is None:
            return
        key = rate_key(source, answer)
        used = self._used.get(key, ())
        self._used_before.setdefault(key, used)
        self._used[key] = (*_lately(used, rate, now), now)

    def _set(self, key: str, held: Held, more: Sequence[int]) -> None:
        ids = self._ids.setdefault(key, [])
        self._before.append((key, self._held.get(key), ids, len(ids)))
        ids.extend(more)
        self._held[key] = held
        self._deadlines.set(key, held.until)


def gate_key(source: str, answer: Answer) -> str:
    """The name of the gate before an answer to events of a source."""
    return f"{source} > {answer.lane}"


def rate_key(source: str, answer: Answer) -> str:
    """A rate is shared by all partitions of what answers."""
    return f"{source} > {answer.title}"


def _lately(used: Sequence[datetime], rate: Rate, now: datetime) -> tuple[datetime, ...]:
    start = now - timedelta(seconds=rate.seconds)
    return tuple(instant for instant in used if instant > start)[-rate.count :]
