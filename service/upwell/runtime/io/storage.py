"""Where files are kept: a local folder, or any URL that fsspec knows when it is installed."""

from __future__ import annotations

import contextlib
import importlib
import os
import secrets
from pathlib import Path
from typing import Any, Protocol


class Storage(Protocol):
    """Named files below a base. A reader never sees half a file."""

    def address(self, name: str) -> str:
        """The path or URL of a file, for people."""

    def write(self, name: str, content: bytes) -> None:
        """Make or replace a file as a whole."""

    def read(self, name: str) -> bytes:
        """The content of a file.

        Raises:
            FileNotFoundError: there is none.
        """

    def exists(self, name: str) -> bool:
        """Whether there is a file of this name."""

    def delete(self, name: str) -> None:
        """Remove a file, if there is one."""


def open_storage(base: str | os.PathLike[str]) -> Storage:
    """The storage at a local path or a URL (`s3://bucket/path`).

    Raises:
        ImportError: a URL was given and fsspec is not installed.
    """
    text = os.fspath(base)
    return UrlStorage(text) if "://" in text else LocalStorage(Path(text))


class LocalStorage:
    """Files in a folder; written beside their place and renamed."""

    def __init__(self, base: Path) -> None:
        self._base = base.absolute()

    def address(self, name: str) -> str:
        return str(self._base / name)

    def write(self, name: str, content: bytes) -> None:
        path = self._base / name
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.parent / f".{secrets.token_hex(8)}.tmp"
        try:
            temporary.write_bytes(content)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise

    def read(self, name: str) -> bytes:
        return (self._base / name).read_bytes()

    def exists(self, name: str) -> bool:
        return (self._base / name).is_file()

    def delete(self, name: str) -> None:
        (self._base / name).unlink(missing_ok=True)


class UrlStorage:
    """Files at a URL, through fsspec. Object stores show a file only when it is complete."""

    def __init__(self, url: str) -> None:
        try:
            fsspec = importlib.import_module("fsspec")
        except ImportError as error:
            raise ImportError(
                f"storing at {url} needs fsspec and its package for that kind of URL: pip install fsspec"
            ) from error
        # `Any`: fsspec has no types.
        self._files: Any
        self._files, self._base = fsspec.core.url_to_fs(url)
        self._url = url.rstrip("/")

    def address(self, name: str) -> str:
        return f"{self._url}/{name}"

    def write(self, name: str, content: bytes) -> None:
        path = self._path(name)
        self._files.makedirs(path.rpartition("/")[0], exist_ok=True)
        self._files.pipe_file(path, content)

    def read(self, name: str) -> bytes:
        content: bytes = self._files.cat_file(self._path(name))
        return content

    def exists(self, name: str) -> bool:
        return bool(self._files.isfile(self._path(name)))

    def delete(self, name: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            self._files.rm_file(self._path(name))

    def _path(self, name: str) -> str:
        return f"{self._base.rstrip('/')}/{name}"
