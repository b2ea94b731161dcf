"""What a user's function returns or yields beside plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeVar

from upwell.definitions.checks import AssetCheckResult
from upwell.definitions.data_times import checked_data_time
from upwell.definitions.keys import AssetKey, CoercibleToAssetKey
from upwell.definitions.metadata import MetadataValue, normalize_metadata
from upwell.definitions.partitions.definition import assign
from upwell.definitions.specs import UNSET

T_co = TypeVar("T_co", covariant=True)

DEFAULT_OUTPUT = "result"
"""The name of an `@asset`'s only output (as in Dagster)."""


@dataclass(frozen=True)
class DataVersion:
    """A user's own mark for the content of an asset: equal marks mean equal content."""

    value: str


@dataclass(frozen=True, init=False)
class Output(Generic[T_co]):
    """A value for one output of the function, with metadata for its materialisation."""

    value: T_co
    output_name: str
    metadata: Mapping[str, MetadataValue] = field(hash=False)
    data_version: DataVersion | None
    tags: Mapping[str, str] = field(hash=False)

    def __init__(
        self,
        value: T_co,
        output_name: str = DEFAULT_OUTPUT,
        metadata: Mapping[str, object] | None = None,
        data_version: DataVersion | None = None,
        *,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        assign(
            self,
            value=value,
            output_name=output_name,
            metadata=normalize_metadata(metadata),
            data_version=data_version,
            tags=dict(tags or {}),
        )


@dataclass(frozen=True, init=False)
class MaterializeResult(Generic[T_co]):
    """An asset was made: by the function itself, or (with `value`) by the IO manager that stores the value.

    `has_value` tells whether a value was given; `None` may be one. `data_time` is the instant up to which its data are
    complete; by default as far as the oldest of what it was made from.
    """

    asset_key: AssetKey | None
    metadata: Mapping[str, MetadataValue] = field(hash=False)
    check_results: tuple[AssetCheckResult, ...] = field(hash=False)
    data_version: DataVersion | None
    tags: Mapping[str, str] = field(hash=False)
    value: T_co
    data_time: datetime | None

    def __init__(
        self,
        asset_key: CoercibleToAssetKey | None = None,
        metadata: Mapping[str, object] | None = None,
        check_results: Sequence[AssetCheckResult] | None = None,
        data_version: DataVersion | None = None,
        tags: Mapping[str, str] | None = None,
        value: T_co = UNSET,
        *,
        data_time: datetime | None = None,
    ) -> None:
        assign(
            self,
            asset_key=None if asset_key is None else AssetKey.from_coercible(asset_key),
            metadata=normalize_metadata(metadata),
            check_results=tuple(check_results or ()),
            data_version=data_version,
            tags=dict(tags or {}),
            value=value,
            data_time=checked_data_time(data_time, "MaterializeResult"),
        )

    @property
    def has_value(self) -> bool:
        """Whether a value was given for the IO manager to store."""
        return self.value is not UNSET


@dataclass(frozen=True, init=False)
class ObserveResult:
    """An asset was looked at, not made. `data_time` is the instant up to which its data were complete."""

    asset_key: AssetKey | None
    metadata: Mapping[str, MetadataValue] = field(hash=False)
    check_results: tuple[AssetCheckResult, ...] = field(hash=False)
    data_version: DataVersion | None
    tags: Mapping[str, str] = field(hash=False)
    data_time: datetime | None

    def __init__(
        self,
        asset_key: CoercibleToAssetKey | None = None,
        metadata: Mapping[str, object] | None = None,
        check_results: Sequence[AssetCheckResult] | None = None,
        data_version: DataVersion | None = None,
        tags: Mapping[str, str] | None = None,
        *,
        data_time: datetime | None = None,
    ) -> None:
        assign(
            self,
            asset_key=None if asset_key is None else AssetKey.from_coercible(asset_key),
            metadata=normalize_metadata(metadata),
            check_results=tuple(check_results or ()),
            data_version=data_version,
            tags=dict(tags or {}),
            data_time=checked_data_time(data_time, "ObserveResult"),
        )


@dataclass(frozen=True, init=False)
class _AssetRecord:
    asset_key: AssetKey
    description: str | None
    metadata: Mapping[str, MetadataValue] = field(hash=False)
    partition: str | None
    tags: Mapping[str, str] = field(hash=False)

    def __init__(
        self,
        asset_key: CoercibleToAssetKey,
        description: str | None = None,
        metadata: Mapping[str, Any] | None = None,  # any raw metadata value
        partition: str | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        # Unlike elsewhere a slash in text separates components here (as in Dagster).
        key = AssetKey.from_user_string(asset_key) if isinstance(asset_key, str) else AssetKey.from_coercible(asset_key)
        assign(
            self,
            asset_key=key,
            description=description,
            metadata=normalize_metadata(metadata),
            partition=partition,
            tags=dict(tags or {}),
        )


class AssetMaterialization(_AssetRecord):
    """The record that an asset (or one partition of it) was materialised."""


class AssetObservation(_AssetRecord):
    """The record that an asset (or one partition of it) was looked at."""
