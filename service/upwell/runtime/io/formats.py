"""How values become files: frames as Parquet, what JSON can hold as JSON, bytes as they are. Nothing is pickled."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeAlias

Encoded: TypeAlias = tuple[str, bytes]
"""A file name extension and the content."""

EXTENSIONS = ("parquet", "json", "bin")


class ValueNotStorable(TypeError):
    """A value of a type that is not stored; the message says what to do instead."""


def encode_value(value: Any) -> Encoded:
    """The value as a file.

    Raises:
        ValueNotStorable: its type has no file format here.
    """
    if isinstance(value, bytes | bytearray | memoryview):
        return "bin", bytes(value)
    if (table := arrow_of(value)) is not None:
        return "parquet", _to_parquet(table)
    problem = _problem(value, "the value")
    if problem:
        raise ValueNotStorable(problem)
    return "json", json.dumps(value, ensure_ascii=False, default=_number_of).encode()


class FileFormat(Protocol):
    """How values become files, and files values; `extensions` are those of its files. (`Any`: of the user's types.)"""

    extensions: tuple[str, ...]

    def encode(self, value: Any) -> Encoded:
        """The value as a file.

        Raises:
            ValueNotStorable: its type has no file format here.
        """

    def decode(self, extension: str, content: bytes, annotation: object) -> Any:
        """What `encode` wrote, of the type that `annotation` names where that matters."""


class NaturalFormat:
    """Each type in its own: frames as Parquet, what JSON can hold as JSON, bytes as they are."""

    extensions: tuple[str, ...] = EXTENSIONS

    def encode(self, value: Any) -> Encoded:
        return encode_value(value)

    def decode(self, extension: str, content: bytes, annotation: object) -> Any:
        return decode_value(extension, content, annotation)


def decode_value(extension: str, content: bytes, annotation: object) -> Any:
    """What `encode_value` wrote; a data frame of the kind that `annotation` names, else pandas."""
    match extension:
        case "bin":
            return content
        case "json":
            return json.loads(content)
        case "parquet":
            return _from_parquet(content, annotation)
        case _:
            raise ValueError(f"a file .{extension} was not written by this IO manager")


def arrow_of(value: Any) -> Any:
    """A data frame as an Arrow table; none when it is not one. Looks at what is imported: a frame's library is."""
    kind = type(value)
    if (arrow := sys.modules.get("pyarrow")) is not None and isinstance(value, arrow.Table):
        return value
    if kind.__name__ != "DataFrame":
        return None
    if kind.__module__.startswith("polars."):
        return value.to_arrow()
    if (pandas := sys.modules.get("pandas")) is not None and isinstance(value, pandas.DataFrame):
        import pyarrow

        return pyarrow.Table.from_pandas(value)
    return None


def _to_parquet(table: Any) -> bytes:
    import pyarrow
    import pyarrow.parquet

    sink = pyarrow.BufferOutputStream()
    pyarrow.parquet.write_table(table, sink)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def _from_parquet(content: bytes, annotation: object) -> Any:
    import pyarrow
    import pyarrow.parquet

    # Not read_table: that loads the whole dataset machinery, for a single file in memory.
    table = pyarrow.parquet.ParquetFile(pyarrow.BufferReader(content)).read()
    return frame_of(table, annotation)


def frame_of(table: Any, annotation: object) -> Any:
    """An Arrow table as the kind of data frame that `annotation` names, else pandas. (`Any`: neither has types.)"""
    package = str(getattr(annotation, "__module__", "")).partition(".")[0]
    if package == "pyarrow":
        return table
    if package == "polars":
        import polars

        return polars.from_arrow(table)
    return table.to_pandas()


def _problem(value: object, where: str) -> str | None:
    """Why JSON would not give the value back as it is."""
    match value:
        case None | bool() | int() | str():
            return None
        case float():
            return None if math.isfinite(value) else f"{where} is {value}, which JSON does not have; use None"
        case dict():
            return _first(_problem_of_entry(key, entry, where) for key, entry in value.items())
        case list():
            return _first(_problem(entry, f"{where}[{index}]") for index, entry in enumerate(value))
        case _ if _is_numpy_scalar(value):
            return None
        case _:
            return f"{where} is {_described(value)}. {_mend(value)}"


def _problem_of_entry(key: object, value: object, where: str) -> str | None:
    if not isinstance(key, str):
        return f"{where} has the key {key!r}, and keys of JSON are text; use str(key)"
    return _problem(value, f"{where}[{key!r}]")


def _first(problems: Any) -> str | None:
    return next((problem for problem in problems if problem), None)


def _described(value: object) -> str:
    return f"a {type(value).__module__}.{type(value).__qualname__}".replace("a builtins.", "a ")


def _mend(value: object) -> str:
    mends: Mapping[str, str] = {
        "Series": "Return a DataFrame: value.to_frame()",
        "LazyFrame": "Return a DataFrame: value.collect()",
        "tuple": "Return a list: list(value)",
        "set": "Return a list: sorted(value)",
    }
    otherwise = (
        "Data frames, bytes and what JSON can hold are stored; for other types give the asset an IO manager of its own "
        "(io_manager_key=…), or store it yourself and return MaterializeResult()"
    )
    return mends.get(type(value).__name__, otherwise)


def _is_numpy_scalar(value: object) -> bool:
    return type(value).__module__ == "numpy" and hasattr(value, "item") and getattr(value, "ndim", 1) == 0


def _number_of(value: Any) -> Any:
    convert: Callable[[], Any] = value.item
    return convert()
