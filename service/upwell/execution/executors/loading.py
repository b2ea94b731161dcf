"""Having a worker load the code of its location, within a time."""

from __future__ import annotations

import anyio

from upwell.events import ErrorInfo
from upwell.execution.executors.worker_process import WorkerEnded, WorkerProcess
from upwell.runtime.messages import LoadLocation, LocationReport


async def load_code(worker: WorkerProcess, load: LoadLocation, timeout: float) -> LocationReport:
    """What came of loading; where it took too long, or the worker ended, the error has its last words."""
    try:
        with anyio.fail_after(timeout):
            return await worker.ask(load, LocationReport)
    except TimeoutError:
        await worker.kill()
        problem = f"importing its code took longer than {timeout:g} s, so its worker was killed"
    except WorkerEnded as end:
        problem = f"the worker {end} while it imported the code"
    await worker.output.end()
    said = f"\n{worker.output.last_words}" if worker.output.last_words else ""
    message = f"code location {load.spec.name!r}: {problem}{said}"
    return LocationReport(error=ErrorInfo(type="LoadingFailed", message=message))
