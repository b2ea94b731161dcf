from __future__ import annotations

import io
import json
import logging
import threading
import warnings
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import structlog

from upwell import logs
from upwell.logs import ConsoleLines, LineWriter, get_logger, json_line

Configure = Callable[..., "Output"]


class Output:
    """What a configured log has written."""

    def __init__(self, stream: io.StringIO, writer: LineWriter) -> None:
        self._stream = stream
        self._writer = writer

    def text(self) -> str:
        assert self._writer.flush()
        return self._stream.getvalue()

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text().splitlines()]


@pytest.fixture
def configure() -> Iterator[Configure]:
    """Configures logging, and puts everything back in the end."""
    root, writers = logging.getLogger(), []
    handlers, level = root.handlers[:], root.level

    def _configure(**options: Any) -> Output:
        stream = io.StringIO()
        defaults: dict[str, Any] = {"format": "json", "stream": stream}
        writer = logs.configure(**defaults | options)
        writers.append(writer)
        return Output(stream, writer)

    yield _configure
    for writer in writers:
        writer.close()
    structlog.reset_defaults()
    logging.captureWarnings(False)
    root.handlers[:] = handlers
    root.setLevel(level)


def test_a_line_is_one_json_object_with_time_level_and_event_first(configure: Configure) -> None:
    output = configure()
    get_logger().info("file.changed", source="files:a", path="a.csv")
    (line,) = output.lines()
    assert list(line) == ["timestamp", "level", "event", "source", "path"]
    assert (line["level"], line["event"]) == ("info", "file.changed")


def test_the_timestamp_is_utc_in_rfc_3339(configure: Configure) -> None:
    output = configure()
    get_logger().info("service.ready")
    text = output.lines()[0]["timestamp"]
    assert text.endswith("Z")
    assert abs((datetime.now(UTC) - datetime.fromisoformat(text)).total_seconds()) < 60


def test_lines_below_the_level_are_not_written(configure: Configure) -> None:
    output = configure(level="warning")
    get_logger().info("asset.materialized")
    get_logger().warning("freshness.warned")
    assert [line["event"] for line in output.lines()] == ["freshness.warned"]


def test_the_standard_librarys_lines_have_the_same_form(configure: Configure) -> None:
    output = configure()
    logging.getLogger("somebody").info("hello %s", "world", extra={"size": 3})
    (line,) = output.lines()
    assert {key: line[key] for key in ("level", "event", "logger", "size")} == {
        "level": "info",
        "event": "hello world",
        "logger": "somebody",
        "size": 3,
    }


def test_uvicorn_and_warnings_are_heard_in_the_same_form(configure: Configure) -> None:
    output = configure()
    logging.getLogger("uvicorn.error").error("the socket is gone")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(True)
        warnings.warn("old option", DeprecationWarning, stacklevel=1)
    first, second = output.lines()
    assert (first["logger"], first["event"]) == ("uvicorn.error", "the socket is gone")
    assert "old option" in second["event"]


def test_flushing_waits_until_lines_are_out(configure: Configure) -> None:
    stream = io.StringIO()
    configure(stream=stream)
    get_logger().info("freshness.violated")
    logs.flush()
    assert "freshness.violated" in stream.getvalue()


def test_chatty_libraries_are_quiet_unless_debugging(configure: Configure) -> None:
    output = configure()
    logging.getLogger("httpx").info("HTTP Request: GET …")
    assert output.lines() == []


def test_an_exception_is_a_field_of_its_line(configure: Configure) -> None:
    output = configure()
    try:
        raise ValueError("no rows")
    except ValueError:
        get_logger().exception("reactor.stumbled")
    (line,) = output.lines()
    assert line["exception"].startswith("Traceback")
    assert line["exception"].endswith("ValueError: no rows")


class TestSecrets:
    @pytest.mark.parametrize(
        "fields",
        [
            {"reason": "the token hunter2hunter2 is stale"},
            {"nested": {"deep": ["x", {"y": "hunter2hunter2"}]}},
            {"password": "hunter2hunter2"},
            {"headers": {"Authorization": "Basic aHVudGVyMmh1bnRlcjI=", "x": "hunter2hunter2"}},
            {"text": "a" * 8_190 + "hunter2hunter2" + "b" * 9_000},
        ],
    )
    def test_known_values_are_blotted_out_wherever_they_stand(
        self, fields: dict[str, Any], configure: Configure
    ) -> None:
        output = configure(secrets=["hunter2hunter2"])
        get_logger().info("webhook.rejected", **fields)
        text = output.text()
        assert "webhook.rejected" in text
        assert "hunter2" not in text
        assert "aHVudGVy" not in text

    @pytest.mark.parametrize(
        "key", ["authorization", "Authorization", "api_token", "client-secret", "PASSWORD", "Set-Cookie", "X-Api-Key"]
    )
    def test_keys_that_are_named_like_a_secret_lose_their_value(self, key: str, configure: Configure) -> None:
        output = configure()
        get_logger().info("x", headers={key: "alice"})
        assert output.lines()[0]["headers"] == {key: "[redacted]"}

    @pytest.mark.parametrize("key", ["tokenizer", "secretary", "passwordless_login", "asset"])
    def test_other_keys_keep_it(self, key: str, configure: Configure) -> None:
        output = configure()
        get_logger().info("x", **{key: "alice"})
        assert output.lines()[0][key] == "alice"

    @pytest.mark.parametrize(
        ("text", "shown"),
        [
            ("got Bearer abcdefgh12", "got Bearer [redacted]"),
            ("postgresql://upwell:alice@db/x", "postgresql://upwell:[redacted]@db/x"),
            ("GET /x?page=2&access_token=alice&y=1", "GET /x?page=2&access_token=[redacted]&y=1"),
            ("a bearer of news", "a bearer of news"),
        ],
    )
    def test_tokens_and_passwords_in_text_go_too(self, text: str, shown: str, configure: Configure) -> None:
        output = configure()
        get_logger().info("x", reason=text)
        assert output.lines()[0]["reason"] == shown

    def test_do_not_come_out_through_the_standard_library_or_an_exception(self, configure: Configure) -> None:
        output = configure(secrets=["hunter2hunter2"])
        logging.getLogger("somebody").error("no entry for %s", "hunter2hunter2")
        try:
            raise ValueError("hunter2hunter2")
        except ValueError:
            get_logger().exception("x")
        assert len(output.lines()) == 2
        assert "hunter2" not in output.text()


class TestNames:
    EVIL = 'a\x1b[2J\nb\x9b31m\u2028\u202e{"level":"error"}\udc80'

    def test_cannot_forge_a_json_line(self, configure: Configure) -> None:
        output = configure()
        get_logger().info("file.changed", path=self.EVIL)
        text = output.text()
        assert text.count("\n") == 1
        assert not any(ord(char) < 32 or 0x7F <= ord(char) < 0xA0 for char in text.rstrip("\n"))
        assert json.loads(text)["path"] == self.EVIL

    def test_cannot_move_the_cursor_of_a_terminal(self, configure: Configure) -> None:
        output = configure(format="console", colors=False)
        get_logger().info("asset.materialized", asset=self.EVIL, path=self.EVIL)
        (line,) = output.text().splitlines()
        assert "\\u001b[2J\\nb\\u009b31m\\u2028\\u202e" in line
        assert "\x1b" not in line

    def test_in_other_scripts_stay_readable(self, configure: Configure) -> None:
        output = configure()
        get_logger().info("asset.materialized", asset="größe/売上")
        assert "größe/売上" in output.text()


def test_the_middle_of_a_very_long_text_is_left_out(configure: Configure) -> None:
    output = configure()
    get_logger().info("x", traceback="start" + "-" * 100_000 + "end")
    text = output.lines()[0]["traceback"]
    assert len(text) < 9_000
    assert text.startswith("start")
    assert text.endswith("end")


def console(**fields: Any) -> str:
    return ConsoleLines(colors=False)({"timestamp": "2026-03-01T12:00:00Z", "level": "info", **fields})[9:]


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        (
            {"event": "asset.materialized", "asset": "raw", "partition": "2024-01-01", "rows": 812, "duration": 0.0431},
            "  asset.materialized raw partition=2024-01-01 rows=812 in 43 ms",
        ),
        (
            {"level": "error", "event": "asset.failed", "asset": "raw", "error": "no rows", "traceback": "a\n b"},
            '! asset.failed       raw error="no rows"\n    a\n     b',
        ),
        ({"event": "run.started", "run_id": "ab" * 16}, "  run.started        abababab"),
        (
            {"event": "asset.skipped", "asset": "a", "run_id": "ab" * 16, "cause": None},
            "  asset.skipped      a run_id=abababab",
        ),
        ({"event": "timer.fired", "source": "every:10s"}, "  timer.fired        every:10s"),
    ],
)
def test_a_readable_line_says_what_happened_to_what_and_then_the_rest(fields: dict[str, Any], line: str) -> None:
    assert console(**fields) == line


@pytest.mark.parametrize(("seconds", "text"), [(0.0004, "0 ms"), (0.5, "500 ms"), (2.05, "2.0 s"), (300, "5 min")])
def test_durations_are_spoken(seconds: float, text: str) -> None:
    assert logs.spoken(seconds) == text


class _StuckStream(io.StringIO):
    """A reader that does not read until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.go_on = threading.Event()
        self.reached = threading.Event()

    def write(self, text: str) -> int:
        self.reached.set()
        assert self.go_on.wait(10)
        return super().write(text)


def test_a_stuck_reader_holds_nobody_up_and_what_was_dropped_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "_MOST_WAITING", 10)
    stream = _StuckStream()
    writer = LineWriter(stream, json_line)
    writer.msg("first")
    assert stream.reached.wait(5)
    for number in range(15):
        writer.msg(f"line {number}")
    stream.go_on.set()
    assert writer.flush()
    writer.close()
    *written, told = stream.getvalue().splitlines()
    assert written == ["first", *(f"line {number}" for number in range(10))]
    assert json.loads(told)["event"] == "log.dropped"
    assert json.loads(told)["lines"] == 5


def test_closing_writes_what_waits_and_later_lines_still_come_out() -> None:
    stream = io.StringIO()
    writer = LineWriter(stream, json_line)
    writer.msg("before")
    writer.close()
    writer.msg("after")
    assert stream.getvalue() == "before\nafter\n"


def test_a_reader_that_went_away_ends_nothing() -> None:
    stream = io.StringIO()
    stream.close()
    writer = LineWriter(stream, json_line)
    writer.msg("nobody reads this")
    assert writer.flush()
    writer.close()
