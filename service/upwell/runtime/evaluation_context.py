"""What every function of a sensor or a schedule is told: the base of the contexts, under Dagster's names."""

from __future__ import annotations

import copy
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import TracebackType
from typing import Any, Protocol, Self

from upwell.definitions.definitions import Definitions
from upwell.definitions.errors import DagsterInvariantViolationError, DagsterUnknownResourceError
from upwell.definitions.event_records import EventLogRecord
from upwell.definitions.keys import AssetKey
from upwell.runtime.resources import OpenResources


class History(Protocol):
    """What a context asks a `DagsterInstance` for."""

    def materializations_of(self, asset_key: AssetKey) -> Sequence[EventLogRecord]:
        """Every materialisation of an asset, oldest first."""

    def get_materialized_partitions(self, asset_key: AssetKey) -> set[str]:
        """The partitions of an asset that have been materialised."""


class Evaluator(Protocol):
    """Calls definitions for somebody who cannot await. (`Any`: contexts know nothing of definitions.)"""

    def tick(self, definition: Any, context: Any) -> Any:
        """What the definition wants."""

    def answers(self, definition: Any, context: Any) -> Sequence[Any]:
        """What its function answers, unchecked."""


class Resources:
    """Resources by attribute, each made ready when it is first asked for."""

    def __init__(self, given: Mapping[str, object], opened: OpenResources) -> None:
        self._given = given
        self._opened = opened

    def __getattr__(self, key: str) -> Any:
        if key.startswith("__") or key not in self._given:
            known = ", ".join(sorted(self._given)) or "none"
            raise DagsterUnknownResourceError(
                f"there is no resource {key!r}; there are: {known}. Name it in "
                "required_resource_keys, or take it as an argument"
            )
        resource = self.__dict__[key] = self._opened.get(key, "context.resources")
        return resource


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What a context is made of, whatever it is for.

    Attributes:
        definitions: the project that the sensor or schedule belongs to.
        instance: the history of a test; in the service, what knows dynamic partitions.
        resources: by key.
        now: the time of the call; none in a test, where the present counts.
        evaluator: for a test that calls a sensor or schedule with this context; none in the service.
    """

    definitions: Definitions | None = None
    instance: Any = None  # a DagsterInstance, which is not known here; see `History`
    resources: Mapping[str, object] = field(default_factory=dict)
    log: logging.Logger = field(default_factory=lambda: logging.getLogger("upwell.sensor"))
    now: datetime | None = None
    evaluator: Evaluator | None = None


class EvaluationContext:
    """The base of all contexts. As a context manager it puts resources away at the end."""

    def __init__(self, surroundings: Surroundings) -> None:
        self.surroundings = surroundings
        self._opened = OpenResources(surroundings.resources, log=surroundings.log, instance=surroundings.instance)
        self._resources = Resources(surroundings.resources, self._opened)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._opened.close()

    @property
    def resources(self) -> Resources:
        """The resources, by attribute."""
        return self._resources

    @property
    def instance(self) -> Any:
        """The instance that a test gave; in the service, a `CallInstance`. (`Any`: see `Surroundings`.)

        Raises:
            DagsterInvariantViolationError: nobody gave one.
        """
        if self.surroundings.instance is None:
            raise DagsterInvariantViolationError(
                "there is no instance here. In a test, give one to the context: instance=DagsterInstance.ephemeral()"
            )
        return self.surroundings.instance

    @property
    def repository_def(self) -> Definitions | None:
        """The definitions that the sensor or schedule belongs to."""
        return self.surroundings.definitions

    @property
    def log(self) -> logging.Logger:
        """What is said here is in the log of the call."""
        return self.surroundings.log

    @property
    def now(self) -> datetime | None:
        """When the call took place; none in a test."""
        return self.surroundings.now

    @property
    def evaluator(self) -> Evaluator:
        """What calls sensors and schedules with this context.

        Raises:
            DagsterInvariantViolationError: in the service, which calls them itself.
        """
        if self.surroundings.evaluator is None:
            raise DagsterInvariantViolationError(
                "a sensor or schedule cannot be called from within another; share a plain function between the two"
            )
        return self.surroundings.evaluator

    def evaluate(self, definition: Any) -> Any:
        """What `definition` wants, called with this context: see `evaluate_tick` of sensors and schedules."""
        return self.evaluator.tick(definition, self)

    def merge_resources(self, resources_dict: Mapping[str, Any]) -> Self:
        """A copy with these resources beside its own. (`Any`: resources are whatever users make them.)"""
        other = copy.copy(self)
        together = {**self.surroundings.resources, **resources_dict}
        EvaluationContext.__init__(other, replace(self.surroundings, resources=together))
        return other
