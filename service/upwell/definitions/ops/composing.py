"""What the body of a `@graph` or `@job` does: each call of an op becomes a node, each value a handle of an output."""

from __future__ import annotations

import types
from collections import namedtuple
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any, Union, get_origin

from upwell.definitions.errors import DagsterInvalidDefinitionError, DagsterInvalidInvocationError
from upwell.definitions.ops.inputs_outputs import In
from upwell.definitions.ops.nodes import FanIn, FromInput, FromOutput, Link, Node, NodeDefinition, Use


@dataclass(frozen=True)
class OutputHandle:
    """The value that an output will have, or an input of the graph."""

    link: FromOutput | FromInput


@dataclass(frozen=True)
class DynamicHandle:
    """The values that a dynamic output will have."""

    link: FromOutput

    def map(self, function: Callable[[Any], Any]) -> Any:
        """Use ops for each of the values: `function` takes the handle of one, and what it returns is mapped in turn."""
        return _mapped(function(OutputHandle(replace(self.link, each=True))))

    def collect(self) -> CollectedHandle:
        """All values as a list."""
        return CollectedHandle(replace(self.link, collected=True))


@dataclass(frozen=True)
class CollectedHandle:
    """All values of a dynamic output, as a list."""

    link: FromOutput


class Composition:
    """The nodes of a graph, as they come to be."""

    def __init__(self) -> None:
        self.nodes: dict[str, Node] = {}

    def use(self, use: Use, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Add a node; answers with the handles of its outputs. (`Any`: handles of every kind.)

        Raises:
            DagsterInvalidDefinitionError: the arguments do not fit.
        """
        definition = use.definition
        name = self._name(use)
        links = {
            key: _link(value, key, definition)
            for key, value in _arguments(definition, args, kwargs).items()
            if value is not None
        }
        node = Node(
            name=name,
            definition=definition,
            links=links,
            hooks=use.hooks,
            retry_policy=use.retry_policy,
            tags=use.tags,
        )
        if len(sources := {self._source(link) for link in node.links_each}) > 1:
            raise definition.place.error(
                f"{name!r} would run for each value of {' and of '.join(sorted(sources))}; collect() one of them before"
            )
        self.nodes[name] = node
        return _handles(node)

    def _name(self, use: Use) -> str:
        name = use.given_name or use.definition.name
        if name not in self.nodes:
            return name
        if use.given_name is not None:
            raise use.definition.place.error(f"there are two {name!r} in one graph; choose another alias")
        number = 2
        while f"{name}_{number}" in self.nodes:
            number += 1
        return f"{name}_{number}"

    def _source(self, link: FromOutput) -> str:
        """The dynamic output that a link follows, if through others."""
        for further in self.nodes[link.node].links_each:
            return self._source(further)
        return f"{link.node}.{link.output}"


_COMPOSING: ContextVar[Composition | None] = ContextVar("composing", default=None)


@contextmanager
def composing() -> Iterator[Composition]:
    """A new graph, to which the ops that are called belong."""
    composition = Composition()
    token = _COMPOSING.set(composition)
    try:
        yield composition
    finally:
        _COMPOSING.reset(token)


def current_composition() -> Composition | None:
    """The graph whose body runs now; none outside of one."""
    return _COMPOSING.get()


def _arguments(definition: NodeDefinition, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    names = [name for name, one in definition.ins.items() if not one.is_nothing]
    names += [name for name in definition.ins if name not in names]
    if len(args) > len(names):
        raise definition.place.error(f"{definition.name!r} takes {len(names)} inputs, and got {len(args)}")
    found = dict(zip(names, args, strict=False))
    for key, value in kwargs.items():
        if key not in definition.ins:
            known = ", ".join(definition.ins) or "none"
            raise definition.place.error(f"{definition.name!r} has no input {key!r}; its inputs are: {known}")
        if key in found:
            raise DagsterInvalidInvocationError(f"{definition.name!r} is given its input {key!r} twice")
        found[key] = value
    return found


def _link(value: Any, name: str, definition: NodeDefinition) -> Link:
    what = f"input {name!r} of {definition.name!r}"
    match value:
        case OutputHandle():
            return value.link
        case CollectedHandle():
            _check_takes_list(definition.ins[name], what, definition)
            return value.link
        case list() | tuple() if value and all(isinstance(part, OutputHandle) for part in value):
            if hasattr(value, "_fields"):
                raise definition.place.error(
                    f"{what} got all {len(value)} outputs of another op; name the one that you mean"
                )
            _check_takes_list(definition.ins[name], what, definition)
            return FanIn(parts=tuple(part.link for part in value))
        case DynamicHandle():
            raise definition.place.error(f"{what} got a dynamic output; use its map(…) or collect()")
        case _:
            raise definition.place.error(
                f"{what} got {value!r}, which is no output of an op. A fixed value comes by config, or by an op"
            )


def _check_takes_list(given: In, what: str, definition: NodeDefinition) -> None:
    kind = given.dagster_type
    origin = get_origin(kind) or kind
    if kind is Any or origin in (Union, types.UnionType):
        return
    if isinstance(origin, type) and origin is not object and not issubclass(list, origin) and not given.is_nothing:
        raise definition.place.error(f"{what} gets a list, but is of type {kind}")


def _handles(node: Node) -> Any:
    """The handles of all outputs: none, one, or a named tuple."""
    each = next(node.links_each, None) is not None
    found: dict[str, Any] = {}
    for name, out in node.definition.outs.items():
        link = FromOutput(node=node.name, output=name, each=each)
        found[name] = DynamicHandle(link) if out.is_dynamic else OutputHandle(link)
    if len(found) > 1:
        return namedtuple(f"_{node.name}_outputs", list(found))(**found)
    return next(iter(found.values()), None)


def _mapped(result: Any) -> Any:
    match result:
        case OutputHandle(link=FromOutput() as link):
            return DynamicHandle(replace(link, each=False))
        case tuple() if hasattr(result, "_fields"):
            return type(result)(*map(_mapped, result))
        case tuple() | list():
            return tuple(map(_mapped, result))
        case _:
            return result


def output_link(value: Any, where: str) -> tuple[FromOutput, bool]:
    """What a graph returned for an output, and whether that is dynamic. (`Any`: whatever it returned.)

    Raises:
        DagsterInvalidDefinitionError: it is no output of an op.
    """
    match value:
        case OutputHandle(link=FromOutput() as link):
            return link, False
        case DynamicHandle(link=link):
            return link, True
        case _:
            raise DagsterInvalidDefinitionError(
                f"{where} is {value!r}, and has to be an output of an op that the graph uses"
            )


def given_input(name: str) -> OutputHandle:
    """The handle of an input of the graph."""
    return OutputHandle(FromInput(name=name))
