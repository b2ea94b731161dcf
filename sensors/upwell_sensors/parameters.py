"""The arguments of a declaration as they travel: plain data, with secrets named and not told."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from urllib.parse import urlsplit

from upwell.definitions.environment import EnvVar
from upwell.durations import format_duration, parse_duration
from upwell.errors import DefinitionError
from upwell.events import Json
from upwell.sources.paths import readable_path

_SECRET = re.compile(r"(^|[_-])(authorization|cookie|tokens?|secrets?|passwords?|api[_-]?key|access[_-]?key)$", re.I)
_SHORTEST_INTERVAL = timedelta(milliseconds=100)
_SECRET_OPTION = {"key", "secret", "token", "password", "account_key", "connection_string", "sas_token"}


def plain(value: object) -> Json:
    """`value` with each `EnvVar` in it as the host reads it: `{"env": "NAME"}`."""
    if isinstance(value, EnvVar):
        return {"env": value.env_var_name}
    if isinstance(value, Mapping):
        return {str(name): plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return value


def plain_without_secrets(what: str, options: Mapping[str, object]) -> Json:
    """The same, of options by name, none of which may be a secret that stands in the code.

    Raises:
        DefinitionError: one is.
    """
    for name, value in options.items():
        if isinstance(value, Mapping):
            plain_without_secrets(what, value)
        elif isinstance(value, str) and not isinstance(value, EnvVar) and _is_secret(name):
            raise DefinitionError(
                f"{what}: a secret does not belong into code. Put {name!r} into an environment variable and write "
                f'EnvVar("{re.sub(r"[^A-Za-z0-9]", "_", name).upper()}")'
            )
    return plain(options)


def address(what: str, url: object, example: str) -> tuple[Json, str]:
    """A URL as it travels, and how it is called in the name of the source.

    Raises:
        DefinitionError: it is no URL, or has a password in it.
    """
    if isinstance(url, EnvVar):
        return plain(url), f"${url.env_var_name}"
    if not isinstance(url, str) or "://" not in url:
        raise DefinitionError(f'{what}: {url!r} is no URL; write {example!r}, or EnvVar("NAME")')
    if urlsplit(url).password:
        raise DefinitionError(f'{what}: a password does not belong into code; write the whole URL as EnvVar("NAME")')
    return url, url


def duration(what: str, argument: str, value: str | timedelta) -> str:
    """A duration in its shortest form.

    Raises:
        DefinitionError: it is none, or is nothing.
    """
    length = parse_duration(value, what=f"{what}: {argument}")
    if not length:
        raise DefinitionError(f"{what}: {argument}={value!r} must be longer than nothing")
    return format_duration(length)


def poll_interval(what: str, value: str | timedelta) -> str:
    """The time from one look to the next, in its shortest form.

    Raises:
        DefinitionError: it cannot be read, or is too short to be meant.
    """
    length = parse_duration(value, what=f"{what}: interval")
    if length < _SHORTEST_INTERVAL:
        raise DefinitionError(
            f"{what}: interval={value!r} is too short; {format_duration(_SHORTEST_INTERVAL)} is the least"
        )
    return format_duration(length)


def jsonpath(what: str, argument: str, path: str | None) -> str | None:
    """A JSONPath that can be read.

    Raises:
        DefinitionError: it cannot.
    """
    return None if path is None else readable_path(path, option=f"{what}: {argument}", write="'$.id'")


def one_of(what: str, argument: str, value: str, choices: tuple[str, ...]) -> str:
    """One of a few words.

    Raises:
        DefinitionError: it is another.
    """
    if value not in choices:
        known = " or ".join(f'"{choice}"' for choice in choices)
        raise DefinitionError(f"{what}: {argument}={value!r} is unknown; choose {known}")
    return value


def _is_secret(name: str) -> bool:
    return name.lower() in _SECRET_OPTION or _SECRET.search(name) is not None
