"""From a declared source to a listener: the options that every source takes alike."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeAlias, TypedDict, Unpack

from jsonpath import JSONPathError
from jsonpath import compile as compile_jsonpath

from upwell.definitions.reactions import CalledOn, On, Rate, SourceSpec
from upwell.durations import parse_duration
from upwell.errors import DefinitionError
from upwell.sources.filter_keys import key_of, takes_the_event
from upwell.sources.paths import readable_path, reason

Filter: TypeAlias = str | Callable[[Any], object]

_WHOLE_QUERY = re.compile(r"\$\[\?(.*)\]", re.DOTALL)
_RATE = re.compile(r"\s*(\d+)\s*/\s*(\d*)\s*(ms|s|m|h|d)\s*", re.ASCII)


class Reaction(TypedDict, total=False):
    """How a listener takes the events of its source.

    Keys:
        partition: a JSONPath into the event's data that names the partition, for example `"$.order.date"`.
        filter: what an event must be to count: a JSONPath predicate on its data, `"$.order.total > 100"` or
            `"?@.type == 'created'"`, or a function that is called in a worker with the event.
        debounce: answer once there has been quiet for so long.
        batch: gather for so long after a first event, then answer all of them together.
        throttle: answer at most so often, as `"10/m"` or `"1/30s"`; what is over the rate waits, and is answered
            together.
    """

    partition: str | None
    filter: Filter | None
    debounce: str | timedelta | None
    batch: str | timedelta | None
    throttle: str | None


def listener(source: SourceSpec, **reaction: Unpack[Reaction]) -> On:
    """A listener to `source` that takes its events as `reaction` says.

    Raises:
        DefinitionError: an option cannot be read.
    """
    given = reaction.get("filter")
    options: dict[str, Any] = {
        "source": source,
        "partition": _jsonpath(reaction.get("partition")),
        "debounce": _seconds("debounce", reaction.get("debounce")),
        "batch": _seconds("batch", reaction.get("batch")),
        "throttle": None if (rate := reaction.get("throttle")) is None else parse_rate(rate),
    }
    if options["debounce"] is not None and options["batch"] is not None:
        raise DefinitionError(f"{source.name}: debounce and batch are two ways to wait; choose one")
    if given is None or isinstance(given, str):
        return On(**options, filter=None if given is None else predicate(given))
    if not callable(given):
        raise DefinitionError(f"{source.name}: filter={given!r} is neither a JSONPath predicate nor a function")
    if not takes_the_event(given):
        raise DefinitionError(
            f"{source.name}: filter={given!r} has to take one argument, the event; write def big(event): …"
        )
    return CalledOn(**options, filter_call=key_of(given), function=given)


def predicate(text: str) -> str:
    """A filter as a JSONPath query on a list of the event's data: `"$.total > 100"`, `"?@.total > 100"` and
    `"$[?@.total > 100]"` say the same.

    Raises:
        DefinitionError: it cannot be read.
    """
    bare = found[1] if (found := _WHOLE_QUERY.fullmatch(text.strip())) else text.strip().removeprefix("?")
    # The event's data is wrapped in a list, whose one element the filter keeps or not: `@` is the data.
    of_the_event = re.sub(r"(?<![\w@$])[$](?=[.\[])", "@", bare)
    query = f"$[?{of_the_event}]"
    try:
        compile_jsonpath(query)
    except JSONPathError as error:
        raise DefinitionError(
            f'filter={text!r} is no JSONPath predicate ({reason(error)}); write for example "$.order.total > 100"'
        ) from None
    return query


def parse_rate(text: str, *, what: str = "throttle") -> Rate:
    """The rate that `"10/m"` (ten a minute) or `"1/30s"` says; `what` is the name of the option, for the error.

    Raises:
        DefinitionError: it cannot be read.
    """
    found = _RATE.fullmatch(text) if isinstance(text, str) else None
    if found is None or int(found[1]) == 0 or found[2] == "0":
        raise DefinitionError(f'{what}={text!r} is no rate; write "10/m" for ten a minute, or "1/30s"')
    return Rate(count=int(found[1]), seconds=parse_duration(f"{found[2] or 1}{found[3]}").total_seconds())


def _jsonpath(path: str | None) -> str | None:
    return None if path is None else readable_path(path, option="partition", write="'$.order.date'")


def _seconds(what: str, duration: str | timedelta | None) -> float | None:
    return None if duration is None else parse_duration(duration, what=what).total_seconds()
