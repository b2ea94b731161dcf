"""What a project declares, indexed in the ways that describing and running it need."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TypeAlias, TypeVar

from upwell.definitions.assets import AssetChecksDefinition, AssetsDefinition
from upwell.definitions.compute import ComputeDefinition, OutputDefinition
from upwell.definitions.errors import DagsterInvalidDefinitionError
from upwell.definitions.jobs import AssetJobDefinition
from upwell.definitions.keys import AssetKey
from upwell.definitions.specs import AssetSpec

T = TypeVar("T")

AnyAsset: TypeAlias = AssetsDefinition | AssetSpec


class Declarations:
    """Assets, checks, jobs, and the resources that they use, by key: the base of `Definitions`.

    Whether they fit together is found out when the whole is described (`describing.build_snapshot`), not here.

    Raises:
        DagsterInvalidDefinitionError: something else than a definition is among them.
    """

    def __init__(
        self,
        assets: Iterable[AnyAsset] | None = None,
        asset_checks: Iterable[AssetChecksDefinition] | None = None,
        jobs: Iterable[AssetJobDefinition] | None = None,
        resources: Mapping[str, object] | None = None,
    ) -> None:
        self.assets: Sequence[AnyAsset] = distinct(_checked("assets", assets, (AssetsDefinition, AssetSpec)))
        self.asset_checks: Sequence[AssetChecksDefinition] = distinct(
            _checked("asset_checks", asset_checks, (AssetChecksDefinition,))
        )
        self.jobs: Sequence[AssetJobDefinition] = distinct(_checked("jobs", jobs, (AssetJobDefinition,)))
        self.resources: Mapping[str, object] = dict(resources or {})

    @cached_property
    def assets_definitions(self) -> Sequence[AssetsDefinition]:
        """Assets and checks alike; an `AssetSpec` is an external asset."""
        wrapped = [AssetsDefinition(specs=[one]) if isinstance(one, AssetSpec) else one for one in self.assets]
        return distinct([*wrapped, *self.asset_checks])

    @cached_property
    def computations(self) -> Mapping[str, ComputeDefinition]:
        """Every computation by the key of its step: its name, with a number when another one has the same."""
        found: dict[str, ComputeDefinition] = {}
        seen: Counter[str] = Counter()
        for one in self.assets_definitions:
            if one.compute is None:
                continue
            name = one.compute.name
            seen[name] += 1
            while (key := name if seen[name] == 1 else f"{name}_{seen[name]}") in found:
                seen[name] += 1
            found[key] = one.compute if key == name else replace(one.compute, name=key)
        return found

    @cached_property
    def specs(self) -> Mapping[AssetKey, AssetSpec]:
        """Every asset's description; that of the computed one, where it is also named as external."""
        ordered = sorted(self.assets_definitions, key=lambda one: one.is_executable)
        return {spec.key: spec for one in ordered for spec in one.specs}

    @cached_property
    def outputs(self) -> Mapping[AssetKey, OutputDefinition]:
        """By asset: the output that makes it; external assets have none."""
        return {output.key: output for compute in self.computations.values() for output in compute.outputs}


def _checked(what: str, given: Iterable[T] | None, kinds: tuple[type, ...]) -> list[T]:
    listed = list(given or ())
    for one in listed:
        if not isinstance(one, kinds):
            hint = "decorate the function with @asset" if callable(one) else "see Definitions"
            raise DagsterInvalidDefinitionError(
                f"Definitions({what}=…) holds {one!r}, which cannot stand there: {hint}"
            )
    return listed


def distinct(several: Iterable[T]) -> list[T]:
    """Each object once: the same one may come by several ways."""
    return list({id(one): one for one in several}.values())
