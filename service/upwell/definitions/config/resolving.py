"""Turning what was given as config into what functions get, or every mistake in it with its place."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias, assert_never

from pydantic import BaseModel, ValidationError

from upwell.definitions.config.classes import ClassShape, Config, TaggedUnion, schema_of_annotation, schema_of_field
from upwell.definitions.config.schema import (
    Anything,
    Array,
    Enum,
    Field,
    Map,
    Noneable,
    Permissive,
    Scalar,
    ScalarUnion,
    Selector,
    Shape,
)
from upwell.definitions.errors import DagsterInvalidConfigError, DagsterInvalidDefinitionError
from upwell.definitions.specs import UNSET

Schema: TypeAlias = (
    Scalar
    | Anything
    | Noneable
    | Array
    | Map
    | Shape
    | Permissive
    | Selector
    | Enum
    | ScalarUnion
    | ClassShape
    | TaggedUnion
)

_NAMES = {str: "text", int: "an integer", float: "a number", bool: "true or false"}

_FLAGS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False, "": False}


def resolved_config(schema: object, given: object, where: str) -> Any:
    """What a function gets for `given`, which is `UNSET` when nothing was. (`Any`: as the schema says.)

    Raises:
        DagsterInvalidConfigError: it does not fit; names each place and what is wrong there.
    """
    problems: list[str] = []
    value = _resolve(schema_of(schema), given, where, problems)
    if problems:
        raise DagsterInvalidConfigError("; ".join(problems))
    return value


def problems_of(schema: object, given: object, where: str) -> Sequence[str]:
    """What is wrong with `given`, each a sentence that names its place."""
    problems: list[str] = []
    _resolve(schema_of(schema), given, where, problems)
    return problems


def schema_of(written: object) -> Schema:
    """A schema in whichever of the ways users may write it.

    Raises:
        DagsterInvalidDefinitionError: it is none.
    """
    match written:
        case None:
            return Anything()
        case Field():
            return schema_of(written.config)
        case dict() if len(written) == 1 and isinstance(next(iter(written)), type):
            return Map(*next(iter(written.items())))
        case dict():
            return Shape(written)
        case [inner]:
            return Array(inner)
        case type() if issubclass(written, Config):
            return ClassShape(written)
        case type() if written in _NAMES:
            return Scalar(kind=written)
        case _ if isinstance(written, Schema):
            return written
    known = schema_of_annotation(written)
    if isinstance(known, Schema) and (known != Anything() or written in (Any, object)):
        return known
    raise DagsterInvalidDefinitionError(
        f"{written!r} says nothing about config; write a type, a dict of fields, [type], or a class class X(Config)"
    )


def _resolve(schema: Schema, given: Any, where: str, problems: list[str]) -> Any:
    """(`Any`: values of config are of any type.) A value with problems resolves to whatever comes handy."""
    if given is UNSET:
        return _left_out(schema, where, problems)
    match schema:
        case Anything():
            return given
        case Noneable():
            return None if given is None else _resolve(schema_of(schema.inner_type), given, where, problems)
        case Scalar():
            return _scalar(schema, given, where, problems)
        case Array():
            return _list(schema, given, where, problems)
        case Enum():
            return _choice(schema, given, where, problems)
        case ScalarUnion():
            inner = schema.non_scalar_schema if isinstance(given, Mapping | list) else schema.scalar_type
            return _resolve(schema_of(inner), given, where, problems)
        case Map() | Shape() | Permissive() | Selector() | ClassShape() | TaggedUnion():
            if not isinstance(given, Mapping):
                problems.append(f"{where} is {given!r}, and has to be a dict")
                return None
            return _mapping(schema, given, where, problems)
        case _:
            assert_never(schema)


def _left_out(schema: Schema, where: str, problems: list[str]) -> Any:
    match schema:
        case Anything() | Noneable():
            return None
        case Shape() | Permissive() | ClassShape():
            return _mapping(schema, {}, where, problems)
        case _:
            problems.append(f"{where} is missing")
            return None


def _mapping(
    schema: Map | Shape | Permissive | Selector | ClassShape | TaggedUnion,
    given: Mapping[Any, Any],
    where: str,
    problems: list[str],
) -> Any:
    match schema:
        case Map():
            keys, inner = schema_of(schema.key_type), schema_of(schema.inner_type)
            return {
                _resolve(keys, key, f"a key of {where}", problems): _resolve(inner, one, f"{where}.{key}", problems)
                for key, one in given.items()
            }
        case Shape() | Permissive():
            return _fields(schema, given, where, problems)
        case Selector():
            key = _only_key(given, schema.fields, where, problems)
            return {key: _field(schema.fields[key], given[key], f"{where}.{key}", problems)} if key else None
        case TaggedUnion():
            key = _only_key(given, schema.kinds, where, problems)
            if key is None:
                return None
            kind = ClassShape(schema.kinds[key], {schema.tag: key})
            return _resolve(kind, {} if given[key] is None else given[key], f"{where}.{key}", problems)
        case ClassShape():
            return _object(schema, given, where, problems)
        case _:
            assert_never(schema)


def _fields(schema: Shape | Permissive, given: Mapping[Any, Any], where: str, problems: list[str]) -> Any:
    strange = {key: value for key, value in given.items() if key not in schema.fields}
    if isinstance(schema, Shape):
        _refuse(strange, schema.fields, where, problems)
    found = dict(strange)
    for name, written in schema.fields.items():
        value = _field(written, given.get(name, UNSET), f"{where}.{name}", problems)
        if value is not UNSET:
            found[name] = value
    return found


def _field(written: object, given: Any, where: str, problems: list[str]) -> Any:
    """`UNSET`, when it was left out and has no default."""
    if given is UNSET and isinstance(written, Field) and not written.is_required:
        return written.default_value
    return _resolve(schema_of(written), given, where, problems)


def _object(schema: ClassShape, given: Mapping[Any, Any], where: str, problems: list[str]) -> BaseModel | None:
    known = dict(schema.fields())
    strange = {key: value for key, value in given.items() if key not in known}
    before = len(problems)
    if not schema.is_open:
        _refuse(strange, known, where, problems)
    values = {**strange, **(schema.fixed or {})}
    for name, info in known.items():
        if name in given or info.is_required():
            inner = schema_of_field(info)
            assert isinstance(inner, Schema)
            values[name] = _resolve(inner, given.get(name, UNSET), f"{where}.{name}", problems)
    if len(problems) > before:
        return None
    return _made(schema.kind, values, where, problems)


def _made(
    kind: Callable[..., BaseModel], values: Mapping[str, Any], where: str, problems: list[str]
) -> BaseModel | None:
    try:
        return kind(**values)
    except ValidationError as wrong:
        problems.extend(f"{'.'.join([where, *map(str, one['loc'])])}: {one['msg']}" for one in wrong.errors())
        return None


def _only_key(given: Mapping[Any, Any], known: Mapping[str, object], where: str, problems: list[str]) -> str | None:
    keys = list(given)
    if len(keys) == 1 and keys[0] in known:
        only: str = keys[0]
        return only
    problems.append(
        f"{where} has to have exactly one of {', '.join(known)}, and has {', '.join(map(str, keys)) or 'none'}"
    )
    return None


def _refuse(strange: Mapping[Any, Any], known: Mapping[str, object], where: str, problems: list[str]) -> None:
    takes = ", ".join(known) or "nothing"
    problems.extend(f"{where}.{key} is not known; {where} takes {takes}" for key in strange)


def _list(schema: Array, given: Any, where: str, problems: list[str]) -> list[Any] | None:
    if not isinstance(given, list):
        problems.append(f"{where} is {given!r}, and has to be a list")
        return None
    inner = schema_of(schema.inner_type)
    return [_resolve(inner, one, f"{where}[{index}]", problems) for index, one in enumerate(given)]


def _choice(schema: Enum, given: Any, where: str, problems: list[str]) -> Any:
    for one in schema.enum_values:
        if one.config_value == given and type(one.config_value) is type(given):
            return one.config_value if one.python_value is None else one.python_value
    known = ", ".join(str(one.config_value) for one in schema.enum_values)
    problems.append(f"{where} is {given!r}, and has to be one of {known}")
    return None


def _scalar(schema: Scalar, given: Any, where: str, problems: list[str]) -> Any:
    if schema.from_environment and isinstance(given, Mapping) and set(given) == {"env"}:
        return _read(schema.kind, str(given["env"]), where, problems)
    fits = isinstance(given, schema.kind) or (schema.kind is float and isinstance(given, int))
    if not fits or (isinstance(given, bool) and schema.kind is not bool):
        problems.append(f"{where} is {given!r}, and has to be {_NAMES[schema.kind]}")
        return None
    return given


def _read(kind: type, variable: str, where: str, problems: list[str]) -> Any:
    text = os.environ.get(variable)
    if text is None:
        problems.append(f"{where} is to be read from the environment variable {variable}, which is not set. Set it")
        return None
    try:
        return _FLAGS[text.lower()] if kind is bool else kind(text)
    except (ValueError, KeyError):
        problems.append(f"{where}: the environment variable {variable} does not hold {_NAMES[kind]}")
        return None
