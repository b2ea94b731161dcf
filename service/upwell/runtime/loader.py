"""Imports user code and describes it: the only place where that happens."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import os
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

from upwell.definitions.definitions import Definitions, project_from_module
from upwell.definitions.describing import build_snapshot
from upwell.definitions.snapshot import Snapshot
from upwell.errors import DefinitionError, DefinitionErrors
from upwell.events import ErrorInfo
from upwell.runtime.code import Code
from upwell.runtime.io.filesystem import FilesystemIOManager
from upwell.runtime.messages import LoadLocation, LocationReport, LocationSpec
from upwell.runtime.source_code import RememberedSources, collect_sources, fingerprint
from upwell.runtime.tracebacks import error_info, users_place

__all__ = ["LocationSpec", "load"]


def load(message: LoadLocation) -> tuple[Code | None, LocationReport]:
    """Import the code of a location and describe it; whatever is wrong with it is in the report."""
    try:
        modules = _import_code(message)
        sources = collect_sources(message.spec, message.sources)
        code, snapshot = _describe(modules, message, fingerprint(sources))
    except DefinitionError as error:
        # The message names each problem with its file and line; where we noticed it is of no interest.
        return None, LocationReport(error=ErrorInfo(type=type(error).__name__, message=_with_its_place(error)))
    except BaseException as error:  # noqa: BLE001 - user code may raise anything, SystemExit too
        return None, LocationReport(error=error_info(error))
    return code, LocationReport(snapshot=snapshot, sources=() if message.sources else sources)


def _with_its_place(error: DefinitionError) -> str:
    """The message; what a declaration refused while it was imported stands where the user's code called it."""
    if error.file is None and not isinstance(error, DefinitionErrors) and (place := users_place(error.__traceback__)):
        return f"{place[0]}:{place[1]}: {error}"
    return str(error)


def _import_code(message: LoadLocation) -> list[ModuleType]:
    """The modules that hold the definitions, with the working directory and import path that they expect."""
    spec = message.spec
    directory = Path(spec.working_directory).resolve()
    os.chdir(directory)
    if message.sources:
        sys.meta_path.insert(0, RememberedSources(message.sources))
    if spec.modules:
        _put_first(directory)
    files = [_import_file((directory / file).resolve()) for file in spec.files]
    return files + [importlib.import_module(name) for name in spec.modules]


def _put_first(folder: Path) -> None:
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))


def _import_file(file: Path) -> ModuleType:
    """Import a file under its own name, so that what it defines can be found again by that name."""
    _put_first(file.parent)
    name = file.stem if file.stem not in sys.modules else f"{file.stem}_{hashlib.sha256(bytes(file)).hexdigest()[:8]}"
    spec = _remembered(name) or importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _remembered(name: str) -> ModuleSpec | None:
    finders = (finder for finder in sys.meta_path if isinstance(finder, RememberedSources))
    return next((spec for finder in finders if (spec := finder.find_spec(name, None))), None)


def _describe(modules: list[ModuleType], message: LoadLocation, code_hash: str) -> tuple[Code, Snapshot]:
    found = [project_from_module(module) for module in modules]
    definitions = found[0] if len(found) == 1 else Definitions.merge(*found)
    snapshot = build_snapshot(definitions, message.spec.name, code_hash)
    storage = FilesystemIOManager(Path(message.home) / "storage")
    return Code(definitions=definitions, default_io_manager=storage), snapshot
