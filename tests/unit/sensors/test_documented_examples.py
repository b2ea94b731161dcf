"""The examples for files and timers in the docs can be pasted into a file and loaded."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

SOURCES = Path(__file__).parents[3] / "docs" / "sources.md"


@pytest.mark.parametrize("section", ["Files", "Timers"])
def test_the_example_of_a_section_is_valid_as_it_stands(section: str, tmp_path: Path) -> None:
    text = SOURCES.read_text().partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    [example] = re.findall(r"```python\n(.*?)```", text, re.S)
    (tmp_path / "definitions.py").write_text(example)
    upwell = Path(sys.executable).with_name("upwell")
    done = subprocess.run(
        [upwell, "validate", "-f", "definitions.py"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
