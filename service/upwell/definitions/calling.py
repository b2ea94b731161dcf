"""A function of a sensor or a schedule: which of its arguments is what, and calling it directly in a test."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from upwell.definitions.compute import Style, UserFunction
from upwell.definitions.errors import DagsterInvalidDefinitionError, DagsterInvalidInvocationError
from upwell.definitions.resources import ConfigurableResourceFactory
from upwell.definitions.signature import Place, annotation_of, is_resource, name_of, place_of, style_of


@dataclass(frozen=True, kw_only=True)
class CalledFunction:
    """A user's function that is called with a context and resources.

    Attributes:
        arguments: those that are no resources, in order: the first gets the context, whatever its name.
        resources: the arguments that get resources, by key.
    """

    function: UserFunction
    name: str
    style: Style
    place: Place
    arguments: tuple[str, ...]
    resources: frozenset[str]

    def with_resources(self, found: Any, noun: str, name: str) -> dict[str, Any]:
        """The resource arguments out of `context.resources`. (`Any`: resources are whatever users make them.)

        Raises:
            DagsterInvalidDefinitionError: one is not there.
        """
        check_resources(self.resources, found, noun, name)
        return {key: getattr(found, key) for key in self.resources}


def called_function(function: object, place: Place | None = None) -> CalledFunction:
    """The roles of a function's arguments.

    Raises:
        TypeError: it is no function.
    """
    if not callable(function):
        raise TypeError(f"{function!r} is no function; decorate the function that is to be called")
    given = inspect.signature(function).parameters.values()
    parameters = [each for each in given if each.kind not in (each.VAR_KEYWORD, each.VAR_POSITIONAL)]
    resources = {each.name for each in parameters if is_resource(annotation_of(function, each.annotation))}
    return CalledFunction(
        function=function,
        name=name_of(function),
        style=style_of(function),
        place=place or place_of(function),
        arguments=tuple(each.name for each in parameters if each.name not in resources),
        resources=frozenset(resources),
    )


def check_resources(keys: Collection[str], found: Any, noun: str, name: str) -> None:
    """See that each resource is there. (`Any`: the `resources` of some context.)

    Raises:
        DagsterInvalidDefinitionError: one is not.
    """
    for key in sorted(keys):
        if not hasattr(found, key):
            raise DagsterInvalidDefinitionError(
                f"{noun} {name!r} needs the resource {key!r}, which was not given: "
                f"Definitions(resources={{{key!r}: …}}), or resources={{{key!r}: …}} for the context of a test"
            )


def direct_context(
    called: CalledFunction, args: tuple[Any, ...], kwargs: Mapping[str, Any], noun: str
) -> tuple[Any, dict[str, Any]]:
    """What somebody who calls the function directly gave: the context, or none, and resources by key.

    Raises:
        DagsterInvalidInvocationError: the context is missing, or there is more than the function takes.
        TypeError: something else than a context.
    """
    resources = {key: value for key, value in kwargs.items() if key in called.resources}
    others = {key: value for key, value in kwargs.items() if key not in resources}
    wanted = called.arguments[0] if called.arguments else None
    if len(args) + len(others) > 1 or any(isinstance(given, ConfigurableResourceFactory) for given in args):
        raise DagsterInvalidInvocationError(
            f"{called.name} takes its context as the only plain argument; give resources by keyword"
        )
    if args:
        context = args[0]
    elif wanted is not None and wanted not in others:
        raise DagsterInvalidInvocationError(
            f"{called.name} expects its context as {wanted!r}: {called.name}(build_{noun}_context())"
        )
    else:
        context = next(iter(others.values()), None)
    if context is not None and not hasattr(context, "merge_resources"):
        raise TypeError(f"{called.name} is called with the context of a {noun}, not with {context!r}")
    return context, resources
