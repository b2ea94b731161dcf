"""Names for users' filters, by which every worker of the same code finds the same function."""

from __future__ import annotations

import functools
import hashlib
import inspect
from collections.abc import Iterator
from types import CodeType
from typing import Any

from upwell.definitions.reactions import FilterFunction

_PLAIN = (str, bytes, int, float, bool, type(None))


def takes_the_event(function: FilterFunction) -> bool:
    """Whether it can be called with one argument, as far as that can be known."""
    try:
        inspect.signature(function).bind(object())
    except TypeError:
        return False
    except ValueError:  # some builtins do not say what they take
        return True
    return True


def key_of(function: FilterFunction) -> str:
    """The module and name of the function with its line; one that is made by another, or has no name, also says what
    it is made of: `above(10)` and `above(100)` are two filters."""
    bare: Any = function
    bound: list[object] = []
    while isinstance(bare, functools.partial):
        bound += [*bare.args, *(each for item in sorted(bare.keywords.items()) for each in item)]
        bare = bare.func
    named = bare if hasattr(bare, "__qualname__") else type(bare)
    code = getattr(bare, "__code__", None)
    name = f"{named.__module__}.{named.__qualname__}" + (f":{code.co_firstlineno}" if code is not None else "")
    if code is not None and (bound or "<" in named.__qualname__):
        made_of = "\n".join(map(repr, [*bound, *_made_of(bare, code)]))
        return f"{name}#{hashlib.blake2b(made_of.encode(), digest_size=4).hexdigest()}"
    return name


def _made_of(function: Any, code: CodeType) -> Iterator[object]:
    """What tells functions of one place apart, as far as it is the same in every process."""
    yield code.co_code
    yield code.co_names
    values = [*code.co_consts, *(function.__defaults__ or ())]
    values += [cell.cell_contents for cell in function.__closure__ or () if _is_filled(cell)]
    yield from (value for value in values if isinstance(value, _PLAIN))


def _is_filled(cell: Any) -> bool:
    try:
        return cell.cell_contents is not None
    except ValueError:
        return False
