"""The wire between service and workers: length-prefixed frames of JSON, one byte of which names the message.

A frame is a 4-byte length, a 1-byte tag and a JSON body. Nothing is unpickled on either side, and whatever is
not exactly a message of this protocol is a `FrameError`: its sender is not to be listened to any longer.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, TypeAlias

from pydantic import TypeAdapter, ValidationError

from upwell import events
from upwell.runtime.messages import (
    Abandoned,
    FilterReport,
    FilterTask,
    LoadLocation,
    LocationReport,
    SensorReport,
    SensorTask,
    ServiceMessage,
    StepReport,
    StepResult,
    StepTask,
    WorkerMessage,
)

LARGEST_FRAME = 128 * 1024 * 1024
"""Bytes; a snapshot of 100,000 assets is about 50 MiB."""

Message: TypeAlias = ServiceMessage | WorkerMessage

_HEAD = struct.Struct(">IB")


class FrameError(ConnectionError):
    """The other side sent something that is not a message; the connection is of no use any more."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Report:
    """A StepReport on the wire: each result goes with its kind, because their fields alone do not tell them apart."""

    report: StepReport
    results: tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class _SensorReport:
    """A SensorReport on the wire, likewise."""

    report: SensorReport
    results: tuple[tuple[str, str], ...] = ()


_TAGS: dict[type[Message], int] = {
    LoadLocation: 1,
    StepTask: 2,
    LocationReport: 3,
    StepReport: 4,
    SensorTask: 5,
    SensorReport: 6,
    FilterTask: 7,
    FilterReport: 8,
    Abandoned: 9,
}
_WIRE: dict[int, type[Any]] = {tag: kind for kind, tag in _TAGS.items()} | {4: _Report, 6: _SensorReport}
_RESULT_KINDS = frozenset({events.AssetMaterialized.kind, events.AssetObserved.kind, events.CheckEvaluated.kind})


@cache
def _adapter(tag: int) -> TypeAdapter[Message | _Report | _SensorReport]:
    return TypeAdapter(_WIRE[tag])


def warm_up() -> None:
    """Build what encoding needs, once, so that forked workers have it already."""
    for tag in _WIRE:
        _adapter(tag)


def encode(message: Message) -> bytes:
    """The message as one frame.

    Raises:
        FrameError: it is larger than the other side would accept.
    """
    tag = _TAGS[type(message)]
    body = _adapter(tag).dump_json(_to_wire(message), exclude_defaults=True)
    if len(body) > LARGEST_FRAME:
        raise FrameError(f"a {type(message).__name__} of {len(body):,} bytes is over the limit of {LARGEST_FRAME:,}")
    return _HEAD.pack(len(body), tag) + body


class FrameReader:
    """Cuts a stream of bytes into messages; memory stays below one frame of the largest size."""

    def __init__(self, *, largest: int = LARGEST_FRAME) -> None:
        self._largest = largest
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Message]:
        """Yield each message that `data` completes.

        Raises:
            FrameError: the bytes are no message of this protocol.
        """
        buffer = self._buffer
        buffer += data
        while len(buffer) >= _HEAD.size:
            length, tag = _HEAD.unpack_from(buffer)
            if length > self._largest or tag not in _WIRE:
                raise FrameError(f"a frame claims {length:,} bytes and tag {tag}")
            end = _HEAD.size + length
            if len(buffer) < end:
                return
            body = bytes(buffer[_HEAD.size : end])
            del buffer[:end]
            yield _decode(tag, body)


def _decode(tag: int, body: bytes) -> Message:
    try:
        return _from_wire(_adapter(tag).validate_json(body))
    except (ValidationError, KeyError) as error:
        raise FrameError(f"a frame with tag {tag} holds no message: {error}") from error


def _to_wire(message: Message) -> Message | _Report | _SensorReport:
    match message:
        case StepReport():
            return _Report(report=replace(message, results=()), results=_with_kinds(message.results))
        case SensorReport():
            return _SensorReport(report=replace(message, results=()), results=_with_kinds(message.results))
        case _:
            return message


def _with_kinds(results: Iterable[StepResult]) -> tuple[tuple[str, str], ...]:
    return tuple((result.kind, events.encode(result).decode()) for result in results)


def _from_wire(wire: Message | _Report | _SensorReport) -> Message:
    if not isinstance(wire, _Report | _SensorReport):
        return wire
    return replace(wire.report, results=tuple(_result(kind, body) for kind, body in wire.results))


def _result(kind: str, body: str) -> StepResult:
    if kind not in _RESULT_KINDS:
        raise FrameError(f"user code reported a {kind!r}")
    result = events.decode(kind, body)
    assert isinstance(result, StepResult)
    return result
