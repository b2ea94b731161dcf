"""Logging: structlog for our own lines and the same form for the standard library's, as JSON or readable.

A module that logs says `log = get_logger()` at its top and `log.info("file.changed", source=…, path=…)`: the name of
the event first, facts as keywords. Lines are handed to a thread that writes them, so a slow reader of stdout never
holds up the event loop.
"""

from __future__ import annotations

import atexit
import io
import json
import logging
import re
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Literal, TextIO, cast

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

Level = Literal["debug", "info", "warning", "error"]
Render = Callable[[Mapping[str, Any]], str]

REDACTED = "[redacted]"

_LONGEST_VALUE = 8_192  # characters; a traceback fits, a dumped frame does not
_MOST_WAITING = 100_000  # lines before the writing thread
_GATHER_FOR = 0.002  # seconds that lines are gathered for one write

_SECRET_KEY = re.compile(
    r"(^|[_\-. ])(authorization|tokens?|secrets?|passwords?|passwd|cookie|api[_-]?key|credentials?|signature)$", re.I
)
_SECRET_TEXT = re.compile(
    r"(?P<bearer>\b(?:bearer|basic)\s+)[\w.~+/=-]{6,}"
    r"|(?P<url>://[^\s:/@]*:)[^\s/@]+(?=@)"
    r"|(?P<query>[?&](?:[\w-]*token|secret|password|api_?key|signature)=)[^&\s\"']+",
    re.I,
)
# What could move the cursor of a terminal, forge a line, or turn the direction of writing.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_CHATTY = ("aiosqlite", "alembic", "asyncio", "httpcore", "httpx", "sqlalchemy", "uvicorn", "watchfiles")


def get_logger() -> FilteringBoundLogger:
    """The logger; a module keeps one at its top."""
    return cast(FilteringBoundLogger, structlog.get_logger())


def configure(
    *,
    format: Literal["json", "console"],
    level: Level = "info",
    secrets: Iterable[str] = (),
    stream: TextIO | None = None,
    colors: bool | None = None,
) -> LineWriter:
    """Send every log line of this process to `stream` (stdout) in one form.

    `secrets` are values that are blotted out wherever they stand. Close the writer that is returned at the end.
    """
    out = stream or sys.stdout
    if isinstance(out, io.TextIOWrapper):
        # A name that the terminal cannot show is written as an escape; it must not cost the line.
        out.reconfigure(encoding="utf-8" if format == "json" else None, errors="backslashreplace")
    render: Render = json_line if format == "json" else ConsoleLines(colors=out.isatty() if colors is None else colors)
    writer = LineWriter(out, render)
    atexit.register(writer.close)
    before: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        Redact(secrets),
        shorten,
    ]
    structlog.configure(
        processors=[*before, _Last(render)],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=lambda *_: writer,
        # A cached logger would go on writing to where it first did when a test, or a command, configures anew.
        cache_logger_on_first_use=False,
    )
    _configure_stdlib(level, writer, before, render)
    return writer


def flush() -> None:
    """Block until every line written so far has left the process, wherever `configure` sends them."""
    for handler in logging.getLogger().handlers:
        handler.flush()


def _configure_stdlib(level: Level, writer: LineWriter, before: list[Processor], render: Render) -> None:
    handler = _LineHandler(writer)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.ExtraAdder(), structlog.stdlib.add_logger_name, *before],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _Last(render)],
        )
    )
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level.upper())
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.INFO if level == "debug" else logging.WARNING)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    logging.captureWarnings(True)


class _LineHandler(logging.Handler):
    """Hands the standard library's lines to the writer."""

    def __init__(self, writer: LineWriter) -> None:
        super().__init__()
        self._writer = writer

    def emit(self, record: logging.LogRecord) -> None:
        self._writer.msg(self.format(record))

    def flush(self) -> None:
        self._writer.flush()


class LineWriter:
    """Writes lines to a stream, in order, from a thread of its own.

    When the reader of the stream is so slow that 100,000 lines wait, further ones are dropped and counted; a line
    says so once there is room again. Whoever must know that lines are out calls `flush`.
    """

    def __init__(self, stream: TextIO, render: Render) -> None:
        self._stream = stream
        self._render = render
        self._changed = threading.Condition()
        self._waiting: list[str] = []
        self._taken = self._done = self._dropped = 0
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)
        self._thread.start()

    def msg(self, line: str) -> None:
        """Take one line, without its end."""
        with self._changed:
            if len(self._waiting) >= _MOST_WAITING:
                self._dropped += 1
                return
            self._waiting.append(line)
            self._taken += 1
            if len(self._waiting) == 1:
                self._changed.notify_all()
        if self._closing:
            self._write()  # the thread has ended: somebody logs while the interpreter stops

    # structlog calls the method that is named like the level.
    debug = info = warning = error = critical = exception = msg

    def flush(self, timeout: float = 5.0) -> bool:
        """Wait until every line taken so far is written; false when that took too long."""
        with self._changed:
            taken = self._taken
            return self._changed.wait_for(lambda: self._done >= taken, timeout)

    def close(self) -> None:
        """Write what waits and end the thread."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join(timeout=5.0)

    def _run(self) -> None:
        while not self._closing:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closing)
            if not self._closing:
                time.sleep(_GATHER_FOR)
            self._write()

    def _write(self) -> None:
        with self._changed:
            lines, self._waiting = self._waiting, []
            dropped, self._dropped = self._dropped, 0
            taken = self._taken
        if dropped:
            now = datetime.now(UTC).isoformat()
            lines.append(self._render({"timestamp": now, "level": "warning", "event": "log.dropped", "lines": dropped}))
        try:
            self._stream.write("".join(f"{line}\n" for line in lines))
            self._stream.flush()
        except (OSError, ValueError):
            # Nobody reads any more. There is no place left to say so, and the work goes on.
            dropped += len(lines)
        else:
            dropped = 0
        with self._changed:
            self._dropped += dropped
            self._done = taken
            self._changed.notify_all()


class _Last:
    """The last processor: turns the event into its line."""

    def __init__(self, render: Render) -> None:
        self._render = render

    def __call__(self, _logger: WrappedLogger, _name: str, event_dict: EventDict) -> str:
        return self._render(event_dict)


class Redact:
    """Blots out secrets: values of keys named like one, known values, bearer tokens and passwords in text."""

    def __init__(self, secrets: Iterable[str]) -> None:
        # Longest first, so that a secret that begins with another one goes as a whole.
        known = sorted({secret for secret in secrets if secret}, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, known))) if known else None

    def __call__(self, _logger: WrappedLogger, _name: str, event_dict: EventDict) -> EventDict:
        for key, value in event_dict.items():
            event_dict[key] = self._clean(key, value)
        return event_dict

    def _clean(self, key: str, value: Any) -> Any:
        if value is None or isinstance(value, bool | int | float):
            return value
        if _is_secret(key):
            return REDACTED
        match value:
            case str():
                return self.text(value)
            case Mapping():
                return {str(inner): self._clean(str(inner), part) for inner, part in value.items()}
            case list() | tuple() | set() | frozenset():
                return [self._clean("", part) for part in value]
            case datetime():
                return _rfc3339(value)
            case _:
                return self.text(str(value))

    def text(self, text: str) -> str:
        """`text` without the secrets in it."""
        if self._known is not None:
            text = self._known.sub(REDACTED, text)
        return _SECRET_TEXT.sub(lambda match: f"{match['bearer'] or match['url'] or match['query']}{REDACTED}", text)


@lru_cache(maxsize=4096)
def _is_secret(key: str) -> bool:
    return _SECRET_KEY.search(key) is not None


def _rfc3339(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


def shorten(_logger: WrappedLogger, _name: str, event_dict: EventDict) -> EventDict:
    """Leave out the middle of very long texts; the end of a traceback says the most."""
    for key, value in event_dict.items():
        if isinstance(value, str) and len(value) > _LONGEST_VALUE:
            half = _LONGEST_VALUE // 2
            event_dict[key] = f"{value[:half]} … {len(value) - 2 * half} characters left out … {value[-half:]}"
    return event_dict


def escape(text: str) -> str:
    """`text` with control characters as visible escapes, so that a name cannot forge a line or move a cursor."""
    return _CONTROL.sub(_escaped, text)


def _escaped(match: re.Match[str]) -> str:
    code = ord(match[0])
    return {9: "\\t", 10: "\\n", 13: "\\r"}.get(code) or f"\\u{code:04x}"


def json_line(fields: Mapping[str, Any]) -> str:
    """One JSON object: timestamp, level and event first."""
    first = {key: fields.get(key) for key in ("timestamp", "level", "event")}
    # The only control characters that json leaves as they are stand inside strings, where \uXXXX means the same.
    return escape(json.dumps(first | dict(fields), ensure_ascii=False, default=str))


class ConsoleLines:
    """One short readable line: time of day, event, what it is about, the rest. A traceback follows, indented."""

    _SUBJECTS = ("asset", "location", "source", "url", "run_id", "sensor", "schedule")
    _LONG = ("exception", "traceback")
    _COLORS = {"debug": "2", "warning": "33", "error": "31", "critical": "31"}

    def __init__(self, *, colors: bool) -> None:
        self._colors = colors

    def __call__(self, fields: Mapping[str, Any]) -> str:
        rest = {key: value for key, value in fields.items() if value is not None and value not in ("", [], {})}
        level, event = rest.pop("level", "info"), escape(str(rest.pop("event", "")).strip())
        at = datetime.fromisoformat(str(rest.pop("timestamp"))).astimezone()
        long = [str(text) for key in self._LONG if (text := rest.pop(key, None))]
        subject = next(((key, rest.pop(key)) for key in self._SUBJECTS if key in rest), None)
        took = rest.pop("duration", None)
        words = [] if subject is None else [self._paint(_value(*subject), "1")]
        words.extend(f"{self._paint(f'{key}=', '2')}{_value(key, value)}" for key, value in rest.items())
        words.extend([] if took is None else [f"in {spoken(float(took))}"])
        mark = "!" if level in ("warning", "error", "critical") else " "
        line = f"{at:%H:%M:%S} {self._paint(f'{mark} {event:<18}', self._COLORS.get(level, '36'))} {' '.join(words)}"
        return "\n".join([line.rstrip(), *(_indented(text) for text in long)])

    def _paint(self, text: str, color: str) -> str:
        return f"\x1b[{color}m{text}\x1b[0m" if self._colors else text


def _value(key: str, value: Any) -> str:
    if key.endswith("run_id"):
        return escape(str(value))[:8]
    if isinstance(value, str):
        text = escape(value)
        return f'"{text}"' if " " in text or not text else text
    return escape(json.dumps(value, ensure_ascii=False, default=str))


def _indented(text: str) -> str:
    return "\n".join(f"    {escape(line)}" for line in text.rstrip().split("\n"))


def spoken(seconds: float) -> str:
    """A duration as people say it: 43 ms, 2.1 s, 3 min."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.1f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
