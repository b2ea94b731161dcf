"""`@op`: a function that takes and gives values within a graph."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, get_args, overload

from upwell.definitions.compute import ComputeDefinition, UserFunction
from upwell.definitions.config.resolving import resolved_config
from upwell.definitions.declaring import call_fields, placed, seconds_of
from upwell.definitions.ops.composing import current_composition
from upwell.definitions.ops.direct import call_directly
from upwell.definitions.ops.inputs_outputs import DynamicOut, DynamicOutput, In, Out
from upwell.definitions.ops.nodes import NodeDefinition, Use, checked_name
from upwell.definitions.results import DEFAULT_OUTPUT
from upwell.definitions.retry_policy import RetryPolicy
from upwell.definitions.signature import Place, Signature, read_signature, value_type, value_types
from upwell.definitions.specs import UNSET


class OpDefinition(NodeDefinition):
    """An op. Called within a graph it becomes a node of it; called elsewhere, it calls the function."""

    def __init__(
        self, compute: ComputeDefinition, ins: Mapping[str, In], outs: Mapping[str, Out], config: Any = UNSET
    ) -> None:
        self.compute = compute
        self.name = compute.name
        self.description = compute.description
        self.tags = compute.tags
        self._ins = dict(ins)
        self._outs = dict(outs)
        self._config = config
        self.place = Place(file=compute.file, line=compute.line)
        functools.update_wrapper(self, compute.function, updated=())

    @property
    def ins(self) -> Mapping[str, In]:
        return self._ins

    @property
    def outs(self) -> Mapping[str, Out]:
        return self._outs

    @property
    def schema(self) -> object:
        """What run config may say for it; where its config is fixed, nothing need be said."""
        return self.compute.schema if self._config is UNSET else None

    def config_of(self, said: Any, where: str) -> Any:
        """What the function gets for what run config says. (`Any`: of the schema's type.)

        Raises:
            DagsterInvalidConfigError: it does not fit.
        """
        return resolved_config(self.compute.schema, said if self._config is UNSET else self._config, where)

    @property
    def required_resource_keys(self) -> frozenset[str]:
        managers = {out.io_manager_key for out in self.outs.values() if out.io_manager_key}
        managers |= {given.input_manager_key for given in self.ins.values() if given.input_manager_key}
        return self.compute.required_resource_keys | managers

    def configured(self, config: Any, name: str | None = None) -> OpDefinition:
        """The same with its config fixed. (`Any`: of the schema's type.)"""
        compute = replace(self.compute, name=checked_name(name or self.name, self.place))
        return OpDefinition(compute, self.ins, self.outs, config)

    def called(self, use: Use, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        composition = current_composition()
        if composition is not None:
            return composition.use(use, args, kwargs)
        return call_directly(self.compute, self.ins, self.outs, args, kwargs)


@overload
def op(compute_fn: UserFunction, /) -> OpDefinition: ...


@overload
def op(compute_fn: None = None, **options: Any) -> Callable[[UserFunction], OpDefinition]: ...


def op(compute_fn: UserFunction | None = None, **options: Any) -> OpDefinition | Callable[[UserFunction], OpDefinition]:
    """Declare that a function is an op: `@op`, or `@op(…)` with the fields of `OpOptions`.

    Each argument of the function is an input, except `context` when it comes first, `config`, and those that are
    annotated with a resource. (`Any`: the fields are of many types.)

    Raises:
        DagsterInvalidDefinitionError: something does not fit; with the function's file and line.
    """
    declared = OpOptions(**options)
    return declared.define if compute_fn is None else declared.define(compute_fn)


@dataclass(frozen=True, kw_only=True)
class OpOptions:
    """What can be said of an `@op`; as in Dagster.

    Attributes:
        out: one output, or several by name; by default one, of the type that the function says it returns.
        pool: the pool that limits how many steps run at once.
        timeout: seconds, or a timedelta, after which an attempt is ended (Upwell's own).
    """

    name: str | None = None
    description: str | None = None
    ins: Mapping[str, In] | None = None
    out: Out | Mapping[str, Out] | None = None
    config_schema: object = None
    required_resource_keys: Iterable[str] | None = None
    tags: Mapping[str, str] | None = None
    version: str | None = None
    code_version: str | None = None
    retry_policy: RetryPolicy | None = None
    pool: str | None = None
    timeout: float | timedelta | None = None

    def define(self, function: UserFunction) -> OpDefinition:
        """The op that `function` is."""
        signature = read_signature(function)
        place = signature.place
        with placed(place):
            compute = ComputeDefinition(
                name=checked_name(self.name or signature.name, place),
                retry_policy=self.retry_policy,
                tags=dict(self.tags or {}),
                pool=self.pool,
                timeout=seconds_of(self.timeout, place),
                description=self.description or inspect.getdoc(function),
                **call_fields(function, signature, self.required_resource_keys, self.config_schema),
            )
            return OpDefinition(compute, self._ins(function, signature), self._outs(signature))

    def _ins(self, function: UserFunction, signature: Signature) -> dict[str, In]:
        given = dict(self.ins or {})
        defaults = {
            name: parameter.default
            for name, parameter in inspect.signature(function).parameters.items()
            if parameter.default is not parameter.empty
        }
        found = {}
        for name, annotation in signature.arguments.items():
            one = given.pop(name, In())
            kind = annotation if one.dagster_type is UNSET else one.dagster_type
            default = defaults.get(name, UNSET) if one.default_value is UNSET else one.default_value
            found[name] = replace(one, dagster_type=kind, default_value=default)
        for name, one in given.items():
            if not one.is_nothing and not signature.takes_any_keyword:
                raise signature.place.error(
                    f"ins names {name!r}, but {signature.name}() has no such argument; for an input that is only "
                    "waited for write In(Nothing)"
                )
        return {**found, **given}

    def _outs(self, signature: Signature) -> dict[str, Out]:
        if isinstance(self.out, Mapping):
            kinds = value_types(signature.returns, len(self.out))
            return {name: _typed(out, kind) for (name, out), kind in zip(self.out.items(), kinds, strict=True)}
        kind = value_type(signature.returns)
        return {DEFAULT_OUTPUT: _typed(self.out or Out(), kind)}


def _typed(out: Out, annotation: object) -> Out:
    if out.dagster_type is not UNSET or isinstance(out, DynamicOut) or annotation is type(None):
        return out
    if annotation is DynamicOutput or DynamicOutput in get_args(annotation):
        return out
    return replace(out, dagster_type=annotation)
