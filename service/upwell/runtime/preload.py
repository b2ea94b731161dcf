"""Which heavy libraries are worth having before user code is loaded: those that its source names."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

MOST_FILES = 500
"""Source files looked at; beyond that a library is loaded by each worker for itself, which only costs memory."""

MOST_FOLDERS = 300
"""Folders walked through in search of them."""

_USED_BY = {"pyarrow": ("pyarrow", "pandas", "polars")}
"""Who brings a package along: frames are stored as Parquet, which pyarrow writes."""

_NOT_CODE = frozenset({"node_modules", "site-packages", "__pycache__"})


def mentioned(modules: Sequence[str], roots: Sequence[str]) -> list[str]:
    """Those of `modules` whose package is imported somewhere in the Python files at or below `roots`.

    Reading is cheap and importing is not: pandas is 0.4 s and 90 MiB that a project without it should not pay for.
    """
    wanted = {module: _import_of(module.split(".")[0]) for module in modules}
    found: set[str] = set()
    for path in islice(_sources(roots), MOST_FILES):
        text = path.read_text(errors="replace")
        found |= {module for module in wanted.keys() - found if wanted[module].search(text)}
        if len(found) == len(wanted):
            break
    return [module for module in modules if module in found]


def _import_of(package: str) -> re.Pattern[str]:
    names = "|".join(map(re.escape, _USED_BY.get(package, (package,))))
    return re.compile(rf"^\s*(?:from|import)\s.*\b(?:{names})\b", re.MULTILINE)


def code_folders(root: Path) -> Iterator[Path]:
    """Folders at or below `root` that hold Python files: no hidden ones, no environments, no installed packages."""
    for folder, folders, files in islice(os.walk(root), MOST_FOLDERS):
        if "pyvenv.cfg" in files:
            folders.clear()
            continue
        folders[:] = [name for name in folders if not name.startswith(".") and name not in _NOT_CODE]
        if any(name.endswith(".py") for name in files):
            yield Path(folder)


def _sources(roots: Sequence[str]) -> Iterator[Path]:
    for root in map(Path, roots):
        if root.is_file():
            yield root
        for folder in code_folders(root):
            yield from (path for path in folder.glob("*.py") if path.is_file())
