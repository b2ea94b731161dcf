"""Files as an event source: each new or changed file that matches a pattern, once it is complete."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Unpack

from upwell.definitions.reactions import On, SourceSpec
from upwell.durations import format_duration, parse_duration
from upwell.sources.reaction import Reaction, listener
from upwell_sensors.patterns import FilePattern


def files(
    pattern: str,
    *,
    settle: str | timedelta = "200ms",
    content: bool = False,
    deleted: bool = False,
    poll: str | timedelta | None = None,
    **reaction: Unpack[Reaction],
) -> On:
    """An event for each file that is new or has changed, once it is complete; `event.path` is its absolute path.

    Files that came while the service was down come at its start, marked `caught_up`; at the very first start those
    that are there already count as new. Links, pipes and devices are refused.

    Args:
        pattern: relative to the working directory of the code location, or absolute. `*`, `?` and `[abc]` stay within a
            name, `**` is any number of folders, `{date}` captures a part of a name: the partition. Hidden names and
            those of unfinished files (`x.tmp`, `x~`) match only where the pattern says so itself.
        settle: a file is complete when its size and time have not changed for so long, or when it was renamed into
            place.
        content: whether to read each changed file, so that a touch, or a rewrite with the same bytes, is no event.
        deleted: whether a file that is gone is an event, too.
        poll: look so often instead of trusting notification. Where the mount is known to give none (NFS, SMB …), or a
            trial at the start fails, that is done each 5 seconds anyway.
        reaction: `partition`, `filter`, `debounce`, `batch` and `throttle`, as every source takes them.

    Raises:
        DefinitionError: the pattern, a duration or an option cannot be read.
    """
    found = FilePattern.parse(pattern, base=os.getcwd())  # noqa: PTH109 (Path.cwd() is no shorter)
    params = {
        "root": found.root,
        "pattern": "/".join(found.segments),
        "settle": format_duration(parse_duration(settle, what="settle")),
        "content": content,
        "deleted": deleted,
        "poll": None if poll is None else format_duration(parse_duration(poll, what="poll")),
    }
    return listener(SourceSpec(kind="files", name=f"files:{pattern}", params=params), **reaction)
