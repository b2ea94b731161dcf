"""Hooks: what is to be done after each op that succeeded, or failed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, overload

from upwell.definitions.calling import check_resources
from upwell.definitions.signature import name_of

HookFunction = Callable[[Any], Any]
"""Takes a `HookContext`."""


@dataclass(frozen=True)
class HookDefinition:
    """A function that is called after an op: `when` it succeeded, or failed for good."""

    name: str
    hook_fn: HookFunction
    when: Literal["success", "failure"]
    required_resource_keys: frozenset[str] = frozenset()

    def __call__(self, context: Any) -> Any:
        """What the function gives, for a test: `told(build_hook_context())`.

        Raises:
            DagsterInvalidDefinitionError: the context lacks a resource.
        """
        check_resources(self.required_resource_keys, context.resources, "hook", self.name)
        return self.hook_fn(context)


Declare: TypeAlias = Callable[[HookFunction], HookDefinition]
"""What decorates a function with options."""


@overload
def success_hook(hook_fn: HookFunction, /) -> HookDefinition: ...


@overload
def success_hook(
    hook_fn: None = None, *, name: str | None = ..., required_resource_keys: Iterable[str] | None = ...
) -> Declare: ...


def success_hook(
    hook_fn: HookFunction | None = None,
    *,
    name: str | None = None,
    required_resource_keys: Iterable[str] | None = None,
) -> HookDefinition | Declare:
    """Declare that a function is called after each op that succeeded."""
    return _declared("success", hook_fn, name, required_resource_keys)


@overload
def failure_hook(hook_fn: HookFunction, /) -> HookDefinition: ...


@overload
def failure_hook(
    hook_fn: None = None, *, name: str | None = ..., required_resource_keys: Iterable[str] | None = ...
) -> Declare: ...


def failure_hook(
    hook_fn: HookFunction | None = None,
    *,
    name: str | None = None,
    required_resource_keys: Iterable[str] | None = None,
) -> HookDefinition | Declare:
    """Declare that a function is called after each op that failed for good."""
    return _declared("failure", hook_fn, name, required_resource_keys)


def _declared(
    when: Literal["success", "failure"],
    function: HookFunction | None,
    name: str | None,
    required: Iterable[str] | None,
) -> HookDefinition | Declare:
    def declare(function: HookFunction) -> HookDefinition:
        return HookDefinition(name or name_of(function), function, when, frozenset(required or ()))

    return declare if function is None else declare(function)
