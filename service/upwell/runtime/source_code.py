"""The source files of a code location: collected after loading, and importable again as they were then.

A worker that replaces another one must run the same code, also when the files have been changed since: a broken deploy
must not spread through workers that happen to be replaced.
"""

from __future__ import annotations

import hashlib
import importlib.abc
import importlib.machinery
import importlib.util
import linecache
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import CodeType, ModuleType

from upwell.runtime.messages import LocationSpec, SourceFile


def collect_sources(spec: LocationSpec, known: Sequence[SourceFile] = ()) -> tuple[SourceFile, ...]:
    """The modules imported so far from below the location's folders; those that are `known` as they were then."""
    remembered = {source.module: source for source in known}
    folders = _folders(spec)
    libraries = tuple(sysconfig.get_path(name) for name in ("purelib", "platlib", "stdlib"))
    found = []
    for name, module in sorted(sys.modules.items()):
        if name in remembered:
            found.append(remembered[name])
            continue
        path = _source_path(module)
        if path is None or name.startswith(("upwell.", "upwell_sensors.")) or str(path).startswith(libraries):
            continue
        if any(path.is_relative_to(folder) for folder in folders):
            text = importlib.util.decode_source(path.read_bytes())  # with the encoding that it declares
            found.append(SourceFile(module=name, path=str(path), text=text, package=hasattr(module, "__path__")))
    return tuple(found)


def fingerprint(sources: Sequence[SourceFile]) -> str:
    """A hash of names and content."""
    digest = hashlib.sha256()
    for source in sources:
        digest.update(f"{source.path}\0{source.text}\0".encode())
    return digest.hexdigest()[:16]


class RememberedSources(importlib.abc.MetaPathFinder):
    """Finds modules among sources that were collected earlier, before anybody looks at the disk."""

    def __init__(self, sources: Sequence[SourceFile]) -> None:
        self._sources: Mapping[str, SourceFile] = {source.module: source for source in sources}
        for source in sources:
            # Tracebacks show the lines that ran; an entry without a time is never compared with the disk.
            linecache.cache[source.path] = (len(source.text), None, source.text.splitlines(True), source.path)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """The way to load the module, if it is one of them."""
        source = self._sources.get(fullname)
        if source is None:
            return None
        return importlib.util.spec_from_file_location(
            fullname,
            source.path,
            loader=_RememberedLoader(source),
            submodule_search_locations=[str(Path(source.path).parent)] if source.package else None,
        )


class _RememberedLoader(importlib.machinery.SourceFileLoader):
    def __init__(self, source: SourceFile) -> None:
        super().__init__(source.module, source.path)
        self._source = source

    def get_code(self, fullname: str) -> CodeType:
        # Not the inherited one: that would take bytecode which fits the file as it is now.
        code: CodeType = self.source_to_code(self._source.text, self._source.path)
        return code

    def get_source(self, fullname: str) -> str:
        return self._source.text


def _folders(spec: LocationSpec) -> set[Path]:
    directory = Path(spec.working_directory).resolve()
    return {directory, *((directory / file).resolve().parent for file in spec.files)}


def _source_path(module: object) -> Path | None:
    file = getattr(module, "__file__", None)
    if not isinstance(file, str) or not file.endswith(".py"):
        return None
    path = Path(file).resolve()
    return path if path.is_file() else None
