"""JSONPaths as users write them in a declaration."""

from __future__ import annotations

from jsonpath import JSONPathError
from jsonpath import compile as compile_jsonpath

from upwell.errors import DefinitionError


def readable_path(path: str, *, option: str, write: str) -> str:
    """The JSONPath, if it is one; `option` is where it stands and `write` a good example, for the error.

    Raises:
        DefinitionError: it cannot be read.
    """
    if not isinstance(path, str):
        raise DefinitionError(f"{option}={path!r} is no JSONPath; write {write}")
    try:
        compile_jsonpath(path)
    except JSONPathError as error:
        raise DefinitionError(f"{option}={path!r} is no JSONPath ({reason(error)}); write {write}") from None
    return path


def reason(error: JSONPathError) -> str:
    """What is wrong with a path, on one line: the library draws a picture of the place below it."""
    return str(error).partition("\n")[0]
