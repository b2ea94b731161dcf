"""HTTP addresses as an event source: asked now and then, an event when what they answer is new."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Literal, TypeAlias, Unpack, get_args
from urllib.parse import urlsplit

from upwell.definitions.environment import EnvVar
from upwell.definitions.reactions import On, SourceSpec
from upwell.errors import DefinitionError
from upwell.events import Json
from upwell.sources.reaction import Reaction, listener
from upwell_sensors.parameters import address, duration, jsonpath, one_of, plain, plain_without_secrets, poll_interval

Method: TypeAlias = Literal["GET", "POST"]
Initial: TypeAlias = Literal["all", "latest"]


def http_poll(
    url: str | EnvVar,
    *,
    interval: str | timedelta = "30s",
    items: str | None = None,
    item_id: str | None = None,
    cursor: str | None = None,
    cursor_param: str | None = None,
    initial: Initial = "all",
    method: Method = "GET",
    headers: Mapping[str, str | EnvVar] | None = None,
    bearer: EnvVar | None = None,
    body: Json = None,
    timeout: str | timedelta = "30s",
    max_bytes: int | None = None,
    name: str | None = None,
    **reaction: Unpack[Reaction],
) -> On:
    """An event when the answer of an HTTP address has changed or, with `items`, for each new item in it.

    The ETag and the Last-Modified of an answer are sent with the next question, so an unchanged one costs the other
    side little; where it sends neither, the content is compared. Redirects are not followed, pages not turned.

    Args:
        url: `http` or `https`.
        interval: from one question to the next; each source has a phase of its own in it, and a little jitter.
        items: a JSONPath to the items in the answer, for example `"$.results[*]"`.
        item_id: a JSONPath to what identifies an item in it; without it the item's whole content does.
        cursor: a JSONPath to a number or text in an item that grows: what is not larger than the largest one seen is
            old. An item that comes again with a larger one is told again.
        cursor_param: the query parameter in which the largest one seen is sent, so that only newer ones are answered.
        initial: whether at the very first start what is there is told (`all`), or only what comes from then on
            (`latest`).
        method: `GET`, or `POST` with `body` as JSON.
        headers: sent along; secret ones as `EnvVar`.
        bearer: the variable with a token, for `Authorization: Bearer …`.
        timeout: for a whole answer.
        max_bytes: the longest answer taken, after decompression: 1 MiB, or 10 MiB with `items`.
        name: of the source; else it is called after the URL.
        reaction: `partition`, `filter`, `debounce`, `batch` and `throttle`, as every source takes them.

    Raises:
        DefinitionError: an argument cannot be used.
    """
    where, called = address("http_poll", url, "https://example.org/orders")
    what = f"http_poll({called!r})"
    _check(what, url, items, item_id, cursor, cursor_param)
    if max_bytes is not None and max_bytes < 1:
        raise DefinitionError(f"{what}: max_bytes={max_bytes!r} must be larger than 0")
    params: dict[str, Any] = {
        "url": where,
        "interval": poll_interval(what, interval),
        "items": jsonpath(what, "items", items),
        "item_id": jsonpath(what, "item_id", item_id),
        "cursor": jsonpath(what, "cursor", cursor),
        "cursor_param": cursor_param,
        "initial": one_of(what, "initial", initial, get_args(Initial)),
        "method": one_of(what, "method", method, get_args(Method)),
        "headers": plain_without_secrets(what, headers or {}),
        "bearer": _bearer(what, bearer),
        "body": plain(body),
        "timeout": duration(what, "timeout", timeout),
        "max_bytes": max_bytes,
    }
    given = {argument: value for argument, value in params.items() if value is not None and value != {}}
    return listener(SourceSpec(kind="http_poll", name=name or f"http_poll:{called}", params=given), **reaction)


def _check(
    what: str, url: str, items: str | None, item_id: str | None, cursor: str | None, cursor_param: str | None
) -> None:
    if not isinstance(url, EnvVar) and urlsplit(url).scheme not in ("http", "https"):
        raise DefinitionError(f"{what}: only http and https addresses can be asked")
    if items is None and (item_id is not None or cursor is not None):
        raise DefinitionError(f"{what}: item_id and cursor are about items; write items='$[*]' too")
    if cursor_param is not None and cursor is None:
        raise DefinitionError(f"{what}: cursor_param sends the largest cursor; write cursor='$.updated_at' too")


def _bearer(what: str, bearer: object) -> Json:
    if bearer is not None and not isinstance(bearer, EnvVar):
        raise DefinitionError(f'{what}: a token does not belong into code; write bearer=EnvVar("API_TOKEN")')
    return plain(bearer)
