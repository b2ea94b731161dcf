"""Webhooks as an event source: the service's own web server takes them at `POST /webhooks/{name}`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal, TypeAlias, get_args

from jsonpath import JSONPathError
from jsonpath import compile as compile_jsonpath

from upwell.definitions.reactions import On, SourceSpec
from upwell.definitions.resources import EnvVar
from upwell.errors import DefinitionError

Scheme: TypeAlias = Literal["github", "standard", "bearer"]

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,126}[A-Za-z0-9])?")


def webhook(
    name: str,
    *,
    secret: EnvVar | Sequence[EnvVar] = (),
    scheme: Scheme | None = None,
    insecure: bool = False,
    partition: str | None = None,
) -> On:
    """An event for each delivery to `POST /webhooks/{name}`, answered 202 once it is on disk.

    Args:
        name: letters, digits, `.`, `_` and `-`.
        secret: the environment variable that holds the secret; several while it is rotated.
        scheme: how the sender proves that it knows the secret: `standard` (Standard Webhooks, the default), `github`
            or `bearer` (an `Authorization: Bearer` header).
        insecure: take deliveries from anybody; instead of a secret.
        partition: a JSONPath into the body that names the partition, for example `"$.order.date"`.

    Raises:
        DefinitionError: no secret and not `insecure`, or an argument that cannot be used.
    """
    secrets = _secrets(name, secret)
    _check(name, secrets, scheme, insecure)
    params = {
        "endpoint": name,
        "scheme": None if insecure else scheme or "standard",
        "secrets": [{"env": each.env_var_name} for each in secrets],
        "insecure": insecure,
    }
    return On(source=SourceSpec(kind="webhook", name=f"webhook:{name}", params=params), partition=_jsonpath(partition))


def _secrets(name: str, secret: object) -> tuple[EnvVar, ...]:
    given = (secret,) if isinstance(secret, str) else secret
    if not isinstance(given, Sequence) or not all(isinstance(each, str) for each in given):
        raise DefinitionError(f'webhook({name!r}): secret= takes EnvVar("NAME"), or a list of them')
    if not all(isinstance(each, EnvVar) for each in given):
        raise DefinitionError(
            f"webhook({name!r}): a secret does not belong into code. Put it into an environment variable and write "
            f'secret=EnvVar("{_variable(name)}")'
        )
    return tuple(given)


def _check(name: str, secrets: Sequence[EnvVar], scheme: str | None, insecure: bool) -> None:
    if not _NAME.fullmatch(name):
        raise DefinitionError(f"webhook({name!r}): a name has letters, digits, '.', '_' and '-', and is not empty")
    if scheme is not None and scheme not in get_args(Scheme):
        raise DefinitionError(f"webhook({name!r}): scheme={scheme!r} is unknown; choose {', '.join(get_args(Scheme))}")
    if not secrets and not insecure:
        raise DefinitionError(
            f"webhook({name!r}) has no secret, so anybody could send to it. Write "
            f'secret=EnvVar("{_variable(name)}"), or insecure=True if that is meant'
        )
    if insecure and (secrets or scheme):
        raise DefinitionError(f"webhook({name!r}): insecure=True checks nothing; leave out secret and scheme")


def _variable(name: str) -> str:
    return re.sub(r"\W", "_", name, flags=re.ASCII).upper() + "_SECRET"


def _jsonpath(path: str | None) -> str | None:
    if path is not None:
        try:
            compile_jsonpath(path)
        except JSONPathError as error:
            raise DefinitionError(f"partition={path!r} is no JSONPath ({error}); write '$.order.date'") from None
    return path
