"""Values of a database as JSON: plainly for events, and so that they can be read back for the cursor."""

from __future__ import annotations

import base64
import json
import math
import uuid
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any

from upwell.events import Json

_READ: dict[str, Callable[[str], Any]] = {
    "datetime": datetime.fromisoformat,
    "date": date.fromisoformat,
    "time": time.fromisoformat,
    "decimal": Decimal,
    "uuid": uuid.UUID,
    "bytes": lambda text: base64.b64decode(text),
}


def plain(value: object) -> Json:
    """A value as an event has it: times in ISO 8601, decimals and what else JSON lacks as text, bytes in base64."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else str(value)
        case datetime() | date() | time():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case bytes() | bytearray() | memoryview():
            return base64.b64encode(value).decode()
        case Enum():
            return plain(value.value)
        case Mapping():
            return {str(name): plain(each) for name, each in value.items()}
        case list() | tuple() | set() | frozenset():
            return [plain(each) for each in value]
        case _:
            return str(value)


def kept(value: object) -> Json:
    """A value as the cursor keeps it, for `restored`.

    Raises:
        ValueError: it is of a type that cannot be kept.
    """
    match value:
        case int() | str() | float():
            return value
        case datetime():
            return {"datetime": value.isoformat()}
        case date():
            return {"date": value.isoformat()}
        case time():
            return {"time": value.isoformat()}
        case Decimal():
            return {"decimal": str(value)}
        case uuid.UUID():
            # A driver may have a class of its own for these.
            return {"uuid": str(value)}
        case bytes():
            return {"bytes": base64.b64encode(value).decode()}
        case _:
            raise ValueError(f"a {type(value).__name__} cannot be kept in a cursor")


def restored(value: Json) -> Any:
    """What `kept` was given."""
    if isinstance(value, Mapping):
        [(kind, text)] = value.items()
        return _READ[kind](text)
    return value


def name_of(values: tuple[object, ...]) -> str:
    """The values of a key as one text, the same for the same values."""
    return json.dumps([kept(value) for value in values], separators=(",", ":"))
