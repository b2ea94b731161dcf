"""What a sender signs, as a template says it: `"v0:{timestamp}:{raw}"`."""

from __future__ import annotations

from dataclasses import dataclass
from string import Formatter


@dataclass(frozen=True, kw_only=True, slots=True)
class Piece:
    """A part of what is signed: a text, the value of a header (by its name in lower case), or else the body."""

    text: bytes | None = None
    header: bytes | None = None


def read_template(template: str, timestamp_header: str | None = None) -> tuple[Piece, ...]:
    """The template's pieces: text, `{raw}` (the body), `{header:NAME}` and `{timestamp}`; braces are doubled.

    Raises:
        ValueError: it cannot be read, or leaves unsigned what has to be signed.
    """
    pieces: list[Piece] = []
    for text, field, name, _ in Formatter().parse(template):
        if text:
            pieces.append(Piece(text=text.encode()))
        if field is None:
            continue
        if field == "timestamp" and timestamp_header is not None:
            field, name = "header", timestamp_header
        match field:
            case "raw":
                pieces.append(Piece())
            case "header" if name:
                pieces.append(Piece(header=name.lower().encode()))
            case _:
                raise ValueError(
                    f"{{{field}}} is unknown; there are {{raw}}, {{header:NAME}} and, "
                    "with timestamp_header=, {timestamp}"
                )
    if Piece() not in pieces:
        raise ValueError("it leaves out the body; write {raw}")
    if timestamp_header is not None and Piece(header=timestamp_header.lower().encode()) not in pieces:
        raise ValueError("it leaves out the time, which then proves nothing; write {timestamp}.{raw}, for example")
    return tuple(pieces)
