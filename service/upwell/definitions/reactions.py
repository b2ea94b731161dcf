"""What an asset listens to: `@asset(on=[…])` holds `On` values, plain data that travels in the snapshot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from upwell.events import Json


@dataclass(frozen=True, kw_only=True)
class SourceSpec:
    """An event source as a user declared it.

    `kind` is the entry point in the group `upwell.sources` that makes it run (`webhook` has none: the web server feeds
    it); `name` identifies it in the journal, in logs and for its durable cursor, so two declarations of the same thing
    share one source. `params` are the plain arguments for its factory.
    """

    kind: str
    name: str
    params: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class On:
    """One listener: a source, and how its events become partitions.

    `partition` is a JSONPath into the event's data; without it the source's captures (`{date}` in a file
    pattern) name the partition.
    """

    source: SourceSpec
    partition: str | None = None
