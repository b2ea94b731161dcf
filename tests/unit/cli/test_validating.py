from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

GOOD = "from upwell import asset\n\n@asset\ndef orders(): ...\n"


def test_valid_definitions_are_counted(upwell: Callable[..., Any], project: Path) -> None:
    sensors = "from upwell import schedule, sensor\n" + "".join(
        f"@{decorator}\ndef {name}(context): ...\n"
        for decorator, name in (("sensor(target=[orders])", "a"), ("sensor(target=[orders])", "b"))
    )
    nightly = "@schedule('@daily', target=[orders])\ndef nightly(context): ...\n"
    (project / "definitions.py").write_text(GOOD + sensors + nightly)
    result = upwell("validate")
    assert (result.exit_code, result.stdout) == (0, "valid: 1 asset, 2 sensors, 1 schedule\n")


def test_a_condition_that_the_service_does_not_act_on_is_noted(upwell: Callable[..., Any], project: Path) -> None:
    (project / "definitions.py").write_text(
        "from upwell import AutomationCondition as C, asset\n"
        "@asset(automation_condition=C.eager())\ndef followed(): ...\n"
        "@asset(automation_condition=C.on_missing())\ndef waiting(): ...\n"
        "@asset(automation_condition=C.eager().without(C.in_latest_time_window()))\ndef changed(): ...\n"
    )
    result = upwell("validate")
    assert result.exit_code == 0
    assert "definitions.py:4: note: the service does not act on the automation condition on_missing" in result.stdout
    assert "condition eager (changed) of 'changed'" in result.stdout
    assert "'followed'" not in result.stdout
    assert len(json.loads(upwell("validate", "--json").stdout)["notes"]) == 2


@pytest.mark.parametrize(
    ("code", "line", "message"),
    [
        ("import nosuchmodule\n", 1, "ModuleNotFoundError: No module named 'nosuchmodule'"),
        ("x = 1\ny = (\n", 2, "SyntaxError"),
        ("def f():\n    raise ValueError('no rows')\nf()\n", 2, "ValueError: no rows"),
        ("from upwell import sensor\n\n@sensor\ndef a(context): ...\n", 3, "@sensor takes parentheses"),
        ("from upwell import run_status_sensor as s\n\ns(run_status='x', monitored_jobs=['b'])(print)\n", 3, "Error: "),
        ("from upwell_sensors import cron\n\ncron(\n  '61 * * * *'\n)\n", 3, "Bad minute"),
        ("from upwell import asset\n@asset(deps=['b'])\ndef a(): ...\n@asset(deps=['a'])\ndef b(): ...\n", 2, "circle"),
    ],
)
def test_a_problem_is_told_with_its_file_and_line(
    code: str, line: int, message: str, upwell: Callable[..., Any], project: Path
) -> None:
    (project / "definitions.py").write_text(code)
    result = upwell("validate")
    assert result.exit_code == 1
    assert result.stdout.startswith(f"definitions.py:{line}: ")
    assert message in result.stdout


def test_every_problem_is_told(upwell: Callable[..., Any], project: Path) -> None:
    (project / "definitions.py").write_text(
        "from upwell import Definitions, asset\n"
        "@asset(name='a')\ndef one(): ...\n@asset(name='a')\ndef two(): ...\n"
        "@asset(name='b')\ndef three(): ...\n@asset(name='b')\ndef four(): ...\n"
        "defs = Definitions(assets=[one, two, three, four])\n"
    )
    result = upwell("validate", "--json")
    problems = json.loads(result.stdout)["problems"]
    assert result.exit_code == 1
    assert sorted("'a'" in problem["message"] for problem in problems) == [False, True]
    assert all(problem["file"].endswith("definitions.py") and problem["line"] for problem in problems)


def test_locations_that_do_not_fit_together_are_a_problem(
    upwell: Callable[..., Any], project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "two"):
        (project / f"{name}.py").write_text(GOOD)
    monkeypatch.setenv("UPWELL_LOCATIONS", json.dumps({name: {"files": [f"{name}.py"]} for name in ("one", "two")}))
    result = upwell("validate")
    assert result.exit_code == 1
    assert result.stdout.startswith("two.py:3: ")
    assert "defined twice" in result.stdout


def test_code_that_kills_its_process_is_a_problem_like_any_other(upwell: Callable[..., Any], project: Path) -> None:
    (project / "definitions.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n")
    result = upwell("validate")
    assert result.exit_code == 1
    assert "SIGSEGV" in result.stdout


def test_what_the_code_prints_does_not_come_between(upwell: Callable[..., Any], project: Path) -> None:
    (project / "definitions.py").write_text("print('hello')\n" + GOOD)
    assert json.loads(upwell("validate", "--json").stdout)["valid"] is True


def test_without_any_definitions_it_says_how_to_name_them(upwell: Callable[..., Any]) -> None:
    result = upwell("validate")
    assert result.exit_code == 2
    assert "-f FILE" in result.stderr


def test_a_file_that_is_not_there_is_wrong_usage(upwell: Callable[..., Any]) -> None:
    assert upwell("validate", "-f", "nosuch.py").exit_code == 2
