"""Selecting assets: by objects (`AssetSelection`) or by text, evaluated on an asset graph.

Assets that nothing here computes (external ones) are selected only by their key.
"""

from __future__ import annotations

import difflib
import fnmatch
from collections.abc import Callable, Collection, Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from typing import Protocol, TypeAlias, assert_never

from upwell.definitions import selection_syntax as syntax
from upwell.definitions.errors import DagsterInvalidSubsetError
from upwell.definitions.graph import AssetGraph
from upwell.definitions.keys import AssetCheckKey, AssetKey, CoercibleToAssetKey, CoercibleToAssetKeyPrefix
from upwell.definitions.snapshot import AssetNode
from upwell.definitions.specs import HasKey, key_of

Neighbours: TypeAlias = Callable[[str], Iterable[str]]


class HasCheckKeys(Protocol):
    """Anything that stands for checks: an `@asset_check`, what builds freshness checks."""

    @property
    def check_keys(self) -> AbstractSet[AssetCheckKey]: ...


class AssetSelection:
    """A way to choose assets of any graph; combine with `|`, `&` and `-`."""

    @staticmethod
    def all(include_sources: bool = False) -> AssetSelection:
        """Every asset that is computed here; with `include_sources` the external ones too."""
        return Matching("key", "*") if include_sources else Everything()

    @staticmethod
    def assets(*assets: HasKey | CoercibleToAssetKey) -> AssetSelection:
        """These; it is an error if one is not there. In text a slash separates the components of a key."""
        return Keys(tuple(sorted({_name(asset) for asset in assets})))

    @staticmethod
    def keys(*keys: CoercibleToAssetKey) -> AssetSelection:
        """The assets of these keys; it is an error if one is not there."""
        return AssetSelection.assets(*keys)

    @staticmethod
    def checks(*checks: HasCheckKeys | AssetCheckKey) -> AssetSelection:
        """These checks, to be run without their assets; it is an error if one is not there."""
        keys = [key for one in checks for key in ([one] if isinstance(one, AssetCheckKey) else one.check_keys)]
        return Checks(tuple(sorted({key.to_user_string() for key in keys})))

    @staticmethod
    def groups(*groups: str) -> AssetSelection:
        """The assets of any of these groups."""
        return _any_of(Matching("group", group) for group in groups)

    @staticmethod
    def key_prefixes(*prefixes: CoercibleToAssetKeyPrefix) -> AssetSelection:
        """The assets whose keys start with any of these components."""
        return _any_of(Matching("prefix", AssetKey(prefix).to_user_string()) for prefix in prefixes)

    @staticmethod
    def key_substring(text: str) -> AssetSelection:
        """The assets whose keys, written with slashes, hold this text."""
        return Matching("substring", text)

    @staticmethod
    def tag(key: str, value: str) -> AssetSelection:
        """The assets with this tag."""
        return Matching("tag", key, value)

    @staticmethod
    def tag_string(text: str) -> AssetSelection:
        """The assets with this tag, written `key=value` or `key`."""
        key, _, value = text.partition("=")
        return Matching("tag", key, value)

    @staticmethod
    def kind(kind: str) -> AssetSelection:
        """The assets of this kind."""
        return Matching("kind", kind)

    @staticmethod
    def owner(owner: str) -> AssetSelection:
        """The assets that this person or team owns."""
        return Matching("owner", owner)

    @staticmethod
    def from_string(text: str) -> AssetSelection:
        """What a selection string means; its language is described in `selection_syntax`.

        Raises:
            DagsterInvalidAssetSelectionError: it cannot be read.
        """
        return _meaning(syntax.parse(text))

    @staticmethod
    def from_coercible(given: CoercibleToAssetSelection) -> AssetSelection:
        """A selection given as itself, as text, or as a list of assets, keys and texts."""
        if isinstance(given, AssetSelection):
            return given
        if isinstance(given, str):
            return AssetSelection.from_string(given)
        if isinstance(given, HasKey | AssetKey):
            return AssetSelection.assets(given)
        return _any_of(AssetSelection.from_coercible(one) for one in given)

    def upstream(self, depth: int | None = None, include_self: bool = True) -> AssetSelection:
        """These and what they depend on, up to `depth` levels."""
        around = Upstream(self, depth)
        return around if include_self else around - self

    def downstream(self, depth: int | None = None, include_self: bool = True) -> AssetSelection:
        """These and what depends on them, up to `depth` levels."""
        around = Downstream(self, depth)
        return around if include_self else around - self

    def roots(self) -> AssetSelection:
        """Those of these that depend on no other of these."""
        return Ends(self, "roots")

    def sinks(self) -> AssetSelection:
        """Those of these on which no other of these depends."""
        return Ends(self, "sinks")

    def materializable(self) -> AssetSelection:
        """Those of these that are computed here."""
        return Everything() & self

    def __or__(self, other: AssetSelection) -> AssetSelection:
        return Union(self, other)

    def __and__(self, other: AssetSelection) -> AssetSelection:
        return Intersection(self, other)

    def __sub__(self, other: AssetSelection) -> AssetSelection:
        return Difference(self, other)

    def resolve(self, graph: AssetGraph) -> AbstractSet[AssetKey]:
        """The keys chosen in a graph.

        Raises:
            DagsterInvalidSubsetError: an asset that is named does not exist.
        """
        return {AssetKey.from_user_string(key) for key in select(graph, self)}


CoercibleToAssetSelection: TypeAlias = AssetSelection | str | AssetKey | HasKey | Sequence["CoercibleToAssetSelection"]


@dataclass(frozen=True)
class Everything(AssetSelection):
    """All that is computed here."""


@dataclass(frozen=True)
class Nothing(AssetSelection):
    """No asset."""


@dataclass(frozen=True)
class Keys(AssetSelection):
    """These keys, each of which has to exist."""

    names: tuple[str, ...]


@dataclass(frozen=True)
class Checks(AssetSelection):
    """These checks, each of which has to exist, and no asset."""

    names: tuple[str, ...]


@dataclass(frozen=True)
class Matching(AssetSelection):
    """Assets of which `attribute` is `text` (for tags: has the value `value`)."""

    attribute: str
    text: str
    value: str = ""


@dataclass(frozen=True)
class Upstream(AssetSelection):
    operand: AssetSelection
    depth: int | None


@dataclass(frozen=True)
class Downstream(AssetSelection):
    operand: AssetSelection
    depth: int | None


@dataclass(frozen=True)
class Ends(AssetSelection):
    """The roots or the sinks."""

    operand: AssetSelection
    which: str


@dataclass(frozen=True)
class Union(AssetSelection):
    left: AssetSelection
    right: AssetSelection


@dataclass(frozen=True)
class Intersection(AssetSelection):
    left: AssetSelection
    right: AssetSelection


@dataclass(frozen=True)
class Difference(AssetSelection):
    left: AssetSelection
    right: AssetSelection


def select(graph: AssetGraph, selection: CoercibleToAssetSelection) -> set[str]:
    """The keys (as in the graph) that a selection chooses.

    Raises:
        DagsterInvalidAssetSelectionError: a text that cannot be read.
        DagsterInvalidSubsetError: an asset that is named does not exist.
    """
    return _chosen(graph, AssetSelection.from_coercible(selection))


def select_checks(graph: AssetGraph, selection: CoercibleToAssetSelection) -> set[str]:
    """The checks (`asset:name`) that a selection names beside its assets; the checks of its assets run with these.

    Raises:
        DagsterInvalidSubsetError: a check that is named does not exist.
    """
    return _named_checks(graph, AssetSelection.from_coercible(selection))


def _named_checks(graph: AssetGraph, selection: AssetSelection) -> set[str]:
    match selection:
        case Checks():
            return _existing("check", graph.checks, selection.names)
        case Union(left=left, right=right):
            return _named_checks(graph, left) | _named_checks(graph, right)
        case Intersection(left=left, right=right):
            return _named_checks(graph, left) & _named_checks(graph, right)
        case Difference(left=left, right=right):
            return _named_checks(graph, left) - _named_checks(graph, right)
        case _:
            return set()


def select_existing(graph: AssetGraph, selection: AssetSelection) -> set[str]:
    """The same, where assets that are named need not exist."""
    return _chosen(graph, _existing_only(graph, selection))


def _existing_only(graph: AssetGraph, selection: AssetSelection) -> AssetSelection:
    match selection:
        case Keys():
            return Keys(tuple(name for name in selection.names if name in graph.assets))
        case Upstream() | Downstream() | Ends():
            return replace(selection, operand=_existing_only(graph, selection.operand))
        case Union() | Intersection() | Difference():
            left, right = (_existing_only(graph, side) for side in (selection.left, selection.right))
            return replace(selection, left=left, right=right)
        case _:
            return selection


def _chosen(graph: AssetGraph, selection: AssetSelection) -> set[str]:
    match selection:
        case Everything():
            return {key for key, node in graph.assets.items() if node.step is not None}
        case Nothing() | Checks():
            return set()
        case Keys():
            return _existing("asset", graph.assets, selection.names)
        case Matching():
            return {key for key, node in graph.assets.items() if _matches(node, selection)}
        case Upstream():
            start = _chosen(graph, selection.operand)
            found = _reached(start, graph.upstream, selection.depth)
            return start | {key for key in found if graph.assets[key].step is not None}
        case Downstream():
            start = _chosen(graph, selection.operand)
            return start | _reached(start, graph.downstream, selection.depth)
        case Ends():
            inside = _chosen(graph, selection.operand)
            towards = graph.upstream if selection.which == "roots" else graph.downstream
            return {key for key in inside if not any(other in inside and other != key for other in towards(key))}
        case Union():
            return _chosen(graph, selection.left) | _chosen(graph, selection.right)
        case Intersection():
            return _chosen(graph, selection.left) & _chosen(graph, selection.right)
        case Difference():
            return _chosen(graph, selection.left) - _chosen(graph, selection.right)
        case _:
            raise TypeError(f"{selection!r} is no selection; make one by AssetSelection.assets(…)")


def _existing(what: str, known: Collection[str], names: Collection[str]) -> set[str]:
    if missing := sorted(set(names) - set(known)):
        close = difflib.get_close_matches(missing[0], known, n=3)
        hint = f"; did you mean {' or '.join(map(repr, close))}?" if close else ". Is it spelled right, and loaded?"
        raise DagsterInvalidSubsetError(f"there is no {what} {', '.join(map(repr, missing))}{hint}")
    return set(names)


def _matches(node: AssetNode, wanted: Matching) -> bool:
    if wanted.attribute == "key":
        return fnmatch.fnmatchcase(node.key, wanted.text)
    if node.step is None:
        return False
    match wanted.attribute:
        case "group":
            return node.group == wanted.text
        case "tag":
            return node.tags.get(wanted.text) == wanted.value
        case "kind":
            return wanted.text in node.kinds
        case "owner":
            return wanted.text in node.owners
        case "prefix":
            return node.key == wanted.text or node.key.startswith(wanted.text + "/")
        case _:
            return wanted.text in node.key


def _reached(start: set[str], neighbours: Neighbours, depth: int | None) -> set[str]:
    found: set[str] = set()
    edge = start
    while edge and (depth is None or depth > 0):
        edge = {other for key in edge for other in neighbours(key)} - found - start
        found |= edge
        depth = None if depth is None else depth - 1
    return found


def _any_of(selections: Iterable[AssetSelection]) -> AssetSelection:
    together: AssetSelection = Nothing()
    for selection in selections:
        together = selection if isinstance(together, Nothing) else together | selection
    return together


def _name(asset: HasKey | CoercibleToAssetKey) -> str:
    return asset if isinstance(asset, str) else key_of(asset).to_user_string()


def _meaning(tree: syntax.Tree) -> AssetSelection:
    match tree:
        case syntax.Everything():
            return Everything()
        case syntax.Named():
            return Keys((tree.key,))
        case syntax.Attribute():
            return Matching(tree.field, tree.text, tree.value)
        case syntax.Around():
            operand = _meaning(tree.operand)
            around = operand if tree.up == 0 else operand.upstream(tree.up)
            return around if tree.down == 0 else around | operand.downstream(tree.down)
        case syntax.Call():
            return Ends(_meaning(tree.operand), tree.function)
        case syntax.Not():
            return Everything() - _meaning(tree.operand)
        case syntax.And():
            return _meaning(tree.left) & _meaning(tree.right)
        case syntax.Or():
            return _meaning(tree.left) | _meaning(tree.right)
        case _:
            assert_never(tree)
