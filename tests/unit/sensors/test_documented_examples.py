"""docs/sources.md has one whole example for each source, which can be pasted into a file and loaded."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import upwell_sensors

SOURCES = Path(__file__).parents[3] / "docs" / "sources.md"
SECTIONS = dict(part.split("\n", 1) for part in SOURCES.read_text().split("\n## ")[1:])
EXAMPLES = {title: re.findall(r"```python\n(.*?)```", text, re.S) for title, text in SECTIONS.items()}


@pytest.mark.parametrize("source", upwell_sensors.__all__)
def test_every_source_is_shown_in_the_example_of_one_section(source: str) -> None:
    imported = re.compile(rf"^from upwell_sensors import .*\b{source}\b", re.M)
    showing = [example for examples in EXAMPLES.values() for example in examples if imported.search(example)]
    assert len(showing) == 1
    assert re.search(rf"\b{source}\(", showing[0])


@pytest.mark.parametrize("section", [title for title, examples in EXAMPLES.items() if examples])
def test_the_example_of_a_section_is_valid_as_it_stands(section: str, tmp_path: Path) -> None:
    [example] = EXAMPLES[section]
    (tmp_path / "definitions.py").write_text(example)
    upwell = Path(sys.executable).with_name("upwell")
    done = subprocess.run(
        [upwell, "validate", "-f", "definitions.py"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
