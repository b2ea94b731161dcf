"""Bodies as data: JSON and forms, with bounds on what a stranger may make us hold.

Nothing here may be called before the signature is verified.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qs

from pydantic_core import from_json, to_json

from upwell.events import Json
from upwell.web.rejections import Rejected

MAX_DEPTH = 100

_FORM = "application/x-www-form-urlencoded"
_MAX_FIELDS = 1000


def media_type(headers: Mapping[bytes, bytes]) -> str:
    """The content type without its parameters, lower case; empty when there is none."""
    return headers.get(b"content-type", b"").split(b";", 1)[0].strip().lower().decode("latin-1")


def parse(media: str, body: bytes) -> Json:
    """What the body says; an empty one is null, and one without a type is taken for JSON.

    Raises:
        Rejected: 400 when it is malformed or out of bounds, 415 when it is of another kind.
    """
    if not body:
        return None
    if media in ("", "application/json") or (media.startswith("application/") and media.endswith("+json")):
        return parse_json(body)
    if media == _FORM:
        return _parse_form(body)
    raise Rejected(415, f"Send JSON (application/json or application/*+json), not {media[:100]!r}.")


def parse_json(body: bytes) -> Json:
    """JSON as RFC 8259 means it: UTF-8, no NaN, no number that a float cannot hold, not too deep."""
    try:
        value = from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise Rejected(400, f"The body is not JSON: {error}.") from None
    if _is_deep(body, value):
        raise Rejected(400, f"The body nests deeper than {MAX_DEPTH} levels.")
    # The parser makes 1e999 an infinity, which could only be kept as a null.
    if b"Infinity" in to_json(value) and _holds_infinity(value):
        raise Rejected(400, "The body holds a number that is too large.")
    return value


def _is_deep(body: bytes, value: Json) -> bool:
    if body.count(b"[") + body.count(b"{") <= MAX_DEPTH:
        return False
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [child for node in level for child in _children(node) if isinstance(child, dict | list)]
    return bool(level)


def _holds_infinity(value: Json) -> bool:
    waiting = [value]
    while waiting:
        node = waiting.pop()
        if node in (float("inf"), float("-inf")):
            return True
        waiting.extend(_children(node))
    return False


def _children(node: Json) -> list[Json]:
    match node:
        case dict():
            return list(node.values())
        case list():
            return node
        case _:
            return []


def _parse_form(body: bytes) -> Json:
    """A form as an object; GitHub's default sends its JSON as the field `payload`."""
    # `curl -d` calls everything a form.
    if body.lstrip()[:1] in (b"{", b"["):
        raise Rejected(415, "The body looks like JSON. Send it with `Content-Type: application/json`.")
    try:
        fields = parse_qs(body.decode(), keep_blank_values=True, errors="strict", max_num_fields=_MAX_FIELDS)
    except ValueError:
        raise Rejected(400, "The body is not a form in UTF-8, or has too many fields.") from None
    if set(fields) == {"payload"} and len(fields["payload"]) == 1:
        return parse_json(fields["payload"][0].encode())
    return {name: values[0] if len(values) == 1 else values for name, values in fields.items()}
