"""Nodes of a graph and what connects them; and the base of what a node may be, an op or a graph."""

from __future__ import annotations

import keyword
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from upwell.definitions.ops.hooks import HookDefinition
from upwell.definitions.ops.inputs_outputs import In, Out
from upwell.definitions.retry_policy import RetryPolicy
from upwell.definitions.signature import Place

_NAME = re.compile(r"[A-Za-z0-9_]+")
_TAKEN = {
    *("context", "conf", "config", "meta", "arg_dict", "dict", "input_arg_dict", "output_arg_dict"),
    *("int", "str", "float", "bool", "input", "output", "type"),
    *keyword.kwlist,
}


@dataclass(frozen=True, kw_only=True)
class FromOutput:
    """The value of another node's output.

    `each`: one after the other of a dynamic output's values, so that the node runs for each of them; `collected`: all
    of them as a list.
    """

    node: str
    output: str
    each: bool = False
    collected: bool = False


@dataclass(frozen=True, kw_only=True)
class FromInput:
    """The value of an input of the graph around."""

    name: str


@dataclass(frozen=True, kw_only=True)
class FanIn:
    """Several values as a list; those of outputs that were left out are missing in it."""

    parts: tuple[FromOutput | FromInput, ...]


Link: TypeAlias = FromOutput | FromInput | FanIn


@dataclass(frozen=True, kw_only=True)
class Node:
    """One use of an op or a graph within a graph."""

    name: str
    definition: NodeDefinition
    links: Mapping[str, Link]
    hooks: frozenset[HookDefinition] = frozenset()
    retry_policy: RetryPolicy | None = None
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def sources(self) -> frozenset[str]:
        """The nodes that it reads from."""
        parts = (part for link in self.links.values() for part in (link.parts if isinstance(link, FanIn) else (link,)))
        return frozenset(part.node for part in parts if isinstance(part, FromOutput))

    @property
    def links_each(self) -> Iterator[FromOutput]:
        """The links that make it run once for each value."""
        for link in self.links.values():
            for part in link.parts if isinstance(link, FanIn) else (link,):
                if isinstance(part, FromOutput) and part.each:
                    yield part


class NodeDefinition(ABC):
    """What ops and graphs have in common: a name, inputs, outputs, and being called within a graph."""

    name: str
    place: Place

    @property
    @abstractmethod
    def ins(self) -> Mapping[str, In]:
        """The inputs by name, in the order of the arguments."""

    @property
    @abstractmethod
    def outs(self) -> Mapping[str, Out]:
        """The outputs by name."""

    @property
    @abstractmethod
    def required_resource_keys(self) -> frozenset[str]:
        """The resources that running it takes, those of hooks included."""

    @abstractmethod
    def called(self, use: Use, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Call it, within a graph or directly. (`Any`: values, or handles of outputs within a graph.)"""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Within a graph: use it there. Else: call the function. (`Any`: as above.)"""
        return self.called(Use(self), args, kwargs)

    def alias(self, name: str) -> Use:
        """The same under another name, within a graph."""
        return Use(self).alias(name)

    def tag(self, tags: Mapping[str, str]) -> Use:
        """The same with more tags, within a graph."""
        return Use(self).tag(tags)

    def with_hooks(self, hook_defs: Iterable[HookDefinition]) -> Use:
        """The same with hooks, within a graph."""
        return Use(self).with_hooks(hook_defs)

    def with_retry_policy(self, retry_policy: RetryPolicy) -> Use:
        """The same with another retry policy, within a graph."""
        return Use(self).with_retry_policy(retry_policy)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"


@dataclass(frozen=True)
class Use:
    """An op or a graph as it is going to be used within a graph; calling it uses it."""

    definition: NodeDefinition
    given_name: str | None = None
    hooks: frozenset[HookDefinition] = frozenset()
    retry_policy: RetryPolicy | None = None
    tags: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.definition.called(self, args, kwargs)

    def alias(self, name: str) -> Use:
        """The same under another name.

        Raises:
            DagsterInvalidDefinitionError: it is no valid name.
        """
        checked_name(name, self.definition.place)
        return Use(self.definition, name, self.hooks, self.retry_policy, self.tags)

    def tag(self, tags: Mapping[str, str]) -> Use:
        """The same with more tags."""
        return Use(self.definition, self.given_name, self.hooks, self.retry_policy, {**self.tags, **tags})

    def with_hooks(self, hook_defs: Iterable[HookDefinition]) -> Use:
        """The same with more hooks."""
        hooks = self.hooks | frozenset(hook_defs)
        return Use(self.definition, self.given_name, hooks, self.retry_policy, self.tags)

    def with_retry_policy(self, retry_policy: RetryPolicy) -> Use:
        """The same with another retry policy."""
        return Use(self.definition, self.given_name, self.hooks, retry_policy, self.tags)


def checked_name(name: str, place: Place) -> str:
    """`name`, if an op, a graph or a job can have it.

    Raises:
        DagsterInvalidDefinitionError: it cannot.
    """
    if not _NAME.fullmatch(name):
        raise place.error(f"{name!r} is no valid name: use letters, digits and underscores")
    if name in _TAKEN:
        raise place.error(f"{name!r} cannot be a name here, for it means something else. Choose another one")
    return name
