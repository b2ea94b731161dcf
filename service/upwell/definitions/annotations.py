"""Whether a value is of the type that a signature promises, for the types that can be told cheaply."""

from __future__ import annotations

import types
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin, is_typeddict

from upwell.definitions.specs import UNSET


def violation(value: object, annotation: object) -> str | None:
    """What is wrong with the value, as a sentence; none when it fits or when the annotation says nothing to go by.

    As with `isinstance`, an int is not a float, and a bool is an int.
    """
    if annotation is UNSET or annotation is Any or isinstance(annotation, TypeVar | str):
        return None
    if annotation is None:
        annotation = type(None)
    origin = get_origin(annotation)
    if origin is Annotated:
        return violation(value, get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        fits = any(violation(value, part) is None for part in get_args(annotation))
        return None if fits else _sentence(value, annotation)
    kind = origin or annotation
    if not isinstance(kind, type) or getattr(kind, "_is_protocol", False) or is_typeddict(kind):
        return None  # `isinstance` refuses to answer
    if not isinstance(value, kind):
        return _sentence(value, annotation)
    return _element_violation(value, get_args(annotation))


def _element_violation(value: object, parts: tuple[object, ...]) -> str | None:
    match value:
        case list() | set() | frozenset() if len(parts) == 1:
            wrong = (violation(element, parts[0]) for element in value)
        case Mapping() if len(parts) == 2:
            keys, values = parts
            wrong = (violation(k, keys) or violation(v, values) for k, v in value.items())
        case tuple() if len(parts) == 2 and parts[1] is ...:
            wrong = (violation(element, parts[0]) for element in value)
        case tuple() if len(parts) == len(value):
            wrong = (violation(element, part) for element, part in zip(value, parts, strict=True))
        case _:
            return None
    found = next((one for one in wrong if one), None)
    return f"in it, {found}" if found else None


def _sentence(value: object, annotation: object) -> str:
    name = getattr(annotation, "__name__", None) if get_origin(annotation) is None else None
    return f"{_short(value)} is a {type(value).__name__}, not {name or annotation}"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}…"
