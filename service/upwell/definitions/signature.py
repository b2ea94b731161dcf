"""Reading a user's function: which of its arguments is what, and what it says it returns."""

from __future__ import annotations

import inspect
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, get_args, get_origin

from upwell.definitions.compute import Style, UserFunction
from upwell.definitions.errors import DagsterInvalidDefinitionError
from upwell.definitions.resources import RESOURCE_MARK, ConfigurableResourceFactory
from upwell.definitions.results import MaterializeResult, ObserveResult, Output
from upwell.definitions.specs import UNSET

_CONTEXT_NAMES = frozenset({"context", "_context", "context_", "_"})
_STREAMS = (Generator, Iterator, Iterable, AsyncGenerator, AsyncIterator)


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where something was declared."""

    file: str | None = None
    line: int | None = None

    def error(self, message: str) -> DagsterInvalidDefinitionError:
        """The error that something declared here is wrong."""
        return DagsterInvalidDefinitionError(message, file=self.file, line=self.line)


@dataclass(frozen=True, kw_only=True)
class Signature:
    """What a function takes, each argument in its role, with its annotation (`UNSET`: none, or none that is known)."""

    name: str
    style: Style
    place: Place
    context_argument: str | None
    config_argument: str | None
    config_type: object
    resources: Mapping[str, object]
    arguments: Mapping[str, object]
    takes_any_keyword: bool
    returns: object


def place_of(function: UserFunction) -> Place:
    """Where the function stands."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    return Place(file=code.co_filename, line=code.co_firstlineno) if code else Place()


def caller_place(depth: int = 2) -> Place:
    """Where the caller's caller stands (`depth` calls up): for what is declared without decorating a function."""
    frame = sys._getframe(depth)
    return Place(file=frame.f_code.co_filename, line=frame.f_lineno)


def read_signature(function: UserFunction) -> Signature:
    """The roles of the function's arguments.

    Raises:
        DagsterInvalidDefinitionError: an argument that cannot be filled.
    """
    place = place_of(function)
    if not callable(function):
        raise place.error(f"{function!r} is no function")
    parameters = list(inspect.signature(function).parameters.values())
    known = {parameter.name: annotation_of(function, parameter.annotation) for parameter in parameters}
    named = [parameter.name for parameter in parameters if parameter.kind is not parameter.VAR_KEYWORD]
    for parameter in parameters:
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.POSITIONAL_ONLY):
            raise place.error(
                f"argument {parameter} of {name_of(function)}() cannot be filled by name; make it a plain argument"
            )
    context = named.pop(0) if named and named[0] in _CONTEXT_NAMES else None
    if _CONTEXT_NAMES & set(named) - {"_"}:
        raise place.error(f"the context has to be the first argument of {name_of(function)}()")
    resources = {name: known[name] for name in named if is_resource(known[name])}
    config = "config" if "config" in named else None
    if config and known[config] is UNSET:
        raise place.error(
            f"argument config of {name_of(function)}() needs an annotation that can be read here: "
            "a subclass of Config that is defined at the top level of the module"
        )
    return Signature(
        name=name_of(function),
        style=style_of(function),
        place=place,
        context_argument=context,
        config_argument=config,
        config_type=known[config] if config else None,
        resources=resources,
        arguments={name: known[name] for name in named if name not in resources and name != config},
        takes_any_keyword=any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters),
        returns=annotation_of(function, inspect.signature(function).return_annotation),
    )


def value_type(annotation: object) -> object:
    """The type of the value that a return annotation promises for storage: `NoneType` for none, `UNSET` for any."""
    origin = get_origin(annotation) or annotation
    if annotation is None or (origin in (MaterializeResult, ObserveResult) and not get_args(annotation)):
        return type(None)
    if origin in (Output, MaterializeResult):
        return next(iter(get_args(annotation)), UNSET)
    if annotation is Any or origin in _STREAMS:
        return UNSET
    return annotation


def value_types(annotation: object, count: int) -> tuple[object, ...]:
    """The same for a function with several outputs, which may be annotated as a tuple."""
    parts = get_args(annotation) if get_origin(annotation) is tuple else ()
    if len(parts) == count and Ellipsis not in parts:
        return tuple(value_type(part) for part in parts)
    return (value_type(annotation) if count == 1 else UNSET,) * count


def name_of(function: UserFunction) -> str:
    """What the function is called."""
    return getattr(function, "__name__", type(function).__name__)


def style_of(function: UserFunction) -> Style:
    """How the function is called."""
    plain = inspect.unwrap(function)
    if inspect.isasyncgenfunction(plain):
        return "async_generator"
    if inspect.iscoroutinefunction(plain):
        return "coroutine"
    return "generator" if inspect.isgeneratorfunction(plain) else "function"


def annotation_of(function: UserFunction, annotation: object) -> object:
    """What an annotation of the function means; `UNSET` where it has none, or none that can be read here."""
    if annotation is inspect.Signature.empty:
        return UNSET
    if not isinstance(annotation, str):
        return annotation
    plain = inspect.unwrap(function)
    closure = inspect.getclosurevars(plain).nonlocals if inspect.isfunction(plain) else {}
    try:
        return eval(annotation, getattr(plain, "__globals__", {}), dict(closure))
    except (NameError, AttributeError, SyntaxError, TypeError):
        return UNSET  # a name that only a type checker sees, or of the function's own surroundings


def is_resource(annotation: object) -> bool:
    """Whether an argument with this annotation gets a resource."""
    if get_origin(annotation) is Annotated:
        return RESOURCE_MARK in get_args(annotation)
    return isinstance(annotation, type) and issubclass(annotation, ConfigurableResourceFactory)
