"""What user functions use beside data: resources, and IO managers, which store and load data."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Generic, Self, TypeAlias, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict
from typing_extensions import TypeVar as TypeVarWithDefault

from upwell.definitions.config.classes import schema_of_field
from upwell.definitions.config.schema import Field, Shape
from upwell.definitions.environment import EnvVar, IntEnvVar
from upwell.definitions.errors import DagsterInvalidConfigError, DagsterInvalidInvocationError
from upwell.definitions.resource_functions import ResourceDefinition

T = TypeVar("T")
Made = TypeVarWithDefault("Made", default=Any)


class _ResourceMark:
    """Tells the annotation of a resource argument from the annotation of an input."""


RESOURCE_MARK = _ResourceMark()
ResourceParam: TypeAlias = Annotated[T, RESOURCE_MARK]
"""`ResourceParam[Session]`: the argument gets the resource of its name, whatever its type."""

_DEPENDENCY_MARK = _ResourceMark()
ResourceDependency: TypeAlias = Annotated[T, _DEPENDENCY_MARK]
"""`ResourceDependency[Session]`: the field of a resource is another resource, whatever its type."""


class ConfigurableResourceFactory(BaseModel, Generic[Made]):
    """A resource whose fields are its settings, and which makes what functions get: `create_resource`.

    A field may be an `EnvVar` or another resource; it stays so until the resource is opened for a run.
    """

    model_config = ConfigDict(extra="ignore", frozen=True, arbitrary_types_allowed=True)

    def __init__(self, **fields: Any) -> None:
        if any(isinstance(value, EnvVar | IntEnvVar | ResourceDefinition) for value in fields.values()) or any(
            _is_dependency(type(self), name) for name in fields
        ):
            self._adopt(self.model_construct(**fields))  # what they stand for is validated by `completed`
        else:
            super().__init__(**fields)

    def __setattr__(self, name: str, value: object) -> None:
        if name in type(self).model_fields and self.model_config.get("frozen"):
            raise DagsterInvalidInvocationError(
                f"{type(self).__name__}.{name} cannot be set: a resource is fixed once made. What it opens goes into "
                "a private attribute: _connection: Any = PrivateAttr()"
            )
        super().__setattr__(name, value)

    @classmethod
    def configure_at_launch(cls, **fields: Any) -> Self:
        """The resource with some of its settings, the others to come with each run: `resources.NAME.config`.

        (`Any`: fields are of any type.)
        """
        return cls.model_construct(**fields)

    def _adopt(self, unchecked: ConfigurableResourceFactory) -> None:
        for slot in ("__dict__", "__pydantic_fields_set__", "__pydantic_extra__", "__pydantic_private__"):
            object.__setattr__(self, slot, getattr(unchecked, slot))

    # What a run makes of it.

    @property
    def run_schema(self) -> Shape:
        """What run config may say about it: every field that is no resource."""
        fields: dict[str, object] = {}
        for name, info in type(self).model_fields.items():
            if name in self.inner_resources or _is_resource_type(info.annotation):
                continue
            required = info.is_required() and name not in self.model_fields_set
            fields[name] = Field(schema_of_field(info), is_required=required)
        return Shape(fields)

    @property
    def inner_resources(self) -> Mapping[str, object]:
        """The resources among its fields."""
        values = ((name, self.__dict__.get(name)) for name in type(self).model_fields)
        return {name: value for name, value in values if isinstance(value, RESOURCES)}

    def completed(self, said: Mapping[str, object]) -> Self:
        """A copy with `said` in place of its fields, and with the environment's values in place of each `EnvVar`.

        Raises:
            DagsterInvalidConfigError: a variable is not set.
            pydantic.ValidationError: a value does not fit its field.
        """
        fields = {name: self.__dict__[name] for name in self.model_fields_set} | dict(said)
        if not said and not any(isinstance(value, EnvVar | IntEnvVar) for value in fields.values()):
            missing = [name for name, info in type(self).model_fields.items() if info.is_required()]
            if all(name in fields for name in missing):
                return self.model_copy()
        read = {name: _read(type(self).__name__, name, value) for name, value in fields.items()}
        made = self.model_construct()
        BaseModel.__init__(made, **read)
        return made

    # What users override.

    def create_resource(self, context: Any) -> Any:
        """What functions get. (`Any`: the context is the runtime's.)"""
        raise DagsterInvalidInvocationError(f"{type(self).__name__} is to say what it makes: def create_resource")

    def setup_for_execution(self, context: Any) -> None:
        """Called before the run's first use; open what the resource needs."""

    def teardown_after_execution(self, context: Any) -> None:
        """Called after the last use, also when the run failed."""

    @contextlib.contextmanager
    def yield_for_execution(self, context: Any) -> Iterator[Any]:
        """Setting up, what functions get, and putting away, in one: override it instead of the three above."""
        self.setup_for_execution(context)
        try:
            yield self.create_resource(context)
        finally:
            self.teardown_after_execution(context)


class ConfigurableResource(ConfigurableResourceFactory[Made]):
    """A resource whose fields are its settings: an argument annotated with the subclass gets it.

    One that makes something else is a `ConfigurableResource[Session]` with `create_resource`; arguments for that are
    annotated with `ResourceParam[Session]`.

    `setup_for_execution` and `teardown_after_execution` are called around the steps that use it.
    """

    def create_resource(self, context: Any) -> Any:
        """The resource itself."""
        return self


class InputManager(ABC):
    """Loads what an argument reads. (`Any`: values and contexts are the runtime's.)"""

    @abstractmethod
    def load_input(self, context: Any) -> Any:
        """The stored value of `context.asset_key` (and `context.asset_partition_keys`)."""


class IOManager(InputManager):
    """Stores what assets return, and loads it for whoever reads it. (`Any`: values and contexts are the runtime's.)"""

    @abstractmethod
    def handle_output(self, context: Any, obj: Any) -> None:
        """Store `obj` as the value of `context.asset_key` (and `context.partition_key`)."""


class ConfigurableIOManager(ConfigurableResource, IOManager):
    """An IO manager whose fields are its settings."""


class ConfigurableIOManagerFactory(ConfigurableResourceFactory):
    """Settings from which an IO manager is made."""

    @abstractmethod
    def create_io_manager(self, context: Any) -> IOManager:
        """The IO manager. (`Any`: the context is the runtime's.)"""

    def create_resource(self, context: Any) -> IOManager:
        return self.create_io_manager(context)


RESOURCES = (ConfigurableResourceFactory, ResourceDefinition)
"""What is opened for a run; anything else is a resource as it is."""


def _is_dependency(kind: type[BaseModel], name: str) -> bool:
    info = kind.model_fields.get(name)
    return info is not None and _DEPENDENCY_MARK in info.metadata


def _is_resource_type(annotation: object) -> bool:
    parts = get_args(annotation) if get_origin(annotation) is not None else (annotation,)
    return any(isinstance(part, type) and issubclass(part, ConfigurableResourceFactory) for part in parts)


def _read(owner: str, name: str, value: object) -> object:
    if not isinstance(value, EnvVar | IntEnvVar):
        return value
    where = f"{owner}.{name} is to be read from the environment variable {value.env_var_name}"
    try:
        found = value.get_value()
    except ValueError:
        raise DagsterInvalidConfigError(f"{where}, which does not hold an integer") from None
    if found is None:
        raise DagsterInvalidConfigError(f"{where}, which is not set. Set it")
    return found
