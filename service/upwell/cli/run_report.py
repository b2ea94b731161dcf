"""What is shown of a run while it goes on: a progress bar on a terminal, a line for each result everywhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from upwell.events import (
    AssetFailed,
    AssetMaterialized,
    AssetSkipped,
    CheckEvaluated,
    Event,
    RunCanceled,
    RunFailed,
    RunRequested,
    RunSucceeded,
    StepFailed,
    StepSkipped,
    StepStarted,
    StepSucceeded,
)
from upwell.logs import escape, spoken

_SHOWN_IN = {"made": "green", "passed": "green", "failed": "bold red", "skipped": "yellow", "retry": "yellow"}


class RunReport:
    """Takes the events of one run, shows them (unless `quiet`) and remembers what came of it."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._console = Console(highlight=False, soft_wrap=True)
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
            disable=quiet or not self._console.is_terminal,
        )
        self._bar: TaskID | None = None
        self._results: list[dict[str, Any]] = []
        self.run_id: str | None = None
        self.status = "CANCELED"
        self.reason: str | None = None

    @property
    def succeeded(self) -> bool:
        return self.status == "SUCCESS"

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show the bar meanwhile."""
        with self._progress:
            self._bar = self._progress.add_task("waiting", total=None)
            yield

    def as_json(self) -> dict[str, Any]:
        """The run and its results as plain data."""
        return {"run_id": self.run_id, "status": self.status, "reason": self.reason, "results": self._results}

    def tell(self, event: Event) -> None:
        """Show an event of the run; those that say nothing to a reader pass by."""
        match event:
            case RunRequested():
                self._progress.update(self._bar or TaskID(0), total=len(event.plan))
            case StepStarted():
                self._describe(event.step_id)
            case StepSucceeded() | StepSkipped():
                self._advance()
            case StepFailed(retry_at=None):
                self._advance()
            case StepFailed():
                self._line("retry", event.step_id, f"{event.error.type}: {event.error.message}")
            case AssetMaterialized():
                self._made(event)
            case AssetFailed():
                self._failed(event)
            case AssetSkipped():
                self._result("skipped", event.asset, event.partition, event.reason)
            case CheckEvaluated():
                self._checked(event)
            case RunSucceeded() | RunFailed() | RunCanceled():
                self._ended(event)
            case _:
                pass

    def _made(self, event: AssetMaterialized) -> None:
        took = "" if event.duration is None else f"in {spoken(event.duration)}"
        self._result("made", event.asset, event.partition, took, metadata=event.metadata)

    def _failed(self, event: AssetFailed) -> None:
        error = event.error
        self._result("failed", event.asset, event.partition, f"{error.type}: {error.message}")
        if error.traceback and not self._quiet:
            self._print(Text("\n".join(f"    {escape(line)}" for line in error.traceback.rstrip().split("\n"))))

    def _checked(self, event: CheckEvaluated) -> None:
        word = "passed" if event.passed else "failed"
        name = f"{event.asset}:{event.check}"
        self._result(word, name, event.partition, event.description or "", severity=event.severity)

    def _ended(self, event: RunSucceeded | RunFailed | RunCanceled) -> None:
        self.run_id = event.run_id
        self.status = {RunSucceeded: "SUCCESS", RunFailed: "FAILURE", RunCanceled: "CANCELED"}[type(event)]
        self.reason = None if isinstance(event, RunSucceeded) else event.reason
        self._describe("done")
        word = "made" if self.succeeded else "failed"
        ended = f"run {event.run_id[:8]}: {self.reason or 'succeeded'} in {spoken(event.duration)}"
        if not self._quiet:
            self._print(Text(escape(ended), style=_SHOWN_IN[word]))

    def _result(self, word: str, name: str, partition: str | None, detail: str, **facts: Any) -> None:
        self._results.append({"result": word, "name": name, "partition": partition, "detail": detail, **facts})
        self._line(word, f"{name}@{partition}" if partition else name, detail)

    def _line(self, word: str, name: str, detail: str) -> None:
        if not self._quiet:
            self._print(Text.assemble((f"{word:<8}", _SHOWN_IN[word]), f"{escape(name)}  ", (escape(detail), "dim")))

    def _print(self, text: Text) -> None:
        text.rstrip()
        self._console.print(text)
        sys.stdout.flush()

    def _describe(self, what: str) -> None:
        if self._bar is not None:
            self._progress.update(self._bar, description=escape(what))

    def _advance(self) -> None:
        if self._bar is not None:
            self._progress.advance(self._bar)
