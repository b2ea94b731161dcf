from __future__ import annotations

from upwell.events import RunId
from upwell.execution.run_under_way import log_path

RUN = RunId("0123abcd")


def test_a_log_is_found_by_run_step_and_attempt() -> None:
    assert log_path(RUN, "raw_orders@2024-01-05", 2) == "0123abcd/raw_orders@2024-01-05.2.log"


def test_no_step_leads_out_of_the_folder_of_its_run() -> None:
    for step in ("../../etc/passwd", "a/b", "..", "a\\b", "a\0b"):
        folder, _, name = log_path(RUN, step, 1).partition("/")
        assert folder == RUN
        assert "/" not in name
        assert "\\" not in name
        assert "\0" not in name
        assert name not in ("", ".", "..")


def test_two_steps_never_share_a_log_however_long_their_names() -> None:
    names = {log_path(RUN, step, 1) for step in ("a/b", "a_b", "a%2Fb", "x" * 400, "x" * 399 + "y", "ü" * 100)}
    assert len(names) == 6
    assert all(len(name.encode()) < 255 for name in names)
