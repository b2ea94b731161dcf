"""What an asset or a sensor listens to: `on=[…]` holds `On` values, plain data that travels in the snapshot."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, TypeAlias

from upwell.events import Json

FilterFunction: TypeAlias = Callable[[Any], object]
"""A user's filter: called in a worker with an event of `context.events`; a false answer lets the event pass by."""


@dataclass(frozen=True, kw_only=True)
class SourceSpec:
    """An event source as a user declared it.

    `kind` is the entry point in the group `upwell.sources` that makes it run (`webhook` has none: the web server feeds
    it); `name` identifies it in the journal, in logs and for its durable cursor, so two declarations of the same thing
    share one source. `params` are the plain arguments for its factory; `{"env": "NAME"}` among them stands for the
    value of an environment variable, which is read where the source runs and never kept.
    """

    kind: str
    name: str
    params: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Rate:
    """At most `count` in any stretch of `seconds`."""

    count: int
    seconds: float

    def __str__(self) -> str:
        return f"{self.count} in {self.seconds:g} s"


@dataclass(frozen=True, kw_only=True)
class On:
    """One listener: a source, and how its events become partitions and calls.

    Attributes:
        source: what is listened to.
        partition: a JSONPath into the event's data; without it the source's captures (`{date}` in a file pattern) name
            the partition.
        filter: a JSONPath predicate on the event; what it does not hold for passes by.
        filter_call: the key of the user's function that filters in a worker (see `CalledOn`).
        debounce: seconds of quiet to wait for; what comes meanwhile is answered together.
        batch: seconds to gather what follows a first event; all of it is answered together.
        throttle: how often the listener is answered at most; what is over the rate waits, and is answered together.
    """

    source: SourceSpec
    partition: str | None = None
    filter: str | None = None
    filter_call: str | None = None
    debounce: float | None = None
    batch: float | None = None
    throttle: Rate | None = None

    @property
    def gathers(self) -> bool:
        """Whether its events may have to wait."""
        return self.debounce is not None or self.batch is not None or self.throttle is not None


@dataclass(frozen=True, kw_only=True)
class CalledOn(On):
    """A listener with the user's own filter, as the code that declares it holds it."""

    function: FilterFunction


def plain(on: On) -> On:
    """The listener as it travels: without the function, which stays where the code is."""
    return On(**{each.name: getattr(on, each.name) for each in fields(On)}) if isinstance(on, CalledOn) else on
