"""The instant up to which data are complete, as users say it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from upwell.definitions.errors import DagsterInvariantViolationError
from upwell.definitions.metadata import DATA_TIME_NAMES, MetadataValue, TimestampMetadataValue


def checked_data_time(value: object, what: str) -> datetime | None:
    """An instant up to which data are complete, in UTC.

    Raises:
        DagsterInvariantViolationError: it is no datetime, or has no time zone.
    """
    if value is None:
        return None
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise DagsterInvariantViolationError(
            f"data_time of {what} is {value!r}; it is a datetime with a time zone, for example datetime.now(UTC)"
        )
    return datetime.fromtimestamp(value.timestamp(), UTC)


def data_time_in(metadata: Mapping[str, object] | None, what: str) -> datetime | None:
    """What metadata say, raw or as JSON: a datetime, a timestamp, or an instant as ISO 8601 text.

    Raises:
        DagsterInvariantViolationError: an entry of that name is no instant.
    """
    for name in DATA_TIME_NAMES:
        if metadata is not None and name in metadata:
            return checked_data_time(_instant(metadata[name]), f"{what}, among its metadata,")
    return None


def _instant(value: object) -> object:
    match value:
        case TimestampMetadataValue(seconds=seconds) | {"type": "timestamp", "value": float(seconds)}:
            return datetime.fromtimestamp(seconds, UTC)
        case MetadataValue():
            return _instant(value.value)
        case {"type": str(), "value": plain}:
            return _instant(plain)
        case str():
            try:
                return datetime.fromisoformat(value)
            except ValueError:
                return value
        case _:
            return value
