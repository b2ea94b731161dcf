"""Imports user code and describes it: the only place where that happens."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import os
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from upwell.definitions.definitions import Definitions, project_from_module
from upwell.definitions.describing import build_snapshot
from upwell.definitions.snapshot import Snapshot
from upwell.errors import DefinitionError
from upwell.events import ErrorInfo
from upwell.runtime.code import Code
from upwell.runtime.io.filesystem import FilesystemIOManager
from upwell.runtime.messages import LoadLocation, LocationReport, LocationSpec
from upwell.runtime.tracebacks import error_info

__all__ = ["LocationSpec", "load"]


def load(message: LoadLocation) -> tuple[Code | None, LocationReport]:
    """Import the code of a location and describe it; whatever is wrong with it is in the report."""
    spec = message.spec
    try:
        modules = import_code(spec)
        files = source_files(spec)
        code, snapshot = _describe(modules, message, files)
    except DefinitionError as error:
        # The message names each problem with its file and line; where we noticed it is of no interest.
        problem = ErrorInfo(type=type(error).__name__, message=str(error))
        return None, LocationReport(error=problem, files=source_files(spec))
    except BaseException as error:  # noqa: BLE001 - user code may raise anything, SystemExit too
        return None, LocationReport(error=error_info(error), files=source_files(spec))
    return code, LocationReport(snapshot=snapshot, files=files)


def import_code(spec: LocationSpec) -> list[ModuleType]:
    """The modules that hold the location's definitions, with the working directory and import path that they expect."""
    directory = Path(spec.working_directory).resolve()
    os.chdir(directory)
    if spec.modules:
        _put_first(directory)
    files = [_import_file(directory / file) for file in spec.files]
    return files + [importlib.import_module(name) for name in spec.modules]


def source_files(spec: LocationSpec) -> tuple[str, ...]:
    """The Python files below the location's folders that have been imported so far, and those that it names."""
    directory = Path(spec.working_directory).resolve()
    named = [(directory / file).resolve() for file in spec.files]
    folders = {directory, *(file.parent for file in named)}
    libraries = tuple({sysconfig.get_path("purelib"), sysconfig.get_path("platlib"), sysconfig.get_path("stdlib")})
    found = {
        str(path)
        for path in _imported_files()
        if any(path.is_relative_to(folder) for folder in folders) and not str(path).startswith(libraries)
    }
    return tuple(sorted(found | {str(file) for file in named}))


def hash_of(files: tuple[str, ...]) -> str:
    """A fingerprint of the content of source files."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file}\0".encode())
        digest.update(Path(file).read_bytes())
    return digest.hexdigest()[:16]


def _put_first(folder: Path) -> None:
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))


def _import_file(file: Path) -> ModuleType:
    """Import a file under its own name, so that what it defines can be found again by that name."""
    _put_first(file.parent)
    name = file.stem if file.stem not in sys.modules else f"{file.stem}_{hashlib.sha256(bytes(file)).hexdigest()[:8]}"
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _imported_files() -> Iterator[Path]:
    for name, module in list(sys.modules.items()):
        if not name.startswith("upwell.") and (file := getattr(module, "__file__", None)):
            path = Path(file).resolve()
            if path.suffix == ".py" and path.is_file():
                yield path


def _describe(modules: list[ModuleType], message: LoadLocation, files: tuple[str, ...]) -> tuple[Code, Snapshot]:
    found = [project_from_module(module) for module in modules]
    definitions = found[0] if len(found) == 1 else Definitions.merge(*found)
    snapshot = build_snapshot(definitions, message.spec.name, hash_of(files))
    storage = FilesystemIOManager(Path(message.home) / "storage")
    return Code(definitions=definitions, default_io_manager=storage), snapshot
