"""What an instance remembers beside materialisations: evaluations of checks, and what runs were to make."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from upwell.definitions.checks import AssetCheckEvaluation
from upwell.events import PlannedStep, RunId


@dataclass(frozen=True, kw_only=True)
class Evaluated:
    """A check was evaluated, when `target` was the newest materialisation of its asset (0: there was none)."""

    storage_id: int
    timestamp: float  # seconds since the epoch
    run_id: RunId | None
    evaluation: AssetCheckEvaluation
    target: int


class History:
    """Records by asset or check, each by its name as in the graph."""

    def __init__(self) -> None:
        self._evaluated: dict[str, Evaluated] = {}
        self._planned: dict[str, RunId] = {}

    def evaluate(self, record: Evaluated) -> None:
        """Take in the evaluation of a check."""
        self._evaluated[record.evaluation.asset_check_key.to_user_string()] = record

    def plan(self, steps: Sequence[PlannedStep], run_id: RunId) -> None:
        """Take in what a run was to make and to check."""
        for step in steps:
            for asset in step.assets:
                self._planned[_of(asset, step.partition)] = run_id
            for check in step.checks:
                self._planned[check] = run_id

    def evaluation_of(self, check: str) -> Evaluated | None:
        """The newest evaluation of a check."""
        return self._evaluated.get(check)

    def planned_by(self, target: str, partition: str | None = None) -> RunId | None:
        """The newest run that was to make a partition of an asset, or to evaluate a check."""
        return self._planned.get(_of(target, partition))


def _of(asset: str, partition: str | None) -> str:
    return asset if partition is None else f"{asset}\0{partition}"
