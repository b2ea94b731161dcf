"""What a message says: its body as data, its headers as text, and what makes it itself."""

from __future__ import annotations

import base64
import hashlib
import math
import re
from collections.abc import Mapping
from typing import Any

from jsonpath import findall
from pydantic_core import from_json, to_json

from upwell.events import Json

_SECRET = re.compile(r"auth|cookie|token|secret|passw|credential|signature|api[-_]?key|private", re.IGNORECASE)


def data_of(body: bytes | None, content_type: str | None = None) -> Json:
    """JSON where the body is JSON, else text, else `{"base64": "…"}`; an empty body is null.

    A body that is called `text/…` is text, even where it would be JSON, too.
    """
    if not body:
        return None
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(body).decode()}
    if (content_type or "").strip().lower().startswith("text/"):
        return text
    try:
        value = from_json(body, allow_inf_nan=False)
    except ValueError:
        return text
    # The parser makes 1e999 an infinity, which JSON could not give back.
    return text if b"Infinity" in to_json(value, inf_nan_mode="constants") and _is_infinite(value) else value


def kept_headers(headers: Mapping[Any, Any] | None) -> Mapping[str, str]:
    """The headers as text, without those whose names sound of secrets (`Authorization`, `x-api-key`, …)."""
    return {_text(name): _text(value) for name, value in (headers or {}).items() if not _SECRET.search(_text(name))}


def identity_of(data: Json, path: str | None) -> str | None:
    """A name for the message from what `path` (JSONPath) finds in its data; none where it finds nothing.

    What is found is hashed where it is long or no text, so that `"$"` makes equal bodies equal messages.
    """
    found = findall(path, data) if path is not None and isinstance(data, dict | list) else []
    if path == "$" and not found:
        found = [data]
    if not found or found[0] is None:
        return None
    if isinstance(found[0], str) and len(found[0]) <= 200:
        return found[0]
    return hashlib.sha256(to_json(found[0])).hexdigest()


def _text(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode(errors="backslashreplace")
    # What is no UTF-8 reaches some clients as lone surrogates, which could not be kept.
    return str(value).encode(errors="backslashreplace").decode()


def _is_infinite(value: Json) -> bool:
    if isinstance(value, dict):
        return any(_is_infinite(each) for each in value.values())
    if isinstance(value, list):
        return any(_is_infinite(each) for each in value)
    return isinstance(value, float) and math.isinf(value)
