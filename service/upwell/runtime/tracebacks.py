"""Exceptions of user code as plain data, with the frames that are the user's."""

from __future__ import annotations

import traceback
from types import FrameType, TracebackType

from upwell.events import ErrorInfo

LONGEST_MESSAGE = 16_384
LONGEST_TRACEBACK = 65_536
"""Characters; the journal keeps every error, and some libraries put whole query texts into theirs."""

_OURS = ("upwell.", "upwell_sensors.", "importlib.", "anyio.", "asyncio.", "concurrent.")


def error_info(error: BaseException, *, hint: str = "") -> ErrorInfo:
    """The error with its message (and `hint`) and a traceback that starts at the first frame of user code."""
    rendered = traceback.TracebackException(type(error), error, _users_part(error.__traceback__))
    return ErrorInfo(
        type=type(error).__name__,
        message=_cut(f"{error}{hint}", LONGEST_MESSAGE),
        traceback=_cut("".join(rendered.format()), LONGEST_TRACEBACK),
    )


def where_is(frame: FrameType) -> str:
    """Where a thread is just now, in the form of a traceback that starts at the first frame of user code."""
    frames = [each for each, _ in traceback.walk_stack(frame)][::-1]
    while frames and (_is_of_ours(frames[0]) or frames[0].f_globals.get("__name__") == "threading"):
        del frames[0]
    stack = traceback.StackSummary.extract((each, each.f_lineno) for each in frames)
    return _cut("".join(["Traceback (most recent call last):\n", *stack.format()]), LONGEST_TRACEBACK)


def users_place(trace: TracebackType | None) -> tuple[str, int] | None:
    """File and line of the user's code that was the last to call one of ours; none where no such code was running."""
    frames = [(frame, line) for frame, line in traceback.walk_tb(trace) if not _is_of_ours(frame)]
    return (frames[-1][0].f_code.co_filename, frames[-1][1]) if frames else None


def _users_part(trace: TracebackType | None) -> TracebackType | None:
    while trace is not None and _is_of_ours(trace.tb_frame):
        trace = trace.tb_next
    return trace


def _is_of_ours(frame: FrameType) -> bool:
    module = str(frame.f_globals.get("__name__", ""))
    return module.startswith(_OURS) or "importlib._bootstrap" in frame.f_code.co_filename


def _cut(text: str, longest: int) -> str:
    """`text`, without its middle if it is too long: both ends of a traceback matter."""
    if len(text) <= longest:
        return text
    half = longest // 2
    return f"{text[:half]}\n… {len(text) - 2 * half:,} characters left out …\n{text[-half:]}"
