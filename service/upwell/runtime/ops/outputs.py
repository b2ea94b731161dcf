"""What an op returned or yielded, taken piece by piece: checked, stored, and ready for whoever reads it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from upwell.definitions.annotations import violation
from upwell.definitions.errors import (
    DagsterInvariantViolationError,
    DagsterStepOutputNotFoundError,
    DagsterTypeCheckDidNotPass,
)
from upwell.definitions.ops.inputs_outputs import DynamicOutput, Nothing, Out
from upwell.definitions.ops.op import OpDefinition
from upwell.definitions.results import DEFAULT_OUTPUT, AssetMaterialization, AssetObservation, Output
from upwell.runtime.ops.slots import Absent, Keyed, Present, Slot

Store = Callable[[str, Out, str | None, Any], Present]
"""Stores the value of an output (and of a key, if it is dynamic)."""


class OpOutputs:
    """Takes results in the order in which they come; `records` are assets that the op says it made or looked at."""

    def __init__(self, op: OpDefinition, name: str, store: Store) -> None:
        self._op = op
        self._name = name
        self._store = store
        self._slots: dict[str, Slot] = {}
        self._keyed: dict[str, dict[str, Slot]] = {}
        self.records: list[AssetMaterialization | AssetObservation] = []

    @property
    def slots(self) -> dict[str, Slot]:
        """By output: its value or values."""
        found: dict[str, Slot] = {}
        for name, out in self._op.outs.items():
            if out.is_dynamic:
                found[name] = Keyed(self._keyed.get(name, {}))
            else:
                found[name] = self._slots.get(name, Absent.SKIPPED)
        return found

    def take_returned(self, value: Any) -> None:
        """Take what a function returned (`Any`: of the user's types), and see that nothing is missing.

        Raises:
            DagsterInvariantViolationError: it does not fit the outputs.
        """
        outs = list(self._op.outs.items())
        if len(outs) == 1:
            self._take_as(*outs[0], value)
        elif isinstance(value, tuple) and len(value) == len(outs):
            for (name, out), part in zip(outs, value, strict=True):
                self._take_as(name, out, part)
        elif value is not None or any(out.is_required and out.dagster_type is not Nothing for _, out in outs):
            names = ", ".join(self._op.outs) or "nothing"
            raise DagsterInvariantViolationError(
                f"op {self._name!r} is to return a tuple of one value for each of {names}, and returned {value!r}"
            )
        self.finish()

    def take(self, value: Any) -> None:
        """Take one thing that a generator yielded (`Any`: of the user's types).

        Raises:
            DagsterInvariantViolationError: it is nothing that an op yields.
        """
        match value:
            case Output():
                self._put(value.output_name, None, value.value)
            case DynamicOutput():
                self._put(value.output_name, value.mapping_key, value.value)
            case AssetMaterialization() | AssetObservation():
                self.records.append(value)
            case _:
                raise DagsterInvariantViolationError(
                    f"op {self._name!r} yielded {value!r}; a generator yields Output(value) and the like"
                )

    def finish(self) -> None:
        """Complain of what is missing.

        Raises:
            DagsterStepOutputNotFoundError: a required output was not returned or yielded.
        """
        for name, out in self._op.outs.items():
            if name in self._slots or out.is_dynamic:
                continue
            if out.dagster_type is Nothing:
                self._slots[name] = Present(None)
            elif out.is_required:
                raise DagsterStepOutputNotFoundError(
                    f"op {self._name!r} did not return or yield its output {name!r}; "
                    "make it optional with Out(is_required=False)"
                )

    def _take_as(self, name: str, out: Out, value: Any) -> None:
        match value:
            case Output():
                self._put(name if value.output_name == DEFAULT_OUTPUT else value.output_name, None, value.value)
            case list() | tuple() if out.is_dynamic:
                for part in value:
                    self._take_as(name, out, part)
            case DynamicOutput():
                given = name if value.output_name == DEFAULT_OUTPUT else value.output_name
                self._put(given, value.mapping_key, value.value)
            case _ if out.is_dynamic:
                raise DagsterInvariantViolationError(
                    f"op {self._name!r} is to return a list of DynamicOutput for {name!r}, and returned {value!r}"
                )
            case _ if out.dagster_type is Nothing:
                self._slots[name] = Present(None)
            case _:
                self._put(name, None, value)

    def _put(self, name: str, key: str | None, value: Any) -> None:
        out = self._op.outs.get(name)
        if out is None:
            known = ", ".join(self._op.outs) or "none"
            raise DagsterInvariantViolationError(f"op {self._name!r} has no output {name!r}; its outputs are: {known}")
        if out.is_dynamic is not (key is not None):
            kind = "DynamicOutput" if out.is_dynamic else "Output"
            raise DagsterInvariantViolationError(f"op {self._name!r} gives its output {name!r} as {kind}(…)")
        place = self._slots if key is None else self._keyed.setdefault(name, {})
        if (key or name) in place:
            what = f"the key {key!r} of output {name!r}" if key is not None else f"output {name!r}"
            raise DagsterInvariantViolationError(f"op {self._name!r} gave {what} twice")
        if out.dagster_type is not Nothing and (problem := violation(value, out.dagster_type)):
            raise DagsterTypeCheckDidNotPass(f"output {name!r} of op {self._name!r}: {problem}")
        place[key or name] = self._store(name, out, key, value)
