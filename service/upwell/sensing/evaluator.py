"""The port for evaluators: where sensors and filters are evaluated."""

from __future__ import annotations

from typing import Protocol, overload

from upwell.runtime.messages import Evaluation, EvaluationReport, FilterReport, FilterTask, SensorReport, SensorTask


class Evaluator(Protocol):
    """Evaluates sensors and filters somewhere, many at a time, and tells what came of each."""

    @overload
    async def evaluate(self, task: SensorTask) -> SensorReport: ...
    @overload
    async def evaluate(self, task: FilterTask) -> FilterReport: ...
    async def evaluate(self, task: Evaluation) -> EvaluationReport:
        """Evaluate to the end.

        Every failure of user code, of the process it runs in, and a passed `task.timeout` comes back as a report with
        an error; and only the failures of this very evaluation, whatever others do meanwhile. It may be repeated
        before that is clear. Cancelling the call gives up the answer; the user's function may go on for a while.
        """
