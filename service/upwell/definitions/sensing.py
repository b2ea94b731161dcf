"""What sensors and schedules are alike in: a function that is called, and what it asks runs of."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from keyword import iskeyword
from typing import Any, Protocol, Self

from upwell.definitions.calling import CalledFunction, check_resources, direct_context
from upwell.definitions.errors import DagsterInvalidDefinitionError
from upwell.definitions.jobs import JobDeclaration
from upwell.definitions.metadata import MetadataValue, normalize_metadata
from upwell.definitions.run_requests import normalized_tags
from upwell.definitions.signature import Place
from upwell.definitions.specs import checked_owner
from upwell.definitions.targets import Target

_NAME = re.compile(r"[A-Za-z0-9_]+")
_TAKEN_NAMES = frozenset(
    {"context", "conf", "config", "meta", "arg_dict", "dict", "input_arg_dict", "output_arg_dict"}
    | {"int", "str", "float", "bool", "input", "output", "type"}
)


class TickContext(Protocol):
    """A context of `build_sensor_context` or `build_schedule_context`, which knows how to call the function."""

    def evaluate(self, definition: Any) -> Any:
        """What `definition` answers now. (`Any`: each context takes its own kind, and answers for it.)"""


class SensingDefinition:
    """The base of sensors and schedules."""

    noun = "sensor"

    def __init__(
        self,
        *,
        name: str,
        called: CalledFunction,
        target: Target,
        description: str | None = None,
        required_resource_keys: AbstractSet[str] | None = None,
        tags: Mapping[str, Any] | None = None,
        metadata: Mapping[str, object] | None = None,
        owners: Sequence[str] | None = None,
    ) -> None:
        self.place: Place = called.place
        self.name = checked_name(name, self.noun, self.place)
        self.called = called
        self.target = target
        self.description = description
        self.tags: Mapping[str, str] = normalized_tags(tags)
        self.metadata: Mapping[str, MetadataValue] = normalize_metadata(metadata)
        self.owners: Sequence[str] = [checked_owner(owner, self.what) for owner in owners or ()]
        if required_resource_keys and called.resources:
            raise self.place.error(
                f"{self.what} has required_resource_keys and arguments that are resources; keep the arguments"
            )
        self.required_resource_keys: set[str] = set(required_resource_keys or called.resources)

    @property
    def what(self) -> str:
        """The thing in a sentence: `sensor 'files'`."""
        return f"{self.noun} {self.name!r}"

    def evaluate_tick(self, context: TickContext) -> Any:
        """What it answers, checked, as it would count in the service. (`Any`: as the kind of definition has it.)

        Raises:
            TypeError: the context is not one of `build_sensor_context` or `build_schedule_context`.
        """
        if not hasattr(context, "evaluate"):
            raise TypeError(
                f"evaluate_tick takes build_{self.noun}_context(…), and {context!r} is none; {self.what} was not called"
            )
        return context.evaluate(self)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function directly, in a test, with a context and resources; answers what it returns."""
        context, resources = direct_context(self.called, args, kwargs, self.noun)
        return self.called.function(**self._arguments(context, resources))

    def _arguments(self, context: Any, resources: Mapping[str, Any]) -> dict[str, Any]:
        if context is not None and resources:
            context = context.merge_resources(resources)
        found = context.resources if context is not None else _Given(resources)
        check_resources(self.required_resource_keys, found, self.noun, self.name)
        arguments = {key: getattr(found, key) for key in self.called.resources}
        if self.called.arguments:
            arguments[self.called.arguments[0]] = context
        return arguments

    # What it asks runs of.

    @property
    def job_name(self) -> str:
        """The name of its only job.

        Raises:
            DagsterInvalidDefinitionError: it has none, or several.
        """
        names = self.target.names
        if len(names) != 1:
            raise DagsterInvalidDefinitionError(f"{self.what} has {self._jobs_in_words()}")
        return names[0]

    @property
    def job(self) -> JobDeclaration:
        """Its only job.

        Raises:
            DagsterInvalidDefinitionError: it has none, or several, or knows it by name only.
        """
        given = [self.target.anonymous] if self.target.anonymous else self.target.declared_jobs
        if len(self.target.names) != 1 or not given:
            raise DagsterInvalidDefinitionError(f"{self.what} has {self._jobs_in_words()} that is given as such")
        return given[0]

    @property
    def jobs(self) -> list[JobDeclaration]:
        """Its jobs.

        Raises:
            DagsterInvalidDefinitionError: it has none.
        """
        given = [self.target.anonymous] if self.target.anonymous else self.target.declared_jobs
        if not given:
            raise DagsterInvalidDefinitionError(f"{self.what} has no job; give it job= or jobs=")
        return list(given)

    @property
    def has_jobs(self) -> bool:
        """Whether it is for jobs that are given as such."""
        return bool(self.target.declared_jobs or self.target.anonymous)

    has_job = has_jobs

    def with_updated_job(self, new_job: JobDeclaration) -> Self:
        """A copy that is for this job."""
        return self.with_updated_jobs([new_job])

    def with_updated_jobs(self, new_jobs: Sequence[JobDeclaration]) -> Self:
        """A copy that is for these jobs."""
        other = copy.copy(self)
        other.target = Target(jobs=tuple(new_jobs))
        return other

    def _jobs_in_words(self) -> str:
        names = self.target.names
        return f"several jobs ({', '.join(names)}), so none" if len(names) > 1 else "no job"


class _Given:
    """Resources by attribute, when there is no context."""

    def __init__(self, resources: Mapping[str, Any]) -> None:
        self.__dict__.update(resources)


def checked_name(name: object, noun: str, place: Place) -> str:
    """`name`, if a sensor or a schedule can have it.

    Raises:
        DagsterInvalidDefinitionError: it holds other signs than letters, digits and underscores, or is taken.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise place.error(f"{name!r} cannot name a {noun}: use letters, digits and '_'")
    if name in _TAKEN_NAMES or iskeyword(name):
        raise place.error(f"{name!r} cannot name a {noun}: the word means something else here. Choose another name")
    return name
