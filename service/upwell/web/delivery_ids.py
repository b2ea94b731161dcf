"""What makes the repeat of a delivery recognisable, by the surest sign that there is."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from jsonpath import JSONPath
from jsonpath import compile as compile_jsonpath

from upwell.events import Json
from upwell.web.rejections import Rejected

_MAX_ID = 512
_STRUCTURED = re.compile(rb'"((?:[^"\\]|\\["\\])*)"\s*(?:;.*)?', re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class DeliveryIds:
    """Where an endpoint finds the id of a delivery that the signature scheme did not tell from the headers.

    In this order: the scheme's `field` of the body; `header`; source and id of a CloudEvent; the `Idempotency-Key`;
    `path` into the data; the hash of the body.
    """

    field: str | None = None
    header: bytes | None = None
    path: JSONPath | None = None
    hashed: bool = False

    @classmethod
    def of(cls, option: str | None, field: str | None) -> Self:
        """As the endpoint's option says: a JSONPath, `header:NAME`, or `sha256` for the hash of the body."""
        if option is None:
            return cls(field=field)
        if option == "sha256":
            return cls(field=field, hashed=True)
        if option.startswith("header:"):
            return cls(field=field, header=option.removeprefix("header:").lower().encode())
        return cls(field=field, path=compile_jsonpath(option))  # type: ignore[arg-type]  # a compound path will do, too

    def find(self, of_cloud_event: str | None, headers: Mapping[bytes, bytes], data: Json, body: bytes) -> str | None:
        """The id of a delivery, or none.

        Raises:
            Rejected: 400, it is too long to be kept.
        """
        found = None
        if self.field is not None and isinstance(data, dict):
            found = _text(data.get(self.field))
        if found is None and self.header is not None:
            found = headers.get(self.header, b"").decode("latin-1").strip() or None
        found = found or of_cloud_event or _idempotency_key(headers)
        if found is None and self.path is not None and isinstance(data, dict | list):
            match = self.path.match(data)
            found = None if match is None else _text(match.obj)
        if found is None and self.hashed:
            found = hashlib.sha256(body).hexdigest()
        return bounded(found)


def bounded(delivery_id: str | None) -> str | None:
    """The id, if it is short enough to be kept."""
    if delivery_id is not None and len(delivery_id) > _MAX_ID:
        raise Rejected(400, f"The id of the delivery is longer than {_MAX_ID} characters.")
    return delivery_id


def _text(value: Json) -> str | None:
    """An id as it may stand in JSON: a text, or a number that is whole."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    return str(value) or None


def _idempotency_key(headers: Mapping[bytes, bytes]) -> str | None:
    """The key, which the draft standard has as a quoted string and most clients do not quote."""
    value = headers.get(b"idempotency-key", b"").strip()
    if quoted := _STRUCTURED.fullmatch(value):
        value = re.sub(rb"\\(.)", rb"\1", quoted[1])
    return value.decode("latin-1") or None
