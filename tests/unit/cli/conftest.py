from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from typer.testing import CliRunner

from upwell.cli.main import app

Upwell = Callable[..., Any]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, with no service at the address that the commands ask."""
    for name in ("UPWELL_CONFIG", "UPWELL_URL", "UPWELL_API_TOKEN", "UPWELL_FILES", "UPWELL_MODULES", "UPWELL_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("UPWELL_PORT", "1")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def upwell(project: Path) -> Iterator[Upwell]:
    """Runs a command line in the project; the result has `exit_code`, `stdout` and `stderr`."""

    def run(*arguments: str) -> Any:
        return CliRunner().invoke(app, arguments)

    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield run
    # Every command says where its log goes.
    structlog.reset_defaults()
    logging.captureWarnings(False)
    root.handlers[:] = handlers
    root.setLevel(level)
