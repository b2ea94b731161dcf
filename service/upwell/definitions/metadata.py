"""Metadata: values that describe assets, materialisations and check results, each of a known kind.

In the journal and the API an entry is `{"type": "md", "value": "# 12 rows"}`; `encode_metadata` writes it,
`decode_metadata` reads it.
"""

from __future__ import annotations

import json
import math
import numbers
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, TypeAlias, TypeVar

from upwell.definitions.errors import DagsterInvalidMetadata
from upwell.definitions.keys import AssetKey
from upwell.events import Json

T = TypeVar("T")

# Inside MetadataValue these names are methods.
_Int: TypeAlias = int
_Float: TypeAlias = float
_Bool: TypeAlias = bool


class MetadataValue:
    """The base of all metadata values, and the place to make them: `MetadataValue.md("# 12 rows")`."""

    type: ClassVar[str]

    @property
    def value(self) -> object:
        """The plain value."""
        raise TypeError(f"{type(self).__name__} is no metadata value; use e.g. MetadataValue.text(...)")

    @staticmethod
    def text(text: str) -> TextMetadataValue:
        """Plain text."""
        return TextMetadataValue(_of(str, text))

    @staticmethod
    def md(data: str) -> MarkdownMetadataValue:
        """Markdown, shown rendered."""
        return MarkdownMetadataValue(_of(str, data))

    @staticmethod
    def int(value: _Int) -> IntMetadataValue:
        """A whole number."""
        return IntMetadataValue(_of(int, value))

    @staticmethod
    def float(value: _Float) -> FloatMetadataValue:
        """A number."""
        return FloatMetadataValue(_of(float, value))

    @staticmethod
    def bool(value: _Bool) -> BoolMetadataValue:
        """True or false."""
        return BoolMetadataValue(_of(bool, value))

    @staticmethod
    def json(data: Json) -> JsonMetadataValue:
        """Whatever JSON can hold."""
        return JsonMetadataValue(_json(data))

    @staticmethod
    def url(url: str) -> UrlMetadataValue:
        """A link."""
        return UrlMetadataValue(_of(str, url))

    @staticmethod
    def path(path: str | os.PathLike[str]) -> PathMetadataValue:
        """Where a file or folder is."""
        return PathMetadataValue(os.fspath(path))

    @staticmethod
    def notebook(path: str | os.PathLike[str]) -> NotebookMetadataValue:
        """Where a notebook is."""
        return NotebookMetadataValue(os.fspath(path))

    @staticmethod
    def timestamp(value: _Float | datetime) -> TimestampMetadataValue:
        """An instant: an aware datetime, or seconds since 1970."""
        if isinstance(value, datetime):
            if value.tzinfo is None:
                raise DagsterInvalidMetadata("a timestamp needs a time zone, e.g. datetime.now(timezone.utc)")
            value = value.timestamp()
        return TimestampMetadataValue(float(value))

    @staticmethod
    def asset(asset_key: AssetKey) -> DagsterAssetMetadataValue:
        """A link to an asset."""
        return DagsterAssetMetadataValue(_of(AssetKey, asset_key))

    @staticmethod
    def dagster_run(run_id: str) -> DagsterRunMetadataValue:
        """A link to a run."""
        return DagsterRunMetadataValue(_of(str, run_id))

    @staticmethod
    def null() -> NullMetadataValue:
        """Nothing."""
        return NullMetadataValue()

    @staticmethod
    def table(records: Sequence[TableRecord | Mapping[str, object]]) -> TableMetadataValue:
        """A small table, one record a row."""
        rows = [dict(record.data if isinstance(record, TableRecord) else record) for record in records]
        return TableMetadataValue(tuple(TableRecord(row) for row in rows))


@dataclass(frozen=True)
class TextMetadataValue(MetadataValue):
    type: ClassVar[str] = "text"
    content: str

    @property
    def value(self) -> str:
        return self.content


@dataclass(frozen=True)
class MarkdownMetadataValue(MetadataValue):
    type: ClassVar[str] = "md"
    md_str: str

    @property
    def value(self) -> str:
        return self.md_str


@dataclass(frozen=True)
class IntMetadataValue(MetadataValue):
    type: ClassVar[str] = "int"
    number: int

    @property
    def value(self) -> int:
        return self.number


@dataclass(frozen=True)
class FloatMetadataValue(MetadataValue):
    type: ClassVar[str] = "float"
    number: float

    @property
    def value(self) -> float:
        return self.number


@dataclass(frozen=True)
class BoolMetadataValue(MetadataValue):
    type: ClassVar[str] = "bool"
    flag: bool

    @property
    def value(self) -> bool:
        return self.flag


@dataclass(frozen=True)
class JsonMetadataValue(MetadataValue):
    type: ClassVar[str] = "json"
    data: Json

    @property
    def value(self) -> Json:
        return self.data


@dataclass(frozen=True)
class UrlMetadataValue(MetadataValue):
    type: ClassVar[str] = "url"
    url_text: str

    @property
    def value(self) -> str:
        return self.url_text


@dataclass(frozen=True)
class PathMetadataValue(MetadataValue):
    type: ClassVar[str] = "path"
    fspath: str

    @property
    def value(self) -> str:
        return self.fspath


@dataclass(frozen=True)
class NotebookMetadataValue(MetadataValue):
    type: ClassVar[str] = "notebook"
    fspath: str

    @property
    def value(self) -> str:
        return self.fspath


@dataclass(frozen=True)
class TimestampMetadataValue(MetadataValue):
    """Seconds since 1970."""

    type: ClassVar[str] = "timestamp"
    seconds: float

    @property
    def value(self) -> float:
        return self.seconds


@dataclass(frozen=True)
class DagsterAssetMetadataValue(MetadataValue):
    type: ClassVar[str] = "asset"
    asset_key: AssetKey

    @property
    def value(self) -> AssetKey:
        return self.asset_key


@dataclass(frozen=True)
class DagsterRunMetadataValue(MetadataValue):
    type: ClassVar[str] = "run"
    run_id: str

    @property
    def value(self) -> str:
        return self.run_id


@dataclass(frozen=True)
class NullMetadataValue(MetadataValue):
    type: ClassVar[str] = "null"

    @property
    def value(self) -> None:
        return None


@dataclass(frozen=True)
class TableRecord:
    """A row: plain values by column."""

    data: Mapping[str, object]


@dataclass(frozen=True)
class TableMetadataValue(MetadataValue):
    type: ClassVar[str] = "table"
    records: tuple[TableRecord, ...]

    @property
    def value(self) -> tuple[TableRecord, ...]:
        return self.records


RawMetadataValue: TypeAlias = (
    MetadataValue | AssetKey | os.PathLike[str] | dict[str, object] | list[object] | bool | int | float | str | None
)
RawMetadataMapping: TypeAlias = Mapping[str, RawMetadataValue]


def normalize_metadata(metadata: Mapping[str, object] | None) -> dict[str, MetadataValue]:
    """Every entry as a `MetadataValue`, plain Python values by their type.

    Raises:
        DagsterInvalidMetadata: a value of a type that has no kind; names the entry.
    """
    return {str(name): _inferred(name, value) for name, value in (metadata or {}).items()}


def encode_metadata(metadata: Mapping[str, object] | None) -> dict[str, Json]:
    """The entries as JSON: `{"rows": {"type": "int", "value": 12}}`."""
    return {name: _encoded(value) for name, value in normalize_metadata(metadata).items()}


def encode_definition_metadata(metadata: Mapping[str, object]) -> dict[str, Json]:
    """The same for a definition, whose metadata may hold any object for an IO manager's use: it is named, not shown."""
    return {name: _encoded(_inferred_or_named(name, value)) for name, value in metadata.items()}


def decode_metadata(stored: Mapping[str, Json]) -> dict[str, MetadataValue]:
    """What `encode_metadata` wrote."""
    return {name: _decoded(entry["type"], entry.get("value")) for name, entry in stored.items()}


def _of(kind: type[T], value: object) -> T:
    if not isinstance(value, kind):
        raise DagsterInvalidMetadata(f"expected {kind.__name__}, got {value!r}, a {type(value).__name__}")
    return value


def _json(data: Json, name: str | None = None) -> Json:
    try:
        return json.loads(json.dumps(data))
    except (TypeError, ValueError) as problem:
        raise DagsterInvalidMetadata(f"metadata {name or 'value'!r} cannot be written as JSON: {problem}") from None


DATA_TIME_NAMES = ("upwell/data_time", "data_time")
"""Entries that say up to when data are complete; they may be plain datetimes."""


def _inferred(name: str, value: object) -> MetadataValue:
    if type(value).__module__ == "numpy" and hasattr(value, "item") and getattr(value, "ndim", 1) == 0:
        value = value.item()
    match value:
        case MetadataValue():
            return value
        case None:
            return NullMetadataValue()
        case bool():
            return BoolMetadataValue(value)
        case numbers.Integral():
            return IntMetadataValue(int(value))
        case numbers.Real():
            return FloatMetadataValue(float(value))
        case str():
            return TextMetadataValue(value)
        case AssetKey():
            return DagsterAssetMetadataValue(value)
        case datetime() if name in DATA_TIME_NAMES:
            return MetadataValue.timestamp(value)
        case os.PathLike():
            return PathMetadataValue(os.fspath(value))
        case dict() | list():
            return JsonMetadataValue(_json(value, name))
        case _:
            raise DagsterInvalidMetadata(
                f"metadata {name!r} is a {type(value).__name__}, which has no kind of its own; "
                "wrap it, e.g. MetadataValue.text(str(value)), .json(…) or .timestamp(…)"
            )


def _inferred_or_named(name: str, value: object) -> MetadataValue:
    try:
        return _inferred(name, value)
    except DagsterInvalidMetadata:
        return TextMetadataValue(f"({type(value).__name__} object)")


def _encoded(value: MetadataValue) -> Json:
    plain: Json = value.value
    match value:
        case DagsterAssetMetadataValue():
            plain = value.asset_key.to_user_string()
        case TableMetadataValue():
            plain = [{column: _cell(cell) for column, cell in record.data.items()} for record in value.records]
        case FloatMetadataValue() if not math.isfinite(value.number):
            plain = str(value.number)  # JSON has no infinity
    return {"type": value.type, "value": plain}


def _cell(cell: object) -> Json:
    return cell if isinstance(cell, str | int | float | bool | None) else str(cell)


def _decoded(kind: str, value: Json) -> MetadataValue:
    match kind:
        case "float":
            return FloatMetadataValue(float(value))
        case "asset":
            return DagsterAssetMetadataValue(AssetKey.from_user_string(value))
        case "table":
            return MetadataValue.table(value)
        case "null":
            return NullMetadataValue()
        case _ if kind in _PLAIN_KINDS:
            return _PLAIN_KINDS[kind](value)
        case _:
            raise DagsterInvalidMetadata(f"there is no metadata of type {kind!r}; it was written by a newer version")


_PLAIN_KINDS = {
    cls.type: cls
    for cls in (
        TextMetadataValue,
        MarkdownMetadataValue,
        IntMetadataValue,
        BoolMetadataValue,
        JsonMetadataValue,
        UrlMetadataValue,
        PathMetadataValue,
        NotebookMetadataValue,
        TimestampMetadataValue,
        DagsterRunMetadataValue,
    )
}
