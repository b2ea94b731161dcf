"""Calling an op directly, in a test: arguments as the function takes them, and its values checked."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import Any

from upwell.definitions.annotations import violation
from upwell.definitions.compute import ComputeDefinition
from upwell.definitions.config.resolving import resolved_config
from upwell.definitions.errors import (
    DagsterInvalidDefinitionError,
    DagsterInvalidInvocationError,
    DagsterTypeCheckDidNotPass,
)
from upwell.definitions.ops.inputs_outputs import DynamicOutput, In, Out
from upwell.definitions.results import DEFAULT_OUTPUT, Output
from upwell.definitions.specs import UNSET


def call_directly(
    compute: ComputeDefinition,
    ins: Mapping[str, In],
    outs: Mapping[str, Out],
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
) -> Any:
    """What the function gives. (`Any`: values are of the user's types.)

    Raises:
        DagsterInvalidInvocationError: the arguments do not fit.
        DagsterTypeCheckDidNotPass: a value is not of the type that its input or output names.
    """
    given = _bound(compute, args, kwargs)
    context = given.get(compute.context_argument or "")
    _check_context(compute, context, given)
    _add_config(compute, context, given)
    _add_resources(compute, context, given)
    for name, one in ins.items():
        if name in given and (problem := violation(given[name], one.dagster_type)):
            raise DagsterTypeCheckDidNotPass(f"input {name!r} of {compute.name!r}: {problem}")
        if name not in given and one.default_value is not UNSET:
            given[name] = one.default_value
    missing = [name for name, one in ins.items() if name not in given and not one.is_nothing]
    if missing:
        raise DagsterInvalidInvocationError(f"{compute.name}() is called without {', '.join(missing)}")
    return _checked(compute, outs, compute.function(**given))


def _bound(compute: ComputeDefinition, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return dict(inspect.signature(compute.function).bind_partial(*args, **kwargs).arguments)
    except TypeError as wrong:
        raise DagsterInvalidInvocationError(f"{compute.name}() does not take these arguments: {wrong}") from None


def _check_context(compute: ComputeDefinition, context: Any, given: dict[str, Any]) -> None:
    name = compute.context_argument
    if strange := [key for key, one in given.items() if key != name and hasattr(one, "op_config")]:
        raise DagsterInvalidInvocationError(f"{compute.name}() takes no context as {strange[0]!r}")
    if name is None:
        return
    if name not in given or not (context is None or hasattr(context, "op_config")):
        raise DagsterInvalidInvocationError(
            f"{compute.name}() takes a context first: {compute.name}(build_op_context(), …)"
        )
    if context is None and compute.required_resource_keys:
        raise DagsterInvalidInvocationError(
            f"{compute.name}() needs resources: {compute.name}(build_op_context(resources={{…}}), …)"
        )


def _add_config(compute: ComputeDefinition, context: Any, given: dict[str, Any]) -> None:
    name, where = compute.config_argument, f"{compute.name}: config"
    if name is not None:
        said = given.get(name, getattr(context, "op_config", None) or UNSET)
        given[name] = resolved_config(compute.schema, said, where) if said is UNSET or isinstance(said, dict) else said
    elif compute.config_schema is not None and context is not None:
        said = context.op_config
        context.op_config = resolved_config(compute.schema, UNSET if said is None else said, where)


def _add_resources(compute: ComputeDefinition, context: Any, given: dict[str, Any]) -> None:
    found = getattr(context, "resources", None)
    for key in sorted(compute.required_resource_keys - given.keys()):
        if not hasattr(found, key):
            raise DagsterInvalidDefinitionError(
                f"{compute.name}() needs the resource {key!r}, which was not given: "
                f"build_op_context(resources={{{key!r}: …}})"
            )
        if key in compute.resource_arguments:
            given[key] = getattr(found, key)


def _checked(compute: ComputeDefinition, outs: Mapping[str, Out], value: Any) -> Any:
    if inspect.isgenerator(value):
        return _checked_parts(compute, outs, value)
    if inspect.isawaitable(value) or inspect.isasyncgen(value):
        return value
    if len(outs) == 1:
        _check(compute, outs, value, next(iter(outs)))
    elif isinstance(value, tuple) and len(value) == len(outs):
        for name, part in zip(outs, value, strict=True):
            _check(compute, outs, part, name)
    return value


def _checked_parts(compute: ComputeDefinition, outs: Mapping[str, Out], parts: Iterator[Any]) -> Iterator[Any]:
    for part in parts:
        _check(compute, outs, part, DEFAULT_OUTPUT)
        yield part


def _check(compute: ComputeDefinition, outs: Mapping[str, Out], value: Any, name: str) -> None:
    if isinstance(value, Output | DynamicOutput):
        name, value = value.output_name if value.output_name in outs else name, value.value
    elif name in outs and outs[name].is_dynamic:
        return
    kind = outs[name].dagster_type if name in outs else UNSET
    if problem := violation(value, kind):
        raise DagsterTypeCheckDidNotPass(f"output {name!r} of {compute.name!r}: {problem}")
