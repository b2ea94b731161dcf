"""Values as CSV or JSON, for tools that read nothing else."""

from __future__ import annotations

import os
from typing import Any

from upwell.runtime.io.filesystem import FilesystemIOManager
from upwell.runtime.io.formats import Encoded, ValueNotStorable, arrow_of, decode_value, encode_value, frame_of


class CsvFormat:
    """Data frames as CSV with a header; types of columns are found anew when it is read."""

    extensions: tuple[str, ...] = ("csv",)

    def encode(self, value: Any) -> Encoded:
        table = arrow_of(value)
        if table is None:
            raise ValueNotStorable(f"a {type(value).__qualname__} is no data frame, and only those are stored as CSV")
        import pyarrow
        import pyarrow.csv

        sink = pyarrow.BufferOutputStream()
        pyarrow.csv.write_csv(_without_index(table), sink)
        content: bytes = sink.getvalue().to_pybytes()
        return "csv", content

    def decode(self, extension: str, content: bytes, annotation: object) -> Any:
        import pyarrow
        import pyarrow.csv

        return frame_of(pyarrow.csv.read_csv(pyarrow.BufferReader(content)), annotation)


class JsonFormat:
    """What JSON can hold, and data frames as a list of objects."""

    extensions: tuple[str, ...] = ("json",)

    def encode(self, value: Any) -> Encoded:
        table = arrow_of(value)
        return encode_value(value if table is None else _without_index(table).to_pylist())

    def decode(self, extension: str, content: bytes, annotation: object) -> Any:
        value = decode_value(extension, content, annotation)
        package = str(getattr(annotation, "__module__", "")).partition(".")[0]
        if package not in ("pandas", "polars", "pyarrow"):
            return value
        import pyarrow

        return frame_of(pyarrow.Table.from_pylist(value), annotation)


class CsvIOManager(FilesystemIOManager):
    """Keeps data frames as CSV files; as `FilesystemIOManager` else."""

    def __init__(self, base_dir: str | os.PathLike[str] = ".") -> None:
        super().__init__(base_dir, CsvFormat())


class JsonIOManager(FilesystemIOManager):
    """Keeps values as JSON files; as `FilesystemIOManager` else."""

    def __init__(self, base_dir: str | os.PathLike[str] = ".") -> None:
        super().__init__(base_dir, JsonFormat())


def _without_index(table: Any) -> Any:
    """Without the columns that pandas keeps its index in, when that only counts."""
    return table.drop_columns([name for name in table.column_names if name.startswith("__index_level_")])
