"""Resources as functions get them: opened at first use, closed together."""

from __future__ import annotations

import contextlib
import inspect
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from pydantic import ValidationError

from upwell.definitions.config.resolving import resolved_config
from upwell.definitions.errors import (
    DagsterError,
    DagsterInvalidDefinitionError,
    DagsterResourceFunctionError,
)
from upwell.definitions.resource_functions import InputManagerDefinition, ResourceDefinition
from upwell.definitions.resources import RESOURCES, ConfigurableResourceFactory, InputManager
from upwell.definitions.specs import UNSET


@dataclass(frozen=True, kw_only=True)
class InitResourceContext:
    """What a resource is told when it is opened.

    Attributes:
        resource_config: what the run's config says for it, by its schema.
        resources: those that it needs itself.
        run_id: of the run; none outside of runs.
    """

    resource_config: Any = None
    resources: SimpleNamespace = field(default_factory=SimpleNamespace)
    log: logging.Logger = field(default_factory=lambda: logging.getLogger("upwell.resource"))
    run_id: str | None = None
    instance: Any = None  # of a test that gave one


class OpenResources:
    """The resources of one run, or of one step of it. An object that stands under several keys is opened once.

    `config` is what the run's config says for resources, by key.
    """

    def __init__(
        self,
        given: Mapping[str, object],
        config: Mapping[str, Any] | None = None,
        *,
        log: logging.Logger | None = None,
        run_id: str | None = None,
        instance: Any = None,  # of a test that gave one
    ) -> None:
        self._given = given
        self._config = config or {}
        self._context = InitResourceContext(
            log=log or logging.getLogger("upwell.resource"), run_id=run_id, instance=instance
        )
        self._stack = contextlib.ExitStack()
        self._open: dict[int, object] = {}

    def close(self) -> None:
        """Put away what was opened, the last first."""
        self._stack.close()

    def __contains__(self, key: str) -> bool:
        return key in self._given

    def get(self, key: str, wanted_by: str) -> Any:
        """The resource of this key. (`Any`: resources are whatever users make them.)

        Raises:
            DagsterInvalidDefinitionError: there is none.
            DagsterInvalidConfigError: its config does not fit.
            DagsterResourceFunctionError: it could not be opened.
        """
        if key not in self._given:
            raise not_there(key, wanted_by)
        return self._opened(self._given[key], key)

    def namespace(self, keys: Iterable[str], wanted_by: str) -> SimpleNamespace:
        """These as attributes."""
        return SimpleNamespace(**{key: self.get(key, wanted_by) for key in sorted(keys)})

    def _opened(self, resource: object, key: str) -> object:
        if not isinstance(resource, RESOURCES):
            return resource
        if id(resource) not in self._open:
            try:
                self._open[id(resource)] = self._enter(resource, self._key_of(resource) or key)
            except DagsterError:
                raise
            except Exception as error:
                raise DagsterResourceFunctionError(
                    f"the resource {key!r} could not be opened: {_short(error)}"
                ) from error
        return self._open[id(resource)]

    def _key_of(self, resource: object) -> str | None:
        """An inner resource that also has a key of its own is configured under that."""
        return next((key for key, one in self._given.items() if one is resource), None)

    def _enter(self, resource: object, key: str) -> object:
        said = _said(self._config, key)
        if isinstance(resource, ResourceDefinition):
            return self._enter_function(resource, key, said)
        assert isinstance(resource, ConfigurableResourceFactory)
        inner = {name: self._opened(one, f"{key}.{name}") for name, one in resource.inner_resources.items()}
        config = {} if said is UNSET else resolved_config(resource.run_schema, said, _where(key))
        ready = resource.completed({**config, **inner})
        whole = ready.yield_for_execution(self._with(resource_config={**ready.__dict__}))
        return self._stack.enter_context(_as_context(whole))

    def _enter_function(self, resource: ResourceDefinition, key: str, said: Any) -> object:
        config = function_config(resource, said, _where(key))
        needed = self.namespace(resource.required_resource_keys, f"resource {key!r}")
        context = self._with(resource_config=config, resources=needed)
        if isinstance(resource, InputManagerDefinition):
            return _FunctionInputManager(resource.resource_fn)
        value = called(resource.resource_fn, context)
        return self._stack.enter_context(_as_context(value)) if inspect.isgenerator(value) else value

    def _with(self, **fields: Any) -> InitResourceContext:
        own = self._context
        return InitResourceContext(**{"log": own.log, "run_id": own.run_id, "instance": own.instance, **fields})


def with_needed(given: Mapping[str, object], keys: Iterable[str], wanted_by: str) -> dict[str, object]:
    """The resources of these keys, and those that they need themselves.

    Raises:
        DagsterInvalidDefinitionError: one is not there.
    """
    found: dict[str, object] = {}
    waiting = list(keys)
    while waiting:
        key = waiting.pop()
        if key not in given:
            raise not_there(key, wanted_by)
        if key not in found:
            found[key] = resource = given[key]
            waiting += _needs(resource, given)
    return found


def _needs(resource: object, given: Mapping[str, object]) -> Iterable[str]:
    """What a resource needs itself: by key, or as one of its fields that has a key of its own, too."""
    match resource:
        case ResourceDefinition():
            return resource.required_resource_keys
        case ConfigurableResourceFactory():
            inner = resource.inner_resources.values()
            return [key for key, one in given.items() if any(one is each for each in inner)]
        case _:
            return ()


def not_there(key: str, wanted_by: str) -> DagsterInvalidDefinitionError:
    """The error that a resource is not there."""
    return DagsterInvalidDefinitionError(
        f"{wanted_by} needs the resource {key!r}, which is not defined: Definitions(resources={{{key!r}: …}})"
    )


def function_config(resource: ResourceDefinition, said: Any, where: str) -> Any:
    """What the function of a resource gets for what run config says. (`Any`: config is of any type.)

    Raises:
        DagsterInvalidConfigError: it does not fit.
    """
    fixed = resource.fixed_config
    if fixed is UNSET:
        return resolved_config(resource.config_schema, said, where)
    if callable(fixed):
        fixed = fixed(resolved_config(resource.config_schema, said, where))
    return resolved_config(resource.inner_schema, fixed, where)


def called(function: Callable[..., Any], context: object) -> Any:
    """What a function that may take a context or nothing gives."""
    takes = [one for one in inspect.signature(function).parameters.values() if one.kind is not one.VAR_KEYWORD]
    return function(context) if takes else function()


class _FunctionInputManager(InputManager):
    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def load_input(self, context: Any) -> Any:
        return called(self._function, context)


@contextlib.contextmanager
def _as_context(value: Any) -> Iterator[Any]:
    """A generator, or a context manager, as the latter; the generator is put away however the run ended."""
    if not inspect.isgenerator(value):
        with value as inner:
            yield inner
        return
    try:
        yield next(value)
    finally:
        for more in value:
            raise DagsterInvalidDefinitionError(f"a resource yields once, and this one yielded {more!r} as well")


def said_of(resource: object) -> object:
    """What run config may say about a resource, as a schema; none for one that takes no config."""
    match resource:
        case ResourceDefinition():
            return resource.config_schema
        case ConfigurableResourceFactory():
            return resource.run_schema
        case _:
            return None


def _said(config: Mapping[str, Any], key: str) -> Any:
    said = config.get(key)
    return said["config"] if isinstance(said, Mapping) and "config" in said else UNSET


def _where(key: str) -> str:
    return f"resources.{key}.config"


def _short(error: Exception) -> str:
    if isinstance(error, ValidationError):
        return "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
    return f"{type(error).__name__}: {error}"


def build_init_resource_context(
    config: Any = None,
    resources: Mapping[str, object] | None = None,
    instance: Any = None,
    log_manager: logging.Logger | None = None,
) -> InitResourceContext:
    """A context for calling a resource's function in a test. (`Any`: config is of any type.)"""
    log = log_manager or logging.getLogger("upwell.resource")
    return InitResourceContext(
        resource_config=config, resources=SimpleNamespace(**(resources or {})), log=log, instance=instance
    )


@contextlib.contextmanager
def build_resources(
    resources: Mapping[str, object],
    instance: Any = None,
    resource_config: Mapping[str, Any] | None = None,
    run_config: Any = None,
    log_manager: logging.Logger | None = None,
) -> Iterator[SimpleNamespace]:
    """Resources opened outside of any run, as attributes. (`Any`: as of the classes above.)"""
    with contextlib.closing(OpenResources(resources, resource_config, log=log_manager, instance=instance)) as opened:
        yield opened.namespace(resources, "build_resources()")
