"""What user functions use beside data: resources, run config, IO managers, and values from the environment."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from typing import Annotated, Any, Self, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict

from upwell.definitions.errors import DagsterInvalidConfigError, DagsterInvalidInvocationError

T = TypeVar("T")


class _ResourceMark:
    """Tells the annotation of a resource argument from the annotation of an input."""


RESOURCE_MARK = _ResourceMark()
ResourceParam: TypeAlias = Annotated[T, RESOURCE_MARK]
"""`ResourceParam[Session]`: the argument gets the resource of its name, whatever its type."""


class EnvVar(str):
    """A value that is read from an environment variable, in the process that uses it and no earlier."""

    @property
    def env_var_name(self) -> str:
        """The variable."""
        return str.__str__(self)

    def get_value(self, default: str | None = None) -> str | None:
        """What the variable holds now, or `default`."""
        return os.environ.get(self.env_var_name, default)

    def __str__(self) -> str:
        raise RuntimeError(
            f"EnvVar({self.env_var_name!r}) is not the value itself; hand it to a resource, or ask its get_value()"
        )

    def __repr__(self) -> str:
        return f"EnvVar({self.env_var_name!r})"


class Config(BaseModel):
    """Run config of one function: an argument `config: MyConfig` with `class MyConfig(Config)` gets it, validated."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def __setattr__(self, name: str, value: object) -> None:
        if name in type(self).model_fields and self.model_config.get("frozen"):
            raise DagsterInvalidInvocationError(
                f"{type(self).__name__}.{name} cannot be set: config is fixed once made. Use model_copy(update=…)"
            )
        super().__setattr__(name, value)


class ConfigurableResource(BaseModel):
    """A resource whose fields are its settings: an argument annotated with the subclass gets it.

    A field may be an `EnvVar`: it stays one until `resolved()`. `setup_for_execution` and `teardown_after_execution`
    are called around each step that uses the resource.
    """

    model_config = ConfigDict(extra="ignore", arbitrary_types_allowed=True)

    def __init__(self, **fields: Any) -> None:
        if any(isinstance(value, EnvVar) for value in fields.values()):
            self._adopt(self.model_construct(**fields))  # what the variables hold is validated by `resolved`
        else:
            super().__init__(**fields)

    def _adopt(self, unchecked: ConfigurableResource) -> None:
        for slot in ("__dict__", "__pydantic_fields_set__", "__pydantic_extra__", "__pydantic_private__"):
            object.__setattr__(self, slot, getattr(unchecked, slot))

    def resolved(self) -> Self:
        """This resource with the environment's values in place of each `EnvVar`; to be called where it is used.

        Raises:
            DagsterInvalidConfigError: a variable is not set.
            pydantic.ValidationError: its value does not fit the field.
        """
        fields = {name: getattr(self, name) for name in self.model_fields_set}
        if not any(isinstance(value, EnvVar) for value in fields.values()):
            return self
        return type(self)(**{name: _read(type(self).__name__, name, value) for name, value in fields.items()})

    def setup_for_execution(self, context: Any) -> None:
        """Called before the step; open what the resource needs. (`Any`: the context is the runtime's.)"""

    def teardown_after_execution(self, context: Any) -> None:
        """Called after the step, also when it failed."""


class IOManager(ABC):
    """Stores what assets return, and loads it for whoever reads it. (`Any`: values and contexts are the runtime's.)"""

    @abstractmethod
    def handle_output(self, context: Any, obj: Any) -> None:
        """Store `obj` as the value of `context.asset_key` (and `context.partition_key`)."""

    @abstractmethod
    def load_input(self, context: Any) -> Any:
        """The stored value of `context.asset_key` (and `context.asset_partition_keys`)."""


class ConfigurableIOManager(ConfigurableResource, IOManager):
    """An IO manager whose fields are its settings."""


def _read(owner: str, name: str, value: object) -> object:
    if not isinstance(value, EnvVar):
        return value
    if (found := value.get_value()) is None:
        raise DagsterInvalidConfigError(
            f"{owner}.{name} is to be read from the environment variable {value.env_var_name}, which is not set. Set it"
        )
    return found
