"""`@asset`: a function computes an asset."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, overload

from upwell.definitions.assets import AssetsDefinition, OnDownstream
from upwell.definitions.checks import AssetCheckSpec
from upwell.definitions.compute import (
    DEFAULT_IO_MANAGER,
    ComputeDefinition,
    OutputDefinition,
    UserFunction,
    checked_step_name,
)
from upwell.definitions.conditions.model import AutomationCondition
from upwell.definitions.declaring import (
    all_deps,
    call_fields,
    checked_checks,
    checked_key,
    inputs_of,
    listeners_of,
    placed,
    seconds_of,
)
from upwell.definitions.freshness.model import FreshnessPolicy
from upwell.definitions.keys import AssetKey, CoercibleToAssetKey, CoercibleToAssetKeyPrefix
from upwell.definitions.partitions.definition import PartitionsDefinition
from upwell.definitions.reactions import On
from upwell.definitions.results import DEFAULT_OUTPUT
from upwell.definitions.retry_policy import RetryPolicy
from upwell.definitions.signature import Place, Signature, read_signature, value_type
from upwell.definitions.specs import UNSET, AssetIn, AssetSpec, CoercibleToAssetDep, distinct_deps


@overload
def asset(compute_fn: UserFunction, /) -> AssetsDefinition: ...


@overload
def asset(
    compute_fn: None = None,
    *,
    name: str | None = ...,
    key_prefix: CoercibleToAssetKeyPrefix | None = ...,
    key: CoercibleToAssetKey | None = ...,
    ins: Mapping[str, AssetIn] | None = ...,
    deps: Iterable[CoercibleToAssetDep] | None = ...,
    metadata: Mapping[str, object] | None = ...,
    tags: Mapping[str, str] | None = ...,
    description: str | None = ...,
    required_resource_keys: AbstractSet[str] | None = ...,
    config_schema: object = ...,
    io_manager_key: str | None = ...,
    dagster_type: object = ...,
    partitions_def: PartitionsDefinition | None = ...,
    op_tags: Mapping[str, str] | None = ...,
    group_name: str | None = ...,
    output_required: bool = ...,
    automation_condition: AutomationCondition | None = ...,
    freshness_policy: FreshnessPolicy | None = ...,
    retry_policy: RetryPolicy | None = ...,
    code_version: str | None = ...,
    check_specs: Sequence[AssetCheckSpec] | None = ...,
    owners: Sequence[str] | None = ...,
    kinds: AbstractSet[str] | None = ...,
    compute_kind: str | None = ...,
    pool: str | None = ...,
    timeout: float | timedelta | None = ...,
    on: On | Sequence[On] | None = ...,
    on_downstream: OnDownstream = ...,
) -> Callable[[UserFunction], AssetsDefinition]: ...


def asset(
    compute_fn: UserFunction | None = None, **options: Any
) -> AssetsDefinition | Callable[[UserFunction], AssetsDefinition]:
    """Declare that a function computes an asset.

    Each argument of the function names an asset whose value it gets (`ins` says otherwise); `deps` adds assets that are
    read without a value being loaded. An argument `context`, when it comes first, gets the context; `config` the run
    config; one that is annotated with a resource, the resource.

    Args:
        compute_fn: the function, when the decorator is used without parentheses.
        options: the fields of `AssetOptions`.

    Raises:
        DagsterInvalidDefinitionError: something does not fit; with the function's file and line.
    """
    declared = AssetOptions(**options)
    return declared.define if compute_fn is None else declared.define(compute_fn)


@dataclass(frozen=True, kw_only=True)
class AssetOptions:
    """What can be said of an `@asset`; as in Dagster, where not said otherwise.

    Attributes:
        name: the last component of the key; by default the function's name.
        key: the whole key, instead of `key_prefix` and `name`.
        config_schema: what run config may say, for a function that reads `context.op_config`.
        dagster_type: the type of the value, instead of the return annotation.
        output_required: false allows the function to return or yield nothing: the asset is then skipped.
        pool: the pool that limits how many steps run at once (Upwell's own).
        timeout: seconds, or a timedelta, after which an attempt is ended (Upwell's own).
        on: sources whose events materialise the asset, and what is downstream of it (Upwell's own).
        on_downstream: "none" keeps these events from what is downstream (Upwell's own).
    """

    name: str | None = None
    key_prefix: CoercibleToAssetKeyPrefix | None = None
    key: CoercibleToAssetKey | None = None
    ins: Mapping[str, AssetIn] | None = None
    deps: Iterable[CoercibleToAssetDep] | None = None
    metadata: Mapping[str, object] | None = None
    tags: Mapping[str, str] | None = None
    description: str | None = None
    required_resource_keys: AbstractSet[str] | None = None
    config_schema: object = None
    io_manager_key: str | None = None
    dagster_type: object = UNSET
    partitions_def: PartitionsDefinition | None = None
    op_tags: Mapping[str, str] | None = None
    group_name: str | None = None
    output_required: bool = True
    automation_condition: AutomationCondition | None = None
    freshness_policy: FreshnessPolicy | None = None
    retry_policy: RetryPolicy | None = None
    code_version: str | None = None
    check_specs: Sequence[AssetCheckSpec] | None = None
    owners: Sequence[str] | None = None
    kinds: AbstractSet[str] | None = None
    compute_kind: str | None = None
    pool: str | None = None
    timeout: float | timedelta | None = None
    on: On | Sequence[On] | None = None
    on_downstream: OnDownstream = "all"

    def define(self, function: UserFunction) -> AssetsDefinition:
        """The asset that `function` computes."""
        signature = read_signature(function)
        with placed(signature.place):
            spec, compute = self._computation(function, signature)
        return AssetsDefinition(
            specs=[spec],
            check_specs=compute.checks,
            compute=compute,
            on=listeners_of(self.on, signature.place),
            on_downstream=self.on_downstream,
        )

    def _computation(self, function: UserFunction, signature: Signature) -> tuple[AssetSpec, ComputeDefinition]:
        place = signature.place
        key = checked_key(self._key(signature.name, place), place)
        inputs = inputs_of(signature, self.ins)
        spec = self._spec(key, function, all_deps(inputs, distinct_deps(self.deps)), place)
        output = OutputDefinition(
            name=DEFAULT_OUTPUT,
            spec=spec,
            io_manager_key=self.io_manager_key or DEFAULT_IO_MANAGER,
            annotation=value_type(signature.returns) if self.dagster_type is UNSET else self.dagster_type,
        )
        compute = ComputeDefinition(
            name=checked_step_name(key.to_python_identifier(), file=place.file, line=place.line),
            inputs=inputs,
            outputs=(output,),
            checks=checked_checks(self.check_specs, {key}, place),
            partitions_def=self.partitions_def,
            pool=self.pool,
            timeout=seconds_of(self.timeout, place),
            retry_policy=self.retry_policy,
            tags=dict(self.op_tags or {}),
            compute_kind=self.compute_kind,
            description=spec.description,
            **call_fields(function, signature, self.required_resource_keys, self.config_schema),
        )
        return spec, compute

    def _key(self, function_name: str, place: Place) -> AssetKey:
        if self.key is None:
            name = AssetKey(self.name or function_name)
            return name.with_prefix(self.key_prefix) if self.key_prefix else name
        if self.name or self.key_prefix:
            raise place.error("give either key, or name and key_prefix, not both")
        return AssetKey.from_coercible(self.key)

    def _spec(
        self, key: AssetKey, function: UserFunction, deps: Iterable[CoercibleToAssetDep], place: Place
    ) -> AssetSpec:
        if self.kinds and self.compute_kind:
            raise place.error(f"asset {key.to_user_string()!r} has kinds and compute_kind; give kinds only")
        return AssetSpec(
            key,
            deps=deps,
            description=self.description or inspect.getdoc(function),
            metadata=self.metadata,
            skippable=not self.output_required,
            group_name="default" if self.group_name is None else self.group_name,
            code_version=self.code_version,
            automation_condition=self.automation_condition,
            owners=self.owners,
            tags=self.tags,
            kinds=self.kinds,
            partitions_def=self.partitions_def,
            freshness_policy=self.freshness_policy,
        )
