"""Object stores as an event source: listed now and then, an event for each object that is new or replaced."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Literal, TypeAlias, Unpack, get_args

from upwell.definitions.reactions import On, SourceSpec
from upwell.errors import DefinitionError
from upwell.sources.reaction import Reaction, listener
from upwell_sensors.parameters import duration, one_of, plain_without_secrets, poll_interval
from upwell_sensors.patterns import FilePattern

Initial: TypeAlias = Literal["all", "latest"]

_URL = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<rest>.+)", re.ASCII)
_WITHOUT_BUCKETS = ("file", "local", "memory")


def objects(
    url: str,
    *,
    interval: str | timedelta = "30s",
    deleted: bool = False,
    initial: Initial = "all",
    storage_options: Mapping[str, object] | None = None,
    timeout: str | timedelta = "5m",
    name: str | None = None,
    **reaction: Unpack[Reaction],
) -> On:
    """An event for each object that is new or was replaced by another content; `event.path` is its URL.

    An object is known by its ETag (or other hash of its content) where the store lists one, else by its size and time.
    Each look lists the folders that the pattern enters.

    Args:
        url: the scheme of a file system of fsspec and a pattern as of `files`, `"s3://bucket/orders/{date}.csv"`; the
            bucket has no wildcard.
        interval: from one look to the next; each source has a phase of its own in it, and a little jitter.
        deleted: whether an object that is gone is an event, too.
        initial: whether at the very first start the objects that are there are told (`all`), or only what comes from
            then on (`latest`).
        storage_options: for the file system, secret ones as `EnvVar`.
        timeout: for one look.
        name: of the source; else it is called after the URL.
        reaction: `partition`, `filter`, `debounce`, `batch` and `throttle`, as every source takes them.

    Raises:
        DefinitionError: an argument cannot be used.
    """
    what = f"objects({url!r})"
    scheme, pattern = _parsed(url, what)
    params: dict[str, Any] = {
        "scheme": scheme,
        "root": pattern.root,
        "pattern": "/".join(pattern.segments),
        "interval": poll_interval(what, interval),
        "deleted": deleted,
        "initial": one_of(what, "initial", initial, get_args(Initial)),
        "storage_options": plain_without_secrets(what, storage_options or {}),
        "timeout": duration(what, "timeout", timeout),
    }
    return listener(SourceSpec(kind="objects", name=name or f"objects:{url}", params=params), **reaction)


def _parsed(url: str, what: str) -> tuple[str, FilePattern]:
    found = _URL.fullmatch(url)
    if found is None:
        raise DefinitionError(f"{what}: write a URL with a pattern, for example 's3://bucket/orders/*.csv'")
    try:
        pattern = FilePattern.parse(found["rest"], base="/")
    except DefinitionError as error:
        raise DefinitionError(str(error).replace(f"files({found['rest']!r})", what)) from None
    if pattern.root == "/" and found["scheme"] not in _WITHOUT_BUCKETS:
        raise DefinitionError(f"{what}: name the bucket without a wildcard, and objects in it")
    return found["scheme"], pattern
