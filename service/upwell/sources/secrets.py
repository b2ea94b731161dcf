"""Secrets among the parameters of a source: named in the snapshot, read where the source runs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from upwell.events import Json


def resolved(params: Json, environ: Mapping[str, str]) -> Json:
    """`params` with each `{"env": "NAME"}` in it replaced by the value of that environment variable.

    Raises:
        ValueError: a variable is not set, or the file that `NAME_FILE` names cannot be read.
    """
    if isinstance(params, Mapping):
        if set(params) == {"env"} and isinstance(params["env"], str):
            return secret(params["env"], environ)
        return {name: resolved(value, environ) for name, value in params.items()}
    if isinstance(params, list | tuple):
        return [resolved(value, environ) for value in params]
    return params


def secret(variable: str, environ: Mapping[str, str]) -> str:
    """The value of an environment variable, or what stands in the file that `<variable>_FILE` names.

    Raises:
        ValueError: there is none, or the file cannot be read.
    """
    if value := environ.get(variable):
        return value
    path = environ.get(f"{variable}_FILE")
    if not path:
        raise ValueError(f"the environment variable {variable} is not set (nor is {variable}_FILE)")
    try:
        value = Path(path).read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{variable}_FILE={path!r} cannot be read: {error}") from None
    if not value:
        raise ValueError(f"{variable}_FILE={path!r} is empty")
    return value
