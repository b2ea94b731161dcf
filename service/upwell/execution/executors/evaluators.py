"""Evaluates sensors and filters in workers, a crew for each code location that has any."""

from __future__ import annotations

from typing import overload

import anyio

from upwell.events import ErrorInfo
from upwell.execution.executors.evaluator_crew import EvaluatorCrew
from upwell.runtime.messages import Evaluation, EvaluationReport, FilterReport, FilterTask, SensorReport, SensorTask


class Evaluators:
    """Gives each evaluation to the crew of its code location; `Locations` brings and replaces the crews."""

    def __init__(self) -> None:
        self._crews: dict[str, EvaluatorCrew] = {}
        self._changed = anyio.Event()

    def install(self, location: str, crew: EvaluatorCrew) -> None:
        """Let `crew` take over; the one before finishes the evaluations that it has."""
        before = self._crews.get(location)
        self._crews[location] = crew
        if before is not None:
            before.retire()
        self._tell_changed()

    def remove(self, location: str) -> None:
        """Evaluate nothing of this location any more."""
        if (crew := self._crews.pop(location, None)) is not None:
            crew.retire()
            self._tell_changed()

    def retire(self, location: str) -> None:
        """The workers of this location are lost; what is asked waits for the next crew."""
        if (crew := self._crews.get(location)) is not None:
            crew.retire()

    def pids(self) -> tuple[int, ...]:
        """The processes of all crews."""
        return tuple(pid for crew in self._crews.values() for pid in crew.pids)

    @overload
    async def evaluate(self, task: SensorTask) -> SensorReport: ...
    @overload
    async def evaluate(self, task: FilterTask) -> FilterReport: ...
    async def evaluate(self, task: Evaluation) -> EvaluationReport:
        """See `sensing.evaluator.Evaluator`."""
        while (crew := self._crews.get(task.location)) is not None:
            report = await crew.evaluate(task)
            if report is not None:
                return report
            while self._crews.get(task.location) is crew:
                await self._changed.wait()
        message = f"no code of location {task.location!r} is loaded; its newest error says why"
        error = ErrorInfo(type="LocationNotLoaded", message=message)
        return (SensorReport if isinstance(task, SensorTask) else FilterReport)(id=task.id, error=error)

    def _tell_changed(self) -> None:
        changed, self._changed = self._changed, anyio.Event()
        changed.set()
