from __future__ import annotations

import contextvars
import io

from upwell.runtime.named_lines import SPEAKER, NamedLines, Speaker


def stream() -> tuple[NamedLines, io.BytesIO]:
    raw = io.BytesIO()
    return NamedLines(raw, encoding="utf-8", line_buffering=True), raw


def speak(name: str | None, out: NamedLines, *texts: str) -> None:
    def speaking() -> None:
        speaker = Speaker(name) if name else None
        SPEAKER.set(speaker)
        for text in texts:
            print(text, end="", file=out)
        if speaker is not None:
            speaker.finish()

    contextvars.copy_context().run(speaking)


def test_lines_have_the_name_of_who_says_them() -> None:
    out, raw = stream()
    speak("sensor a", out, "one\ntwo\n")
    assert raw.getvalue() == b"[sensor a] one\n[sensor a] two\n"


def test_without_a_speaker_lines_stay_as_they_are() -> None:
    out, raw = stream()
    speak(None, out, "one\n")
    assert raw.getvalue() == b"one\n"


def test_a_line_that_comes_in_pieces_is_not_mixed_with_another() -> None:
    out, raw = stream()
    one, other = Speaker("a"), Speaker("b")
    one.say("begun ", out)
    other.say("whole\n", out)
    one.say("and ended\n", out)
    assert raw.getvalue() == b"[b] whole\n[a] begun and ended\n"


def test_what_has_no_end_is_written_when_its_speaker_has_finished() -> None:
    out, raw = stream()
    speak("a", out, "no end")
    assert raw.getvalue() == b"[a] no end\n"


def test_a_line_without_end_is_not_kept_without_end() -> None:
    out, raw = stream()
    Speaker("a").say("x" * 10_000, out)
    assert raw.getvalue() == b"[a] " + b"x" * 10_000 + b"\n"


def test_it_is_a_text_stream_like_any_other() -> None:
    out, _ = stream()
    assert out.writable() and out.encoding == "utf-8" and out.write("häh") == 3
    out.buffer.write(b"")
