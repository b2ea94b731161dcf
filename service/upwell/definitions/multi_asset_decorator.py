"""`@multi_asset`: one function computes several assets."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import timedelta

from upwell.definitions.assets import AssetsDefinition, OnDownstream
from upwell.definitions.checks import AssetCheckSpec
from upwell.definitions.compute import (
    DEFAULT_IO_MANAGER,
    ComputeDefinition,
    InputDefinition,
    OutputDefinition,
    UserFunction,
    checked_step_name,
)
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
from upwell.definitions.keys import AssetKey
from upwell.definitions.partitions.definition import PartitionsDefinition
from upwell.definitions.reactions import On
from upwell.definitions.retry_policy import RetryPolicy
from upwell.definitions.signature import Place, Signature, read_signature, value_types
from upwell.definitions.specs import UNSET, AssetDep, AssetIn, AssetOut, AssetSpec, CoercibleToAssetDep, distinct_deps


@dataclass(frozen=True, kw_only=True)
class MultiAsset:
    """Declare that a function computes several assets; used as `@multi_asset(…)`.

    Either `outs` (each output has a value, which an IO manager stores) or `specs` (the function stores what it makes,
    and returns or yields a `MaterializeResult` for each).

    Attributes:
        internal_asset_deps: by output: what it depends on, when that is not simply every input.
        can_subset: the function can make part of its assets; `context.selected_asset_keys` says which.
        pool: the pool that limits how many steps run at once (Upwell's own).
        timeout: seconds, or a timedelta, after which an attempt is ended (Upwell's own).
        on: sources whose events materialise the assets, and what is downstream of them (Upwell's own).
        on_downstream: "none" keeps these events from what is downstream (Upwell's own).

    Raises:
        DagsterInvalidDefinitionError: something does not fit; with the function's file and line.
    """

    outs: Mapping[str, AssetOut] | None = None
    specs: Sequence[AssetSpec] | None = None
    name: str | None = None
    ins: Mapping[str, AssetIn] | None = None
    deps: Iterable[CoercibleToAssetDep] | None = None
    description: str | None = None
    required_resource_keys: AbstractSet[str] | None = None
    config_schema: object = None
    internal_asset_deps: Mapping[str, AbstractSet[AssetKey]] | None = None
    partitions_def: PartitionsDefinition | None = None
    op_tags: Mapping[str, str] | None = None
    can_subset: bool = False
    group_name: str | None = None
    retry_policy: RetryPolicy | None = None
    code_version: str | None = None
    check_specs: Sequence[AssetCheckSpec] | None = None
    compute_kind: str | None = None
    pool: str | None = None
    timeout: float | timedelta | None = None
    on: On | Sequence[On] | None = None
    on_downstream: OnDownstream = "all"

    def __call__(self, function: UserFunction) -> AssetsDefinition:
        """The assets that `function` computes."""
        signature = read_signature(function)
        with placed(signature.place):
            compute = self._computation(function, signature)
        return AssetsDefinition(
            specs=[output.spec for output in compute.outputs],
            check_specs=compute.checks,
            compute=compute,
            on=listeners_of(self.on, signature.place),
            on_downstream=self.on_downstream,
        )

    def _computation(self, function: UserFunction, signature: Signature) -> ComputeDefinition:
        place = signature.place
        inputs = inputs_of(signature, self.ins)
        outputs = (
            self._outputs_of_specs(inputs, place) if self.outs is None else self._outputs_of_outs(inputs, signature)
        )
        keys = [checked_key(output.key, place) for output in outputs]
        if twice := {key.to_user_string() for key, times in Counter(keys).items() if times > 1}:
            raise place.error(f"asset {min(twice)!r} is declared twice in {signature.name}(); rename one")
        partitions = {output.spec.partitions_def for output in outputs}
        return ComputeDefinition(
            name=checked_step_name(self.name or signature.name, file=place.file, line=place.line),
            inputs=inputs,
            outputs=outputs,
            checks=checked_checks(self.check_specs, set(keys), place),
            can_subset=self.can_subset,
            partitions_def=partitions.pop() if len(partitions) == 1 else self.partitions_def,
            pool=self.pool,
            timeout=seconds_of(self.timeout, place),
            retry_policy=self.retry_policy,
            tags=dict(self.op_tags or {}),
            compute_kind=self.compute_kind,
            description=self.description or inspect.getdoc(function),
            **call_fields(function, signature, self.required_resource_keys, self.config_schema),
        )

    def _outputs_of_outs(self, inputs: Sequence[InputDefinition], signature: Signature) -> tuple[OutputDefinition, ...]:
        outs = self.outs or {}
        if self.specs is not None:
            raise signature.place.error(f"{signature.name}() has outs and specs; give one of them")
        deps = self._deps_by_output(all_deps(inputs, distinct_deps(self.deps)), signature.place)
        return tuple(
            OutputDefinition(
                name=name,
                spec=self._completed(out.spec_for(name, deps=deps[name]), signature.place),
                io_manager_key=out.io_manager_key or DEFAULT_IO_MANAGER,
                annotation=annotation if out.dagster_type is UNSET else out.dagster_type,
            )
            for (name, out), annotation in zip(outs.items(), value_types(signature.returns, len(outs)), strict=True)
        )

    def _outputs_of_specs(self, inputs: Sequence[InputDefinition], place: Place) -> tuple[OutputDefinition, ...]:
        if self.deps or self.internal_asset_deps:
            raise place.error(
                "with specs each AssetSpec has its own deps; neither deps nor internal_asset_deps can be given"
            )
        specs = [self._completed(spec, place) for spec in self.specs or ()]
        known = {dep.asset_key for spec in specs for dep in spec.deps}
        for given in inputs:
            if given.key not in known:
                raise place.error(
                    f"argument {given.name!r} reads {given.key.to_user_string()!r}, "
                    "which is in the deps of no AssetSpec; add it"
                )
        return tuple(
            OutputDefinition(name=spec.key.to_python_identifier(), spec=spec, annotation=type(None)) for spec in specs
        )

    def _completed(self, spec: AssetSpec, place: Place) -> AssetSpec:
        """The spec with what is said for all of them."""
        name = spec.key.to_user_string()
        if self.group_name and spec.group_name:
            raise place.error(f"asset {name!r} has a group of its own beside group_name={self.group_name!r}; give one")
        if self.partitions_def and spec.partitions_def not in (None, self.partitions_def):
            raise place.error(f"asset {name!r} has partitions of its own beside partitions_def=; give one")
        return spec.replace_attributes(
            group_name=spec.group_name or self.group_name or "default",
            code_version=spec.code_version or self.code_version,
            partitions_def=spec.partitions_def or self.partitions_def,
        )

    def _deps_by_output(self, upstream: Sequence[AssetDep], place: Place) -> Mapping[str, Sequence[AssetDep]]:
        outs = self.outs or {}
        internal = self.internal_asset_deps or {}
        own = {out.spec_for(name).key for name, out in outs.items()}
        by_key = {dep.asset_key: dep for dep in upstream}
        for name, keys in internal.items():
            if name not in outs:
                raise place.error(f"internal_asset_deps names {name!r}; the outs are {', '.join(outs)}")
            if unknown := [key.to_user_string() for key in keys if key not in by_key and key not in own]:
                raise place.error(
                    f"internal_asset_deps[{name!r}] names {min(unknown)!r}, which is neither an input nor an out"
                )
        return {
            name: [by_key.get(key) or AssetDep(key) for key in sorted(internal[name], key=AssetKey.to_user_string)]
            if name in internal
            else upstream
            for name in outs
        }


multi_asset = MultiAsset
