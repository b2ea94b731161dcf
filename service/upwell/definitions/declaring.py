"""What all decorators do alike: check names, turn arguments into inputs, gather dependencies."""

from __future__ import annotations

import keyword
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TypedDict

from upwell.definitions.checks import AssetCheckSpec
from upwell.definitions.compute import InputDefinition, Style, UserFunction
from upwell.definitions.config.resolving import schema_of
from upwell.definitions.errors import DagsterInvalidDefinitionError
from upwell.definitions.keys import AssetKey
from upwell.definitions.reactions import On
from upwell.definitions.signature import Place, Signature
from upwell.definitions.specs import UNSET, AssetDep, AssetIn

_COMPONENT = re.compile(r"[A-Za-z0-9_.-]+")
_TAKEN_NAMES = frozenset({"context", "config"})  # arguments of these names mean something else


@contextmanager
def placed(place: Place) -> Iterator[None]:
    """Give a definition error that does not know its place this one."""
    try:
        yield
    except DagsterInvalidDefinitionError as problem:
        if problem.file is not None or place.file is None:
            raise
        raise place.error(problem.message) from problem.__cause__


def checked_key(key: AssetKey, place: Place) -> AssetKey:
    """`key`, if an asset that is computed here can have it.

    Raises:
        DagsterInvalidDefinitionError: a component is empty or holds other signs, or the name is taken.
    """
    for component in key.path:
        if not _COMPONENT.fullmatch(component):
            raise place.error(
                f"{component!r} is no valid part of an asset key: use letters, digits, '_', '-' and '.'; "
                "for a key of several parts give a list, e.g. key=['warehouse', 'orders']"
            )
    name = key.path[-1] if key.path else ""
    if not name or keyword.iskeyword(name) or name in _TAKEN_NAMES:
        raise place.error(f"{name!r} cannot name an asset: no argument could be called so. Choose another name")
    return key


def checked_checks(
    checks: Sequence[AssetCheckSpec] | None, keys: Collection[AssetKey], place: Place
) -> tuple[AssetCheckSpec, ...]:
    """`checks`, if each is of one of these assets, and none is named twice.

    Raises:
        DagsterInvalidDefinitionError: it is not so.
    """
    seen = set()
    for check in checks or ():
        if check.asset_key not in keys:
            raise place.error(
                f"check {check.name!r} is of {check.asset_key.to_user_string()!r}, which is not made here; "
                "name an asset of this function, or use @asset_check"
            )
        if check.key in seen:
            raise place.error(f"check {check.key.to_user_string()!r} is declared twice; rename one")
        seen.add(check.key)
    return tuple(checks or ())


def inputs_of(signature: Signature, ins: Mapping[str, AssetIn] | None) -> tuple[InputDefinition, ...]:
    """The arguments that are filled with values of assets.

    Raises:
        DagsterInvalidDefinitionError: `ins` names an argument that the function does not take.
    """
    given = dict(ins or {})
    for name, how in given.items():
        if not isinstance(how, AssetIn):
            raise signature.place.error(f"ins[{name!r}] is {how!r}; write AssetIn(key={how!r})")
        if name not in signature.arguments and not signature.takes_any_keyword:
            raise signature.place.error(
                f"ins names {name!r}, but {signature.name}() has no such argument; "
                f"its arguments are {', '.join(signature.arguments) or 'none'}"
            )
    named = [*signature.arguments, *(name for name in given if name not in signature.arguments)]
    return tuple(_input(name, given.get(name, AssetIn()), signature.arguments.get(name, UNSET)) for name in named)


def _input(name: str, how: AssetIn, annotation: object) -> InputDefinition:
    return InputDefinition(
        name=name,
        key=how.key_for(name),
        partition_mapping=how.partition_mapping,
        metadata=how.metadata,
        io_manager_key=how.input_manager_key,
        annotation=annotation if how.dagster_type is UNSET else how.dagster_type,
    )


def all_deps(inputs: Iterable[InputDefinition], deps: Iterable[AssetDep]) -> tuple[AssetDep, ...]:
    """Dependencies by argument and by `deps`, each key once; what the argument says of partitions counts."""
    found = {given.key: AssetDep(given.key, partition_mapping=given.partition_mapping) for given in inputs}
    for dep in deps:
        if dep.asset_key not in found or found[dep.asset_key].partition_mapping is None:
            found[dep.asset_key] = dep
    return tuple(found.values())


def seconds_of(timeout: float | timedelta | None, place: Place) -> float | None:
    """A timeout in seconds.

    Raises:
        DagsterInvalidDefinitionError: it is not positive.
    """
    seconds = timeout.total_seconds() if isinstance(timeout, timedelta) else timeout
    if seconds is not None and seconds <= 0:
        raise place.error(f"timeout={timeout!r} ends each attempt before it begins; give seconds above zero")
    return seconds


def listeners_of(on: On | Sequence[On] | None, place: Place) -> tuple[On, ...]:
    """What `on=` says, as a tuple.

    Raises:
        DagsterInvalidDefinitionError: something else than event sources.
    """
    listed = (on,) if isinstance(on, On | str) else tuple(on or ())
    for listener in listed:
        if not isinstance(listener, On):
            raise place.error(
                f"on= takes event sources, not {listener!r}: "
                "on=[webhook('orders')], with 'from upwell_sensors import webhook'"
            )
    return listed


class CallFields(TypedDict):
    """The fields of a `ComputeDefinition` that follow from the function alone."""

    function: UserFunction
    style: Style
    context_argument: str | None
    config_argument: str | None
    config_type: object
    config_schema: object
    resource_arguments: Mapping[str, object]
    required_resource_keys: frozenset[str]
    file: str | None
    line: int | None


def call_fields(
    function: UserFunction, signature: Signature, resources: Iterable[str] | None, config_schema: object = None
) -> CallFields:
    """How the function is called.

    Raises:
        DagsterInvalidDefinitionError: a config schema that says nothing about config, or one beside a config argument.
    """
    if config_schema is not None and signature.config_argument is not None:
        raise signature.place.error(f"{signature.name}() takes config; leave config_schema out")
    schema_of(config_schema if signature.config_argument is None else signature.config_type)
    return CallFields(
        function=function,
        style=signature.style,
        context_argument=signature.context_argument,
        config_argument=signature.config_argument,
        config_type=signature.config_type,
        config_schema=config_schema,
        resource_arguments=signature.resources,
        required_resource_keys=frozenset(resources or ()) | frozenset(signature.resources),
        file=signature.place.file,
        line=signature.place.line,
    )
