"""The example of docs/ops.md is a definition file as it stands, and runs."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType

import pytest

import upwell as up


def test_the_example_loads_and_its_job_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    page = (Path(__file__).parents[3] / "docs" / "ops.md").read_text()
    (example,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    module = ModuleType("example")
    exec(compile(example, "docs/ops.md", "exec"), vars(module))
    defs: up.Definitions = module.defs
    up.Definitions.validate_loadable(defs)
    monkeypatch.setenv("SHOP_TOKEN", "x")
    result = defs.resolve_job_def("report").execute_in_process(
        run_config={"ops": {"fetch": {"config": {"day": "2024-01-05"}}}}
    )
    assert [one.metadata["rows"].value for one in result.asset_materializations_for_node("tell")] == [3]
