"""Resources that are made by functions: `@resource`, `@io_manager`, `@input_manager`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, overload

from upwell.definitions.specs import UNSET

ResourceFunction = Callable[..., Any]
"""Takes an `InitResourceContext`, or nothing, and returns the resource; a generator yields it and puts it away."""


@dataclass(frozen=True, eq=False)
class ResourceDefinition:
    """A function that makes a resource for a run, and the config that it takes."""

    resource_fn: ResourceFunction
    config_schema: object = None
    description: str | None = None
    required_resource_keys: frozenset[str] = frozenset()
    fixed_config: Any = UNSET  # or a function from what run config says to what the function gets
    inner_schema: object = None  # of the function, where `fixed_config` stands before it

    @classmethod
    def hardcoded_resource(cls, value: Any, description: str | None = None) -> ResourceDefinition:
        """A resource that is this value. (`Any`: resources are whatever users make them.)"""
        return cls(lambda: value, description=description)

    @classmethod
    def none_resource(cls, description: str | None = None) -> ResourceDefinition:
        """A resource that is none."""
        return cls.hardcoded_resource(None, description)

    @classmethod
    def string_resource(cls, description: str | None = None) -> ResourceDefinition:
        """A resource that is the text that run config says."""
        return cls(lambda context: context.resource_config, config_schema=str, description=description)

    def configured(
        self, config_or_config_fn: Any, config_schema: object = None, description: str | None = None
    ) -> ResourceDefinition:
        """The same with its config fixed, or with a function that makes it of what run config says by `config_schema`.

        (`Any`: config is whatever the schema says.)
        """
        return replace(
            self,
            fixed_config=config_or_config_fn,
            inner_schema=self.config_schema,
            config_schema=config_schema,
            description=description or self.description,
        )

    def __call__(self, *args: Any) -> Any:
        """What the function makes, for a test: `settings(build_init_resource_context())`."""
        return self.resource_fn(*args)


class IOManagerDefinition(ResourceDefinition):
    """A function that makes an IO manager."""


class InputManagerDefinition(ResourceDefinition):
    """A function that loads an input: it takes an `InputContext`, and a second argument for the resource's context."""


@overload
def resource(config_schema: ResourceFunction, /) -> ResourceDefinition: ...


@overload
def resource(
    config_schema: object = ...,
    description: str | None = ...,
    required_resource_keys: Iterable[str] | None = ...,
    version: str | None = ...,
) -> Callable[[ResourceFunction], ResourceDefinition]: ...


def resource(
    config_schema: Any = None,
    description: str | None = None,
    required_resource_keys: Iterable[str] | None = None,
    version: str | None = None,
) -> ResourceDefinition | Callable[[ResourceFunction], ResourceDefinition]:
    """Declare that a function makes a resource; what it needs itself is in `context.resources`.

    A generator yields the resource once; what follows the `yield` is done when the run is over. `version` is ignored.
    """
    return _declared(ResourceDefinition, config_schema, description, required_resource_keys)


@overload
def io_manager(config_schema: ResourceFunction, /) -> ResourceDefinition: ...


@overload
def io_manager(
    config_schema: object = ...,
    description: str | None = ...,
    output_config_schema: object = ...,
    input_config_schema: object = ...,
    required_resource_keys: Iterable[str] | None = ...,
    version: str | None = ...,
) -> Callable[[ResourceFunction], ResourceDefinition]: ...


def io_manager(
    config_schema: Any = None,
    description: str | None = None,
    output_config_schema: object = None,
    input_config_schema: object = None,
    required_resource_keys: Iterable[str] | None = None,
    version: str | None = None,
) -> ResourceDefinition | Callable[[ResourceFunction], ResourceDefinition]:
    """Declare that a function makes an IO manager; as `resource`. Config of single inputs and outputs is not taken."""
    return _declared(IOManagerDefinition, config_schema, description, required_resource_keys)


@overload
def input_manager(config_schema: ResourceFunction, /) -> ResourceDefinition: ...


@overload
def input_manager(
    config_schema: object = ...,
    description: str | None = ...,
    input_config_schema: object = ...,
    required_resource_keys: Iterable[str] | None = ...,
    version: str | None = ...,
) -> Callable[[ResourceFunction], ResourceDefinition]: ...


def input_manager(
    config_schema: Any = None,
    description: str | None = None,
    input_config_schema: object = None,
    required_resource_keys: Iterable[str] | None = None,
    version: str | None = None,
) -> ResourceDefinition | Callable[[ResourceFunction], ResourceDefinition]:
    """Declare that a function loads inputs: `@input_manager def orders(context): return read(context.asset_key)`."""
    return _declared(InputManagerDefinition, config_schema, description, required_resource_keys)


def _declared(
    kind: type[ResourceDefinition], config_schema: Any, description: str | None, required: Iterable[str] | None
) -> ResourceDefinition | Callable[[ResourceFunction], ResourceDefinition]:
    """The definition, or what makes one of a function. (`Any`: a schema is of many types.)"""

    def declare(function: ResourceFunction) -> ResourceDefinition:
        schema = None if bare else config_schema
        return kind(function, schema, description or function.__doc__, frozenset(required or ()))

    bare = callable(config_schema) and not isinstance(config_schema, type)
    return declare(config_schema) if bare else declare
