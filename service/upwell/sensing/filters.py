"""Users' filters: asked in the worker that has them, their answers appended."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import structlog

from upwell.definitions.graph import AssetGraph
from upwell.definitions.reactions import On
from upwell.definitions.snapshot import Snapshot
from upwell.events import ErrorInfo, Event, EventDeadLettered, FilterEvaluated
from upwell.journal.queries import Queries
from upwell.runtime.messages import TriggerEvent
from upwell.sensing.evaluator import Evaluator
from upwell.sensing.material import Material
from upwell.sensing.outcomes import MOST_ATTEMPTS, in_words, pause_after, times

TIMEOUT = 10.0
"""Seconds that the filters of an event may take."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """An event that waits for the answers of filters; `attempt` counts from 1, since the start of the service."""

    event_id: int
    filters: tuple[str, ...]
    attempt: int = 1


class Filters:
    """Asks, and keeps what cannot be answered yet.

    Args:
        append: writes events, however long that takes.
        later: has `ask` called with a question after so many seconds.
    """

    def __init__(
        self,
        evaluator: Evaluator,
        material: Material,
        queries: Queries,
        *,
        append: Callable[[Sequence[Event]], Awaitable[None]],
        later: Callable[[Question, float], None],
    ) -> None:
        self._evaluator = evaluator
        self._material = material
        self._queries = queries
        self._append = append
        self._later = later
        self._loaded: frozenset[str] = frozenset()
        self._locations: dict[str, str] = {}
        self._parked: list[Question] = []

    def follow(self, graph: AssetGraph) -> list[Question]:
        """Find each filter where it is now; the questions that waited for that are to be asked again."""
        self._loaded = frozenset(snapshot.location for snapshot in graph.snapshots)
        self._locations = {
            on.filter_call: snapshot.location
            for snapshot in graph.snapshots
            for on in _listening(snapshot)
            if on.filter_call is not None
        }
        parked, self._parked = self._parked, []
        return parked

    async def ask(self, question: Question) -> None:
        """Have the filters answer, and append what they say; or try again later."""
        try:
            event = await self._material.event(question.event_id)
            unknown = [key for key in question.filters if key not in self._locations]
            if unknown and await self._may_come_back():
                self._parked.append(question)
                return
            # What nobody defines any more lets nothing through.
            answers = dict.fromkeys(unknown if event is not None else question.filters, False)
            error = await self._answer(question, event, answers) if event is not None else None
        except Exception as problem:
            log.exception("sensing.filters_failed", event_id=question.event_id)
            error = ErrorInfo(type=type(problem).__name__, message=str(problem))
        if error is None:
            await self._append((FilterEvaluated(event_id=question.event_id, answers=answers),))
        else:
            await self._failed(question, error)

    async def _answer(self, question: Question, event: TriggerEvent, answers: dict[str, bool]) -> ErrorInfo | None:
        for location, filters in self._by_location(question.filters).items():
            task = self._material.filter_task(location, filters, event, TIMEOUT)
            report = await self._evaluator.evaluate(task)
            if report.error is not None:
                return report.error
            answers.update(report.answers)
        return None

    def _by_location(self, filters: Iterable[str]) -> dict[str, list[str]]:
        found: dict[str, list[str]] = defaultdict(list)
        for key in filters:
            if key in self._locations:
                found[self._locations[key]].append(key)
        return found

    async def _may_come_back(self) -> bool:
        """Whether some location could not be loaded: what is not to be found may be defined there."""
        known = await self._material.read(self._queries.locations)
        return any(view.error is not None and view.location not in self._loaded for view in known)

    async def _failed(self, question: Question, error: ErrorInfo) -> None:
        if question.attempt < MOST_ATTEMPTS:
            pause = pause_after(question.attempt, random.random())
            log.warning(
                "filter.failed",
                event_id=question.event_id,
                error=in_words(error),
                traceback=error.traceback,
                attempt=question.attempt,
                retry_in=round(pause, 1),
            )
            self._later(replace(question, attempt=question.attempt + 1), pause)
            return
        names = ", ".join(question.filters)
        letter = EventDeadLettered(
            event_ids=(question.event_id,),
            reason=f"its filter ({names}) failed {times(question.attempt)}; the last error: {in_words(error)}",
            error=error,
            attempts=question.attempt,
        )
        await self._append((letter,))


def _listening(snapshot: Snapshot) -> Iterator[On]:
    for asset in snapshot.assets:
        yield from asset.on
    for sensor in snapshot.sensors:
        yield from sensor.on
