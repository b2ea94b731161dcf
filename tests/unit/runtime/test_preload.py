from __future__ import annotations

from pathlib import Path

from upwell.runtime.preload import code_folders, mentioned

MODULES = ("pandas", "pyarrow.parquet", "sklearn")


def test_only_what_the_source_imports_is_worth_loading(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text("import json\n# pandas is not used\n")
    assert mentioned(MODULES, [str(tmp_path)]) == []


def test_an_import_inside_a_function_counts(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text("def f():\n    from sklearn.linear_model import Ridge\n")
    assert mentioned(MODULES, [str(tmp_path / "shop.py")]) == ["sklearn"]


def test_frames_bring_parquet_along(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text("import pandas as pd\n")
    assert mentioned(MODULES, [str(tmp_path)]) == ["pandas", "pyarrow.parquet"]


def test_environments_and_hidden_folders_are_not_code(tmp_path: Path) -> None:
    for folder in ("src", "venv", ".upwell", "src/__pycache__"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.py").write_text("import pandas")
    (tmp_path / "venv" / "pyvenv.cfg").touch()
    assert list(code_folders(tmp_path)) == [tmp_path / "src"]


def test_a_missing_root_is_no_error() -> None:
    assert mentioned(MODULES, ["/nowhere/at/all"]) == []
