from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from upwell.cli.failures import CommandError, Unreachable, UsageError
from upwell.cli.main import ENTRIES, LazyCommands, exit_code, load
from upwell.errors import (
    DefinitionError,
    JournalError,
    JournalUnavailable,
    RunError,
    SelectionError,
    SettingsError,
    SourceError,
    UpwellError,
)

HEAVY = {"fastapi", "sqlalchemy", "uvicorn", "alembic", "pandas", "pyarrow", "httpx", "pydantic_settings"}


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["nosuch"], []])
def test_what_needs_no_command_loads_no_heavy_library(arguments: list[str]) -> None:
    script = (
        f"import sys\nfrom upwell.cli.main import app\n"
        f"try: app({arguments})\nfinally: print(sorted({HEAVY} & {{*sys.modules}}))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_every_command_can_be_loaded_and_says_what_it_does(entry: Any, upwell: Callable[..., Any]) -> None:
    assert load(entry).help
    assert upwell(entry.name, "--help").exit_code == 0


def test_the_help_names_every_command_of_the_contract(upwell: Callable[..., Any]) -> None:
    text = upwell("--help").stdout
    for name in (
        "init",
        "dev",
        "serve",
        "materialize",
        "list",
        "status",
        "explain",
        "validate",
        "events",
        "db",
        "sensors",
        "schedules",
    ):
        assert f" {name} " in text


def test_a_misspelt_command_is_wrong_usage_and_gets_a_hint(upwell: Callable[..., Any]) -> None:
    result = upwell("stats")
    assert result.exit_code == 2
    assert "status" in result.stderr


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (DefinitionError("a cycle"), 1),
        (RunError("raw_orders failed"), 1),
        (CommandError("it did not work"), 1),
        (SourceError("broken"), 1),
        (SettingsError("UPWELL_PORT"), 2),
        (SelectionError("cannot be read"), 2),
        (UsageError("say it otherwise"), 2),
        (JournalError("in use"), 3),
        (JournalUnavailable("gone"), 3),
        (Unreachable("nobody answers"), 3),
    ],
)
def test_errors_have_the_exit_codes_of_the_contract(error: UpwellError, code: int) -> None:
    assert exit_code(error) == code


class TestErrorsOfTaskGroups:
    def _raise(self, error: BaseException, monkeypatch: pytest.MonkeyPatch, upwell: Callable[..., Any]) -> Any:
        def fail(*_: Any) -> None:
            raise error

        monkeypatch.setattr(LazyCommands, "resolve_command", fail)
        return upwell("status")

    def test_are_told_one_by_one(self, monkeypatch: pytest.MonkeyPatch, upwell: Callable[..., Any]) -> None:
        group = BaseExceptionGroup("", [ExceptionGroup("", [SettingsError("no port")]), JournalUnavailable("no disk")])
        result = self._raise(group, monkeypatch, upwell)
        assert result.exit_code == 3
        assert result.stderr == "upwell: no port\nupwell: no disk\n"

    def test_that_nobody_foresaw_keep_their_traceback(
        self, monkeypatch: pytest.MonkeyPatch, upwell: Callable[..., Any]
    ) -> None:
        group = ExceptionGroup("", [SettingsError("no port"), ZeroDivisionError()])
        assert self._raise(group, monkeypatch, upwell).exception is group


def test_a_wrong_setting_ends_a_command_with_its_name(
    monkeypatch: pytest.MonkeyPatch, upwell: Callable[..., Any]
) -> None:
    monkeypatch.setenv("UPWELL_PORT", "abc")
    result = upwell("status")
    assert result.exit_code == 2
    assert result.stderr.startswith("upwell: UPWELL_PORT='abc' cannot be used")
