"""`Config`: config as a class of pydantic's, and what its fields take."""

from __future__ import annotations

import enum
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict
from pydantic.fields import FieldInfo

from upwell.definitions.config.schema import (
    Anything,
    Array,
    BoolSource,
    Enum,
    EnumValue,
    IntSource,
    Map,
    Noneable,
    Permissive,
    Scalar,
    StringSource,
)
from upwell.definitions.environment import EnvVar, IntEnvVar
from upwell.definitions.errors import DagsterInvalidInvocationError
from upwell.events import Json


class Config(BaseModel):
    """Run config of one function: an argument `config: MyConfig` with `class MyConfig(Config)` gets it, validated."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def __init__(self, **fields: Any) -> None:
        super().__init__(**fields)
        for name, value in fields.items():
            if isinstance(value, EnvVar | IntEnvVar):
                self.__dict__[name] = value  # pydantic makes a plain value of it

    def __setattr__(self, name: str, value: object) -> None:
        if name in type(self).model_fields and self.model_config.get("frozen"):
            raise DagsterInvalidInvocationError(
                f"{type(self).__name__}.{name} cannot be set: config is fixed once made. Use model_copy(update=…)"
            )
        super().__setattr__(name, value)

    @classmethod
    def to_config_schema(cls) -> ClassShape:
        """The class as a schema, for `config_schema=`."""
        return ClassShape(cls)


class PermissiveConfig(Config):
    """Config that takes fields beside its own."""

    model_config = ConfigDict(extra="allow", frozen=True)


@dataclass(frozen=True)
class ClassShape:
    """A dict that becomes an object of the class; `fixed` are fields that are not said by config."""

    kind: type[BaseModel]
    fixed: Mapping[str, object] | None = None

    @property
    def is_open(self) -> bool:
        """Whether it takes unknown fields."""
        return self.kind.model_config.get("extra") == "allow"

    def fields(self) -> Iterator[tuple[str, FieldInfo]]:
        """The fields that config may say, by what config calls them."""
        for name, info in self.kind.model_fields.items():
            if name not in (self.fixed or {}):
                yield info.alias or name, info


@dataclass(frozen=True)
class TaggedUnion:
    """One of several classes by what its field `tag` says: `{"cat": {…}}`."""

    tag: str
    kinds: Mapping[str, type[BaseModel]]


def schema_of_field(info: FieldInfo) -> object:
    """What config may say for a field of a class."""
    if isinstance(info.discriminator, str):
        return _tagged(info.annotation, info.discriminator)
    return schema_of_annotation(info.annotation)


def schema_of_annotation(annotation: object) -> object:
    """What config may say for a value of this type; what is not known here is left to pydantic."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        tags = [one.discriminator for one in parts[1:] if isinstance(one, FieldInfo) and one.discriminator]
        return _tagged(parts[0], str(tags[0])) if tags else schema_of_annotation(parts[0])
    if origin in (Union, types.UnionType):
        rest = [part for part in parts if part is not type(None)]
        inner = schema_of_annotation(rest[0]) if len(rest) == 1 else Anything()
        return Noneable(inner) if len(rest) < len(parts) else inner
    if origin is Literal:
        return Enum("Literal", [EnumValue(part, part) for part in parts])
    if origin is list:
        return Array(schema_of_annotation(parts[0]))
    if origin in (dict, Mapping):
        return Map(parts[0], schema_of_annotation(parts[1]))
    return _schema_of_class(annotation)


def _schema_of_class(annotation: object) -> object:
    plain = {str: StringSource, int: IntSource, bool: BoolSource, float: Scalar(kind=float)}
    match annotation:
        case type() if annotation in plain:
            return plain[annotation]
        case type() if annotation is list:
            return Array(Anything())
        case type() if annotation is dict:
            return Permissive()
        case type() if issubclass(annotation, enum.Enum):
            return Enum.from_python_enum(annotation)
        case type() if issubclass(annotation, Config):
            return ClassShape(annotation)
        case _:
            return Anything()


def _tagged(annotation: object, tag: str) -> object:
    optional = type(None) in get_args(annotation)
    classes = [part for part in get_args(annotation) if isinstance(part, type) and issubclass(part, BaseModel)]
    kinds = {str(value): one for one in classes for value in get_args(one.model_fields[tag].annotation)}
    return Noneable(TaggedUnion(tag, kinds)) if optional else TaggedUnion(tag, kinds)


def plain_config_of(config: BaseModel) -> dict[str, Json]:
    """The object as config says it: enums by name, unions by tag, variables of the environment unread."""
    found: dict[str, Json] = {}
    for name, info in type(config).model_fields.items():
        value = getattr(config, name)
        if value is None and not info.is_required():
            continue
        tag = info.discriminator if isinstance(info.discriminator, str) else None
        found[info.alias or name] = _plain(value, tag)
    return {**found, **{name: _plain(value) for name, value in (config.model_extra or {}).items()}}


def _plain(value: Any, tag: str | None = None) -> Json:
    """(`Any`: whatever fields hold.)"""
    match value:
        case EnvVar() | IntEnvVar():
            return {"env": value.env_var_name}
        case enum.Enum():
            return value.name
        case BaseModel() if tag is not None:
            fields = plain_config_of(value)
            return {str(fields.pop(tag)): fields}
        case BaseModel():
            return plain_config_of(value)
        case list() | tuple():
            return [_plain(one) for one in value]
        case Mapping():
            return {str(key): _plain(one) for key, one in value.items()}
        case _:
            plain: Json = value
            return plain
