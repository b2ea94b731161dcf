"""Webhooks as an event source: the service's own web server takes them at `POST /webhooks/{name}`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from importlib.metadata import entry_points
from typing import Any, Literal, TypeAlias, Unpack, get_args

from upwell.definitions.environment import EnvVar
from upwell.definitions.reactions import On, SourceSpec
from upwell.durations import parse_duration
from upwell.errors import DefinitionError
from upwell.sources.paths import readable_path
from upwell.sources.reaction import Reaction, listener, parse_rate
from upwell.sources.templates import read_template

Scheme: TypeAlias = Literal[
    "github",
    "standard",
    "stripe",
    "slack",
    "gitlab",
    "shopify",
    "dbt_cloud",
    "fivetran",
    "bearer",
    "hmac",
    "mtls",
]

_GROUP = "upwell.signatures"
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,126}[A-Za-z0-9])?")
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CLIENT = re.compile(r"sha256:[0-9A-Fa-f:]{64,95}|(?:subject|dns|uri|email):.+")
_SECRET_HEADERS = frozenset({"authorization", "proxy-authorization", "cookie", "set-cookie"})
_OPTIONS: Mapping[str, frozenset[str]] = {
    "standard": frozenset({"tolerance"}),
    "stripe": frozenset({"tolerance"}),
    "slack": frozenset({"tolerance"}),
    "bearer": frozenset({"header"}),
    "hmac": frozenset({"header", "prefix", "algorithm", "encoding", "template", "timestamp_header", "tolerance"}),
    "mtls": frozenset({"clients"}),
}
"""What the schemes take beside secrets."""


def webhook(
    name: str,
    *,
    secret: EnvVar | Sequence[EnvVar] = (),
    scheme: Scheme | str | None = None,
    insecure: bool = False,
    tolerance: str | timedelta | None = None,
    header: str | None = None,
    prefix: str | None = None,
    algorithm: Literal["sha256", "sha512", "sha1"] | None = None,
    encoding: Literal["hex", "base64", "base64url"] | None = None,
    template: str | None = None,
    timestamp_header: str | None = None,
    clients: Sequence[str] | None = None,
    delivery_id: str | None = None,
    keep_headers: Sequence[str] | None = None,
    origins: Sequence[str] | None = None,
    rate: str | None = None,
    **reaction: Unpack[Reaction],
) -> On:
    """An event for each delivery to `POST /webhooks/{name}`, answered 202 once it is on disk.

    Args:
        name: letters, digits, `.`, `_` and `-`.
        secret: the environment variable that holds the secret; several while it is rotated.
        scheme: how the sender proves itself: `standard` (Standard Webhooks, the default), `github`, `stripe`, `slack`,
            `gitlab`, `shopify`, `dbt_cloud`, `fivetran`, `bearer`, `hmac` (any other signature), `mtls` (a client
            certificate, told by a proxy), or one that a package brings.
        insecure: take deliveries from anybody; instead of a secret.
        tolerance: how far a signed time may lie in the past or in the future; `"5m"` by default.
        header: of `hmac`, the header with the signature; of `bearer`, a header that holds nothing but the token.
        prefix: of `hmac`, what stands before the signature, for example `"sha256="`.
        algorithm: of `hmac`: `sha256` (the default), `sha512` or `sha1`.
        encoding: of `hmac`: `hex` (the default), `base64` or `base64url`.
        template: of `hmac`, what is signed: `"{raw}"` (the body, the default) among `{timestamp}`, `{header:NAME}` and
            text.
        timestamp_header: of `hmac`, the header with the time in unix seconds.
        clients: of `mtls`, who may send: `"sha256:FINGERPRINT"`, `"subject:CN=…"`, `"dns:…"`, `"uri:…"`, `"email:…"`.
        delivery_id: where a delivery's id is found that its scheme does not tell: a JSONPath, `"header:NAME"`, or
            `"sha256"` where two equal bodies are one delivery and its repeat.
        keep_headers: further headers that `event.headers` has.
        origins: who may ask for permission to deliver CloudEvents; by default everybody.
        rate: how many deliveries are taken, as `"100/s"` or `"10/m"`; what is more is answered 429.
        reaction: how the listener takes the events (`partition`, `filter`, `debounce`, `batch`, `throttle`).

    Raises:
        DefinitionError: no secret and not `insecure`, or an argument that cannot be used.
    """
    given = {
        "tolerance": None if tolerance is None else parse_duration(tolerance, what="tolerance").total_seconds(),
        "header": header,
        "prefix": prefix,
        "algorithm": algorithm,
        "encoding": encoding,
        "template": template,
        "timestamp_header": timestamp_header,
        "clients": None if clients is None else _texts(name, "clients", clients),
    }
    options = {option: value for option, value in given.items() if value is not None}
    secrets = _secrets(name, secret)
    _check(name, secrets, scheme, insecure)
    _check_options(name, "nothing" if insecure else scheme or "standard", options)
    params: dict[str, Any] = {
        "endpoint": name,
        "scheme": None if insecure else scheme or "standard",
        "secrets": [{"env": each.env_var_name} for each in secrets],
        "insecure": insecure,
    }
    further = {
        "options": options or None,
        "delivery_id": None if delivery_id is None else _delivery_id(name, delivery_id),
        "keep_headers": None if keep_headers is None else _kept(name, keep_headers),
        "origins": None if origins is None else _texts(name, "origins", origins),
        "rate": None if rate is None else _rate(rate),
    }
    params |= {what: value for what, value in further.items() if value is not None}
    return listener(SourceSpec(kind="webhook", name=f"webhook:{name}", params=params), **reaction)


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
    if scheme is not None and scheme not in get_args(Scheme) and not entry_points(group=_GROUP, name=scheme):
        raise DefinitionError(f"webhook({name!r}): scheme={scheme!r} is unknown; choose {', '.join(get_args(Scheme))}")
    if insecure and (secrets or scheme):
        raise DefinitionError(f"webhook({name!r}): insecure=True checks nothing; leave out secret and scheme")
    if scheme == "mtls" and secrets:
        raise DefinitionError(f"webhook({name!r}): scheme='mtls' knows its senders by clients=; leave out secret")
    if not secrets and not insecure and scheme != "mtls":
        raise DefinitionError(
            f"webhook({name!r}) has no secret, so anybody could send to it. Write "
            f'secret=EnvVar("{_variable(name)}"), or insecure=True if that is meant'
        )


def _check_options(name: str, scheme: str, options: Mapping[str, Any]) -> None:
    """Refuse what the service could not make a scheme of: here the error has a file and a line."""
    unfit = sorted(options.keys() - _OPTIONS.get(scheme, frozenset()))
    if unfit:
        takers = sorted(each for each, taken in _OPTIONS.items() if unfit[0] in taken)
        raise DefinitionError(
            f"webhook({name!r}): scheme {scheme!r} takes no {', '.join(unfit)}; "
            f"{unfit[0]}= is for {', '.join(map(repr, takers))}"
        )
    for option in ("header", "timestamp_header"):
        if option in options and not _HEADER.fullmatch(options[option]):
            raise DefinitionError(f"webhook({name!r}): {option}={options[option]!r} is no name of a header")
    if scheme == "hmac":
        _check_hmac(name, options)
    if scheme == "mtls":
        wrong = [each for each in options.get("clients", ()) if not _CLIENT.fullmatch(each)]
        if wrong or not options.get("clients"):
            raise DefinitionError(
                f"webhook({name!r}): clients={wrong or []!r} names nobody; write for example "
                'clients=["subject:CN=shop,O=Acme"], or "sha256:…", "dns:…", "uri:…", "email:…"'
            )


def _check_hmac(name: str, options: Mapping[str, Any]) -> None:
    if "header" not in options:
        raise DefinitionError(f"webhook({name!r}): scheme='hmac' wants the header of the signature, header=\"X-…\"")
    choices = {"algorithm": ("sha256", "sha512", "sha1"), "encoding": ("hex", "base64", "base64url")}
    for option, allowed in choices.items():
        if options.get(option, allowed[0]) not in allowed:
            raise DefinitionError(f"webhook({name!r}): {option}={options[option]!r}; choose {', '.join(allowed)}")
    template = options.get("template", "{raw}")
    try:
        read_template(template, options.get("timestamp_header"))
    except ValueError as error:
        raise DefinitionError(f"webhook({name!r}): template={template!r} will not do: {error}") from None


def _delivery_id(name: str, option: str) -> str:
    if option == "sha256" or (option.startswith("header:") and _HEADER.fullmatch(option.removeprefix("header:"))):
        return option
    where, write = f"webhook({name!r}): delivery_id", '"$.id", "header:X-Request-Id" or "sha256"'
    if not option.startswith("$"):
        raise DefinitionError(f"{where}={option!r} is no JSONPath (it does not begin with $); write {write}")
    return readable_path(option, option=where, write=write)


def _kept(name: str, headers: Sequence[str]) -> list[str]:
    given = _texts(name, "keep_headers", headers)
    for header in given:
        if not _HEADER.fullmatch(header):
            raise DefinitionError(f"webhook({name!r}): keep_headers: {header!r} is no name of a header")
        if header.lower() in _SECRET_HEADERS:
            raise DefinitionError(f"webhook({name!r}): keep_headers: {header!r} holds a secret, which is never kept")
    return given


def _texts(name: str, option: str, values: Iterable[object]) -> list[str]:
    given = [] if isinstance(values, str) else list(values)
    if not given or not all(isinstance(each, str) for each in given):
        raise DefinitionError(f"webhook({name!r}): {option}= takes a list of texts, and not an empty one")
    return [str(each) for each in given]


def _rate(text: str) -> dict[str, float]:
    rate = parse_rate(text, what="rate")
    return {"count": rate.count, "seconds": rate.seconds}


def _variable(name: str) -> str:
    return re.sub(r"\W", "_", name, flags=re.ASCII).upper() + "_SECRET"
