"""Runs the cases, and records what Dagster answers.

In an environment of its own: `pip install 'dagster==1.13.*'`, then `python tests/parity/record.py`, which writes
golden.json beside this file. `python tests/parity/record.py NAME` prints what one case answers. The cases are compared
with Upwell by test_parity.py, which needs no Dagster.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import logging
import sys
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

HERE = Path(__file__).resolve().parent
GOLDEN = HERE / "golden.json"


def cases() -> list[str]:
    """The names of all cases."""
    return sorted(path.stem for path in (HERE / "cases").glob("*.py"))


def answer(name: str, dg: ModuleType) -> Any:
    """What a case answers with a module, as JSON has it."""
    value = load(HERE / "cases" / f"{name}.py").run(dg, load(HERE / "kit.py"))
    return json.loads(json.dumps(value, sort_keys=True))


def load(path: Path) -> ModuleType:
    """The module in a file that is not on the import path."""
    spec = importlib.util.spec_from_file_location(f"parity_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main() -> None:
    warnings.simplefilter("ignore")
    logging.disable()
    dg = importlib.import_module("dagster")
    chosen = sys.argv[1:] or cases()
    found = {name: answer(name, dg) for name in chosen}
    if sys.argv[1:]:
        print(json.dumps(found, indent=1, sort_keys=True))
        return
    recorded = {"module": "dagster", "version": dg.__version__, "cases": found}
    GOLDEN.write_text(json.dumps(recorded, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
