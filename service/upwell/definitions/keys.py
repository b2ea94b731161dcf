"""How assets and checks are named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, init=False, repr=False, order=True)
class AssetKey:
    """The name of an asset: one or more components, written `a/b` for people.

    A string is one component, also when it holds a slash (`AssetKey("a/b")` has one); `from_user_string` splits.
    """

    path: tuple[str, ...]

    def __init__(self, path: str | Sequence[str]) -> None:
        components = (path,) if isinstance(path, str) else tuple(path)
        for component in components:
            if not isinstance(component, str):
                raise TypeError(f"an asset key is made of strings, not {component!r}: AssetKey(['prefix', 'name'])")
        object.__setattr__(self, "path", components)

    @property
    def parts(self) -> Sequence[str]:
        """The components."""
        return self.path

    def to_user_string(self) -> str:
        """The components joined by slashes; the form used in the journal, the API and on the command line."""
        return "/".join(self.path)

    def to_python_identifier(self, suffix: str | None = None) -> str:
        """The components (and `suffix`) joined so that the result can name a step."""
        parts = (*self.path, suffix) if suffix is not None else self.path
        return "__".join(part.replace("-", "_").replace(".", "_") for part in parts)

    @staticmethod
    def from_user_string(text: str) -> AssetKey:
        """The key that `to_user_string` wrote."""
        return AssetKey(text.split("/"))

    @staticmethod
    def from_coercible(key: CoercibleToAssetKey) -> AssetKey:
        """A key given as itself, as one component or as a list of components."""
        return key if isinstance(key, AssetKey) else AssetKey(key)

    def with_prefix(self, prefix: CoercibleToAssetKeyPrefix) -> AssetKey:
        """This key below `prefix`."""
        return AssetKey([*_components(prefix), *self.path])

    def has_prefix(self, prefix: Sequence[str]) -> bool:
        """Whether the key starts with these components."""
        return self.path[: len(prefix)] == tuple(prefix)

    def __repr__(self) -> str:
        return f"AssetKey({list(self.path)})"

    __str__ = __repr__


CoercibleToAssetKeyPrefix: TypeAlias = str | Sequence[str]
CoercibleToAssetKey: TypeAlias = AssetKey | str | Sequence[str]


@dataclass(frozen=True, order=True)
class AssetCheckKey:
    """The name of a check: its asset, and a name among that asset's checks."""

    asset_key: AssetKey
    name: str

    def to_user_string(self) -> str:
        """`asset:name`, the form used in the journal."""
        return f"{self.asset_key.to_user_string()}:{self.name}"

    @staticmethod
    def from_user_string(text: str) -> AssetCheckKey:
        """The key that `to_user_string` wrote."""
        asset, _, name = text.rpartition(":")
        return AssetCheckKey(AssetKey.from_user_string(asset), name)


def _components(prefix: CoercibleToAssetKeyPrefix) -> Sequence[str]:
    return (prefix,) if isinstance(prefix, str) else prefix
