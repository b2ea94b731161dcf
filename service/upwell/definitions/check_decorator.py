"""`@asset_check`: a function checks an asset."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import timedelta

from upwell.definitions.assets import AssetChecksDefinition
from upwell.definitions.checks import AssetCheckSpec
from upwell.definitions.compute import ComputeDefinition, InputDefinition, UserFunction, checked_step_name
from upwell.definitions.conditions.model import AutomationCondition
from upwell.definitions.declaring import all_deps, call_fields, inputs_of, placed, seconds_of
from upwell.definitions.keys import AssetKey, CoercibleToAssetKey
from upwell.definitions.partitions.definition import PartitionsDefinition
from upwell.definitions.retry_policy import RetryPolicy
from upwell.definitions.signature import Signature, read_signature
from upwell.definitions.specs import AssetIn, CoercibleToAssetDep, HasKey, distinct_deps, key_of


@dataclass(frozen=True, kw_only=True)
class AssetCheck:
    """Declare that a function checks an asset; used as `@asset_check(asset=…)`.

    An argument of any name (besides those in `additional_ins`, the context, the config and resources) gets the asset's
    value. The function returns an `AssetCheckResult`.

    Attributes:
        asset: the asset, or its key.
        blocking: downstream assets wait for the check, and do not run when it fails as ERROR.
        additional_ins: arguments that get values of other assets.
        additional_deps: other assets that are read without a value being loaded.

    Raises:
        DagsterInvalidDefinitionError: something does not fit; with the function's file and line.
    """

    asset: HasKey | CoercibleToAssetKey
    name: str | None = None
    description: str | None = None
    blocking: bool = False
    additional_ins: Mapping[str, AssetIn] | None = None
    additional_deps: Iterable[CoercibleToAssetDep] | None = None
    required_resource_keys: AbstractSet[str] | None = None
    config_schema: object = None
    compute_kind: str | None = None
    op_tags: Mapping[str, str] | None = None
    retry_policy: RetryPolicy | None = None
    metadata: Mapping[str, object] | None = None
    pool: str | None = None
    timeout: float | timedelta | None = None
    partitions_def: PartitionsDefinition | None = None
    automation_condition: AutomationCondition | None = None

    def __call__(self, function: UserFunction) -> AssetChecksDefinition:
        """The check that `function` evaluates."""
        signature = read_signature(function)
        place = signature.place
        with placed(place):
            target = key_of(self.asset)
            inputs = self._inputs(signature, target)
            spec = self._spec(function, signature, target, inputs)
            compute = ComputeDefinition(
                name=checked_step_name(_step_name(target, spec.name), file=place.file, line=place.line),
                inputs=inputs,
                checks=(spec,),
                partitions_def=self.partitions_def,
                pool=self.pool,
                timeout=seconds_of(self.timeout, place),
                retry_policy=self.retry_policy,
                tags=dict(self.op_tags or {}),
                compute_kind=self.compute_kind,
                description=spec.description,
                **call_fields(function, signature, self.required_resource_keys, self.config_schema),
            )
        return AssetChecksDefinition(check_specs=[spec], compute=compute)

    def _inputs(self, signature: Signature, target: AssetKey) -> tuple[InputDefinition, ...]:
        more = self.additional_ins or {}
        own = [name for name in signature.arguments if name not in more]
        if len(own) > 1:
            raise signature.place.error(
                f"check {signature.name}() takes {', '.join(own)}: one argument gets the value of the checked asset; "
                "name the others in additional_ins"
            )
        return inputs_of(signature, {**{name: AssetIn(key=target) for name in own}, **more})

    def _spec(
        self, function: UserFunction, signature: Signature, target: AssetKey, inputs: tuple[InputDefinition, ...]
    ) -> AssetCheckSpec:
        return AssetCheckSpec(
            self.name or signature.name,
            asset=target,
            description=self.description or inspect.getdoc(function),
            additional_deps=all_deps(inputs, distinct_deps(self.additional_deps)),
            blocking=self.blocking,
            metadata=self.metadata,
            automation_condition=self.automation_condition,
        )


asset_check = AssetCheck


def _step_name(asset: AssetKey, check: str) -> str:
    return f"{asset.to_python_identifier()}_{check.replace('.', '_')}"
