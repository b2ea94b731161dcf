"""How far a multi-asset sensor has come: for each asset the last materialisation that it used, and what it left out.

Of an asset with partitions the sensor may use a later materialisation before an earlier one of another partition; the
earlier ones that it left out are remembered (`trailing`), the latest of each partition. As text a cursor is JSON, in
Dagster's form: `{"AssetKey(['a'])": [partition, id, {partition: id}]}`.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from upwell.definitions.errors import DagsterInvariantViolationError
from upwell.definitions.keys import AssetKey

MOST_TRAILING = 25
"""Partitions of one asset that may be left out at a time (as in Dagster)."""


@dataclass(frozen=True, kw_only=True)
class AssetCursor:
    """How far the sensor has come with one asset; ids are those of events in the journal."""

    partition: str | None = None
    id: int | None = None
    trailing: Mapping[str, int] = field(default_factory=dict)

    def has_passed(self, event_id: int) -> bool:
        """Whether a materialisation is of no more interest."""
        return event_id <= (self.id or 0) and event_id not in self.trailing.values()

    def advanced(
        self, used: Mapping[int, str | None], known: Iterable[tuple[int, str | None]], *, past_all: bool = False
    ) -> AssetCursor:
        """The cursor after some materialisations were used (by id: their partitions).

        `known` are those that it had not passed, oldest first; `past_all` leaves nothing out.

        Raises:
            DagsterInvariantViolationError: too many partitions would be left out.
        """
        if not used:
            return self
        newest = max(used)
        further = newest > (self.id or 0)
        trailing = {} if past_all else dict(self.trailing)
        if not past_all and further:
            for event_id, partition in known:
                if partition is None or event_id >= newest:
                    continue
                if event_id in used:
                    trailing.pop(partition, None)
                else:
                    trailing[partition] = event_id
        newest_partition = used[newest]
        trailing = {key: left for key, left in trailing.items() if left not in used and key != newest_partition}
        if len(trailing) >= MOST_TRAILING:
            raise DagsterInvariantViolationError(
                f"{len(trailing)} partitions would be left behind the cursor, more than can be remembered; use them by "
                "context.advance_cursor, or leave them by context.advance_all_cursors"
            )
        if not further:
            return AssetCursor(partition=self.partition, id=self.id, trailing=trailing)
        return AssetCursor(partition=newest_partition, id=newest, trailing=trailing)


def parse_cursor(text: str | None) -> dict[AssetKey, AssetCursor]:
    """By asset: how far the sensor has come; nothing where the text is of another form."""
    try:
        entries = json.loads(text) if text else {}
    except json.JSONDecodeError:
        return {}
    if not isinstance(entries, dict):
        return {}
    found = {}
    for name, entry in entries.items():
        if isinstance(entry, list) and len(entry) == 3:
            found[_key_of(name)] = AssetCursor(partition=entry[0], id=entry[1], trailing=entry[2])
    return found


def write_cursor(cursors: Mapping[AssetKey, AssetCursor]) -> str:
    """The text that `parse_cursor` reads."""
    return json.dumps({str(key): [one.partition, one.id, dict(one.trailing)] for key, one in cursors.items()})


def _key_of(name: str) -> AssetKey:
    inner = name.removeprefix("AssetKey(").removesuffix(")")
    return AssetKey(ast.literal_eval(inner)) if inner != name else AssetKey.from_user_string(name)
