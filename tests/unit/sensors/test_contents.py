"""One file at a time: its content, and whether it is complete."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from upwell_sensors import contents
from upwell_sensors.contents import Stopped, digest, fingerprint, is_put_into_place


def read(path: Path, stopped: threading.Event | None = None) -> str | None:
    return digest(str(path), fingerprint(path.lstat()), stopped or threading.Event())


def written(path: Path, text: str = "x") -> Path:
    path.write_text(text)
    os.utime(path, (time.time() - 10,) * 2)
    return path


def test_equal_content_has_an_equal_digest_whatever_the_name_and_time(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x" * 3_000_000)
    written(tmp_path / "b", "x" * 3_000_000)
    written(tmp_path / "c", "x" * 2_999_999 + "y")
    a, b, c = (read(tmp_path / name) for name in "abc")
    assert a == b != c
    assert a is not None


def test_a_file_that_is_another_than_the_one_seen_has_no_digest(tmp_path: Path) -> None:
    before = fingerprint(written(tmp_path / "a").stat())
    written(tmp_path / "a", "longer")
    assert digest(str(tmp_path / "a"), before, threading.Event()) is None


def test_a_file_that_changes_while_it_is_read_has_no_digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path / "a")
    plain = os.read

    def read_slowly(file: int, size: int) -> bytes:
        piece = plain(file, size)
        path.write_text("longer")
        return piece

    monkeypatch.setattr(contents.os, "read", read_slowly)
    assert read(path) is None


def test_a_name_that_has_become_a_link_or_a_pipe_is_not_read(tmp_path: Path) -> None:
    seen = fingerprint(written(tmp_path / "secret").stat())
    (tmp_path / "link").symlink_to(tmp_path / "secret")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="symbolic links"):
        digest(str(tmp_path / "link"), seen, threading.Event())
    assert digest(str(tmp_path / "pipe"), seen, threading.Event()) is None


def test_reading_stops_when_nobody_waits_for_it_any_more(tmp_path: Path) -> None:
    stopped = threading.Event()
    stopped.set()
    with pytest.raises(Stopped):
        read(written(tmp_path / "a"), stopped)


def placed(path: Path) -> bool:
    return is_put_into_place(str(path), path.stat())


def test_a_file_renamed_into_place_is_complete_and_one_written_there_may_not_be(tmp_path: Path) -> None:
    (tmp_path / "written").write_text("x")
    written(tmp_path / "temporary").rename(tmp_path / "renamed")
    assert not placed(tmp_path / "written")
    assert placed(tmp_path / "renamed")


def test_a_file_that_somebody_has_open_for_writing_is_not_complete_whatever_its_times(tmp_path: Path) -> None:
    path = written(tmp_path / "a")
    with path.open("a"):
        assert not placed(path)
    assert placed(path)


def test_an_empty_file_may_be_about_to_be_written(tmp_path: Path) -> None:
    assert not placed(written(tmp_path / "a", ""))


def test_asking_disturbs_no_writer_and_does_not_end_the_process(tmp_path: Path) -> None:
    path = written(tmp_path / "a")
    ended = threading.Event()

    def ask() -> None:
        while not ended.is_set():
            is_put_into_place(str(path), path.stat())

    asking = threading.Thread(target=ask)
    asking.start()
    for number in range(500):
        path.write_text(str(number))
        os.utime(path, (1.0, 1.0))
    ended.set()
    asking.join()
    assert path.read_text() == "499"
    assert signal.getsignal(signal.SIGIO) is signal.SIG_DFL
