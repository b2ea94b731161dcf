"""The default IO manager: one file for each asset or partition, in a format that other tools read too."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from upwell.definitions.metadata import MetadataValue
from upwell.definitions.resources import IOManager
from upwell.runtime.io.contexts import InputContext, OutputContext
from upwell.runtime.io.formats import FileFormat, NaturalFormat, ValueNotStorable
from upwell.runtime.io.storage import open_storage

_LONGEST_NAME = 180  # file systems allow 255 bytes

_WITHOUT_PARTITIONS = "value"


class ValueNotFound(FileNotFoundError):
    """The asset (or the partition) that is to be read has never been stored."""


class FilesystemIOManager(IOManager):
    """Keeps values below `base_dir`, a local folder or a URL, at `<asset key>/<partition or "value">.<extension>`.

    pandas, polars and pyarrow frames are stored as Parquet, JSON-like values as JSON and bytes as they are. Nothing is
    pickled.
    """

    def __init__(self, base_dir: str | os.PathLike[str] = ".", format: FileFormat | None = None) -> None:
        self._storage = open_storage(base_dir)
        self._format = format or NaturalFormat()

    def handle_output(self, context: OutputContext, obj: Any) -> None:
        """Store the value, in place of what was there."""
        asset = context.asset_key.to_user_string()
        try:
            extension, content = self._format.encode(obj)
        except ValueNotStorable as error:
            raise ValueNotStorable(f"asset {asset!r} returned something that cannot be stored: {error}") from None
        stem = _stem(context.asset_key.path, context.asset_partition_key if context.has_asset_partitions else None)
        self._storage.write(f"{stem}.{extension}", content)
        for other in self._format.extensions:
            if other != extension:
                self._storage.delete(f"{stem}.{other}")  # of a time when the asset had another type
        context.add_output_metadata({"path": MetadataValue.path(self._storage.address(f"{stem}.{extension}"))})

    def load_input(self, context: InputContext) -> Any:
        """The stored value; several partitions as a dict by key, exactly one as the value itself."""
        if not context.has_asset_partitions:
            return self._load(context, None)
        keys = context.asset_partition_keys
        if len(keys) == 1:
            return self._load(context, keys[0])
        return dict(self._load_each(context, keys))

    def _load_each(self, context: InputContext, keys: Iterable[str]) -> Iterable[tuple[str, Any]]:
        may_be_missing = bool(context.definition_metadata.get("allow_missing_partitions"))
        for key in keys:
            try:
                yield key, self._load(context, key)
            except ValueNotFound:
                if not may_be_missing:
                    raise

    def _load(self, context: InputContext, partition: str | None) -> Any:
        stem = _stem(context.asset_key.path, partition)
        for extension in self._format.extensions:
            try:
                content = self._storage.read(f"{stem}.{extension}")
            except FileNotFoundError:
                continue
            return self._format.decode(extension, content, context.annotation)
        asset = context.asset_key.to_user_string()
        which = f"partition {partition!r} of asset {asset!r}" if partition is not None else f"asset {asset!r}"
        raise ValueNotFound(
            f"{which} has no stored value at {self._storage.address(stem)}; materialise it first. "
            "(An asset that returns nothing has none: use deps=[…] instead of an argument)"
        )


def _stem(key: Iterable[str], partition: str | None) -> str:
    """A relative path for the asset and partition, without anything that a path could be misled by."""
    name = _WITHOUT_PARTITIONS if partition is None else partition
    return "/".join(_safe(part) for part in (*key, name))


def _safe(part: str) -> str:
    """`part` as one file name: distinct for distinct parts, and neither hidden, special nor too long."""
    name = quote(part, safe=" ,+=@:()[]") or "%"
    if name.startswith("."):
        name = "%2E" + name[1:]
    if len(name) > _LONGEST_NAME:
        name = f"{name[:_LONGEST_NAME]}%{hashlib.sha256(part.encode()).hexdigest()[:16]}"
    return name
