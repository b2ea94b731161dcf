"""The port for executors: where a step runs."""

from __future__ import annotations

from typing import Protocol

from upwell.runtime.messages import StepReport, StepTask


class Executor(Protocol):
    """Runs one attempt of a step somewhere, and tells what came of it."""

    async def run(self, task: StepTask) -> StepReport:
        """Run the step to its end.

        Every failure of user code, of the process it runs in, and a passed `task.timeout` (the process is dead
        before this returns) comes back as a report with an error. Cancelling the call kills the work, and
        it is dead when the cancellation is over.
        """
