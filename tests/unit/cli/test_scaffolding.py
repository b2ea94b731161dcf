from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any


def test_init_makes_a_project_whose_definitions_are_valid(upwell: Callable[..., Any], monkeypatch: Any) -> None:
    assert upwell("init", "shop").exit_code == 0
    monkeypatch.chdir("shop")
    result = upwell("validate")
    assert (result.exit_code, result.stdout) == (0, "valid: 3 assets, 1 check\n")


def test_init_keeps_the_database_out_of_version_control(upwell: Callable[..., Any], project: Path) -> None:
    upwell("init", "shop")
    assert ".upwell/" in (project / "shop" / ".gitignore").read_text().splitlines()


def test_init_overwrites_nothing(upwell: Callable[..., Any], project: Path) -> None:
    (project / "definitions.py").write_text("mine")
    result = upwell("init", ".")
    assert result.exit_code == 2
    assert "definitions.py" in result.stderr
    assert [path.name for path in project.iterdir()] == ["definitions.py"]
    assert (project / "definitions.py").read_text() == "mine"


def test_the_readme_of_the_project_names_only_commands_that_there_are(
    upwell: Callable[..., Any], project: Path
) -> None:
    upwell("init", "shop")
    readme = (project / "shop" / "README.md").read_text()
    commands = [line.split()[1] for line in readme.splitlines() if line.startswith("    upwell")]
    assert len(commands) >= 5
    for command in commands:
        assert upwell(command, "--help").exit_code == 0
