"""Which items of an answer are new: by their ids, by a value that grows, or by their content. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

import jsonpath

from upwell.events import Json
from upwell_sensors.rhythm import Trouble

Mark: TypeAlias = int | float | str

MARK, AT_MARK = "mark", "at_mark"
_ITEM = "item:"
_OTHERS_KEPT = 10_000  # ids that are remembered although the answer has them no more
_LONGEST_ID = 200  # characters; of a longer one the hash is kept


class _Unusable(ValueError):
    """An item does not say what it has to say."""


@dataclass(frozen=True, kw_only=True)
class Item:
    """An item that has not been told; `id` is null where it says none."""

    data: Json
    key: str
    id: str | None
    mark: Mark | None = None


@dataclass(frozen=True, kw_only=True)
class ItemPaths:
    """Where the items are in an answer, and what they say of themselves."""

    items: str
    item_id: str | None = None
    cursor: str | None = None

    def read(self, answer: Json) -> tuple[list[Item], list[str]]:
        """The items of an answer, each once; and what is wrong with those that cannot be told apart from others."""
        found: dict[tuple[str, Mark | None], Item] = {}
        refused: list[str] = []
        for data in _find(self.items, answer):
            try:
                item = self._item(data)
                found[item.key, item.mark] = item
            except _Unusable as error:
                refused.append(str(error))
        return list(found.values()), refused

    def _item(self, data: Json) -> Item:
        mark = None if self.cursor is None else _only("cursor", self.cursor, data)
        if mark is not None and (isinstance(mark, bool) or not isinstance(mark, int | float | str)):
            raise _Unusable(f"cursor={self.cursor!r} found {mark!r:.80}, which is neither a number nor text")
        if self.item_id is None:
            return Item(data=data, key=_digest(data), id=None, mark=mark)
        given = _only("item_id", self.item_id, data)
        key = given if isinstance(given, str) else json.dumps(given, sort_keys=True)
        key = key if len(key) <= _LONGEST_ID else _digest(key)
        return Item(data=data, key=key, id=key if mark is None else f"{key}@{mark}", mark=mark)


class KnownItems:
    """What has been told, from the source's cursor; by the ids, or (`marked`) by the largest mark and who has it."""

    def __init__(self, cursor: Mapping[str, Json], *, marked: bool) -> None:
        self._marked = marked
        self._mark: Mark | None = cursor.get(MARK)
        self._at_mark = set(cursor.get(AT_MARK) or ())
        # In the order in which they were told.
        told = sorted((at, key) for key, at in cursor.items() if key.startswith(_ITEM) and at is not None)
        self._told = {key.removeprefix(_ITEM): at for at, key in told}
        self._next = 1 + max(self._told.values(), default=0)

    @property
    def mark(self) -> Mark | None:
        """The largest cursor seen."""
        return self._mark

    def new(self, items: Sequence[Item]) -> list[Item]:
        """Those that have not been told, smallest mark first, or in the order of the answer.

        Raises:
            Trouble: the marks cannot be compared.
        """
        if not self._marked:
            return [item for item in items if item.key not in self._told]
        try:
            ordered = sorted(items, key=lambda item: item.mark)  # type: ignore[arg-type, return-value]
            return [item for item in ordered if self._is_ahead(item)]
        except TypeError:
            raise Trouble("items", "the cursors of the items are numbers and text; they cannot be compared") from None

    def _is_ahead(self, item: Item) -> bool:
        if self._mark is None or item.mark is None:
            return True
        return item.mark > self._mark or (item.mark == self._mark and item.key not in self._at_mark)  # type: ignore[operator]

    def tell(self, item: Item) -> dict[str, Json]:
        """Take note that `item` is told; answers what the cursor is to remember of that."""
        if not self._marked:
            self._told[item.key] = self._next
            self._next += 1
            return {_ITEM + item.key: self._told[item.key]}
        if item.mark != self._mark:
            self._mark, self._at_mark = item.mark, set()
        self._at_mark.add(item.key)
        return {MARK: item.mark}

    def settle(self, answered: Iterable[Item]) -> dict[str, Json]:
        """What the cursor is to remember once the items of an answer are told; ids that are long gone are forgotten."""
        if self._marked:
            return {MARK: self._mark, AT_MARK: sorted(self._at_mark)}
        there = {item.key for item in answered}
        others = [key for key in self._told if key not in there]
        forgotten = others[: max(0, len(others) - _OTHERS_KEPT)]
        for key in forgotten:
            del self._told[key]
        return dict.fromkeys((_ITEM + key for key in forgotten), None)


def _only(argument: str, path: str, item: Json) -> Json:
    found = _find(path, item)
    if len(found) != 1 or found[0] is None:
        raise _Unusable(f"{argument}={path!r} found {len(found)} values in an item where one is needed")
    return found[0]


def _find(path: str, data: Json) -> list[Json]:
    # The library would take a text for JSON that is yet to be parsed.
    return [] if isinstance(data, str) else _compiled(path).findall(data)


@lru_cache(maxsize=256)
def _compiled(path: str) -> jsonpath.JSONPath | jsonpath.CompoundJSONPath:
    return jsonpath.compile(path)


def _digest(data: Json) -> str:
    return hashlib.sha256(json.dumps(data, sort_keys=True, ensure_ascii=True).encode()).hexdigest()[:32]
