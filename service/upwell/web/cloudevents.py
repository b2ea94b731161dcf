"""CloudEvents 1.0 over HTTP, binary, structured and batched: the event's data, and its attributes as `ce-` headers.

All modes come out the same, so that whoever reads `event.headers` need not know how it was sent.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import unquote

from upwell.events import Json
from upwell.web import payloads
from upwell.web.rejections import Rejected

_REQUIRED = ("id", "source", "type")
_ANY = "application/cloudevents"
_BATCH = f"{_ANY}-batch"
_NAME = re.compile(r"[a-z0-9]{1,100}")
_UNFIT = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


@dataclass(frozen=True, kw_only=True, slots=True)
class CloudEvent:
    """An event as CloudEvents describes it; `attributes` hold strings only."""

    attributes: Mapping[str, str]
    data: Json = None
    occurred_at: datetime | None = None

    @property
    def delivery_id(self) -> str:
        """What makes two of them duplicates: `source` (an URI reference, so without a space) and `id`."""
        return f"{self.attributes['source']} {self.attributes['id']}"


def is_one(media: str, headers: Mapping[bytes, bytes]) -> bool:
    """Whether a request calls itself a CloudEvent, or a batch of them."""
    return media.startswith(_ANY) or b"ce-specversion" in headers


def is_batch(media: str) -> bool:
    """Whether that media type is one of batches (the name of which begins like that of a single event)."""
    return media.startswith(_BATCH)


def read_batch(media: str, body: bytes, limit: int) -> list[CloudEvent]:
    """The CloudEvents of a batch, which may be empty.

    Raises:
        Rejected: 400 when one of them is malformed, 413 when there are more than `limit`, 415 for another format.
    """
    if media != f"{_BATCH}+json":
        raise Rejected(415, f"Send batches of CloudEvents as {_BATCH}+json.")
    events = payloads.parse_json(body)
    if not isinstance(events, list):
        raise Rejected(400, "The batch of CloudEvents is malformed: it is not an array.")
    if len(events) > limit:
        raise Rejected(413, f"The batch holds more than {limit} CloudEvents.")
    return [_from_json(event) for event in events]


def read(headers: Mapping[bytes, bytes], body: bytes) -> CloudEvent | None:
    """The CloudEvent in a request, or none when it is not one.

    Raises:
        Rejected: 400 when it calls itself one and is malformed, 415 for a batch or another format.
    """
    media = payloads.media_type(headers)
    if is_batch(media):
        raise Rejected(415, "Batches of CloudEvents are not taken here; send each event on its own.")
    if media.startswith(_ANY):
        return _structured(media, body)
    if b"ce-specversion" in headers:
        if b"ce-datacontenttype" in headers:
            raise _malformed("in the binary mode Content-Type is its datacontenttype")
        attributes = {
            name[3:].decode("latin-1"): _decoded(value) for name, value in headers.items() if name[:3] == b"ce-"
        }
        return _checked(attributes, payloads.parse(media, body))
    return None


def _structured(media: str, body: bytes) -> CloudEvent:
    if media != f"{_ANY}+json":
        raise Rejected(415, f"Send structured CloudEvents as {_ANY}+json.")
    return _from_json(payloads.parse_json(body))


def _from_json(event: Json) -> CloudEvent:
    """An event in the JSON format."""
    if not isinstance(event, dict):
        raise _malformed("it is not an object")
    encoded = event.pop("data_base64", None)
    data = event.pop("data", None)
    if encoded is not None:
        if data is not None:
            raise _malformed("it has both data and data_base64")
        data = _from_base64(encoded, event.get("datacontenttype"))
    if any(isinstance(value, dict | list | float) for value in event.values()):
        raise _malformed("an attribute is neither a string, an integer nor a boolean")
    # A null attribute counts as absent; booleans are written as in the binary mode.
    attributes = {
        name: value if isinstance(value, str) else str(value).lower()
        for name, value in event.items()
        if value is not None
    }
    return _checked(attributes, data)


def _from_base64(encoded: Json, media: Json) -> Json:
    """Data that came as bytes, if they are of a kind that a body could be of, too."""
    try:
        data = base64.b64decode(encoded, validate=True)
    except (TypeError, ValueError):
        raise _malformed("its data_base64 is not base64") from None
    kind = media.encode("latin-1", "replace") if isinstance(media, str) else b""
    return payloads.parse(payloads.media_type({b"content-type": kind}), data)


def _checked(attributes: Mapping[str, str], data: Json) -> CloudEvent:
    if attributes.get("specversion") != "1.0":
        raise _malformed("its specversion is not 1.0")
    if missing := [name for name in _REQUIRED if not attributes.get(name)]:
        raise _malformed(f"{', '.join(missing)} missing")
    if not all(map(_NAME.fullmatch, attributes)):
        raise _malformed("the name of an attribute has other characters than a-z and 0-9")
    if any(map(_UNFIT.search, attributes.values())) or " " in attributes["source"]:
        raise _malformed("an attribute holds a character that is not allowed")
    return CloudEvent(attributes=attributes, data=data, occurred_at=_instant(attributes.get("time")))


def _instant(time: str | None) -> datetime | None:
    if not time:
        return None
    try:
        instant = datetime.fromisoformat(time)
        if instant.tzinfo is not None:
            return instant.astimezone(UTC)
    except (ValueError, OverflowError):
        pass  # answered below, like a time without an offset
    raise _malformed("its time is not RFC 3339")


def _decoded(value: bytes) -> str:
    """A `ce-` header's value: unquoted, then percent-decoded once."""
    text = value.strip()
    if len(text) >= 2 and text[:1] == text[-1:] == b'"':
        text = re.sub(rb"\\(.)", rb"\1", text[1:-1])
    try:
        return unquote(text.decode(), errors="strict")
    except UnicodeDecodeError:
        raise _malformed("an attribute is not UTF-8") from None


def _malformed(why: str) -> Rejected:
    return Rejected(400, f"The CloudEvent is malformed: {why}.")
