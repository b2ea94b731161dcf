"""Assets as users hold them: what `@asset`, `@multi_asset` and `@asset_check` make of a function."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import Any, Literal, TypeAlias

from upwell.definitions.checks import AssetCheckSpec
from upwell.definitions.compute import ComputeDefinition
from upwell.definitions.direct_calls import with_config
from upwell.definitions.errors import DagsterInvalidInvocationError
from upwell.definitions.keys import AssetCheckKey, AssetKey
from upwell.definitions.partitions.definition import PartitionsDefinition
from upwell.definitions.reactions import On
from upwell.definitions.signature import Place
from upwell.definitions.specs import AssetSpec

OnDownstream: TypeAlias = Literal["all", "none"]


class AssetsDefinition:
    """One or more assets (and checks), with the computation that makes them; without one they are external.

    Calling it calls the user's function, as if it had not been decorated.
    """

    def __init__(
        self,
        *,
        specs: Iterable[AssetSpec] = (),
        check_specs: Iterable[AssetCheckSpec] = (),
        compute: ComputeDefinition | None = None,
        on: Sequence[On] = (),
        on_downstream: OnDownstream = "all",
    ) -> None:
        self.specs: tuple[AssetSpec, ...] = tuple(specs)
        self.check_specs: tuple[AssetCheckSpec, ...] = tuple(check_specs)
        self.compute = compute
        self.on = tuple(on)
        self.on_downstream: OnDownstream = on_downstream
        self.place = Place(file=compute.file, line=compute.line) if compute else Place()
        if compute:
            functools.update_wrapper(self, compute.function, updated=())

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """What the user's function returns. (`Any`: its own types.)"""
        if self.compute is None:
            raise DagsterInvalidInvocationError(f"{self!r} is external: there is no function to call")
        return self.compute.function(*args, **with_config(self.compute, args, kwargs))

    @property
    def key(self) -> AssetKey:
        """The key of the only asset.

        Raises:
            DagsterInvalidInvocationError: there are several, or none.
        """
        if len(self.specs) != 1:
            raise DagsterInvalidInvocationError(
                f"{self!r} has {len(self.specs)} assets; use keys, or name the one you mean"
            )
        return self.specs[0].key

    @property
    def keys(self) -> AbstractSet[AssetKey]:
        """The keys of all its assets."""
        return {spec.key for spec in self.specs}

    @property
    def check_keys(self) -> AbstractSet[AssetCheckKey]:
        """The keys of the checks that it evaluates."""
        return {spec.key for spec in self.check_specs}

    @property
    def asset_deps(self) -> Mapping[AssetKey, AbstractSet[AssetKey]]:
        """By asset: what it depends on."""
        return {spec.key: {dep.asset_key for dep in spec.deps} for spec in self.specs}

    @property
    def dependency_keys(self) -> AbstractSet[AssetKey]:
        """What any of its assets depends on."""
        return {dep.asset_key for spec in self.specs for dep in spec.deps}

    @property
    def specs_by_key(self) -> Mapping[AssetKey, AssetSpec]:
        return {spec.key: spec for spec in self.specs}

    @property
    def group_names_by_key(self) -> Mapping[AssetKey, str]:
        return {spec.key: spec.group_name or "default" for spec in self.specs}

    @property
    def metadata_by_key(self) -> Mapping[AssetKey, Mapping[str, object]]:
        return {spec.key: spec.metadata for spec in self.specs}

    @property
    def tags_by_key(self) -> Mapping[AssetKey, Mapping[str, str]]:
        return {spec.key: spec.tags for spec in self.specs}

    @property
    def descriptions_by_key(self) -> Mapping[AssetKey, str | None]:
        return {spec.key: spec.description for spec in self.specs}

    @property
    def code_versions_by_key(self) -> Mapping[AssetKey, str | None]:
        return {spec.key: spec.code_version for spec in self.specs}

    @property
    def owners_by_key(self) -> Mapping[AssetKey, Sequence[str]]:
        return {spec.key: spec.owners for spec in self.specs}

    @property
    def partitions_def(self) -> PartitionsDefinition | None:
        """How its assets are partitioned, if they all are in the same way."""
        found = {spec.partitions_def for spec in self.specs}
        return found.pop() if len(found) == 1 else None

    @property
    def can_subset(self) -> bool:
        """Whether part of its assets can be made."""
        return bool(self.compute and self.compute.can_subset)

    @property
    def required_resource_keys(self) -> AbstractSet[str]:
        """The resources it needs, IO managers included."""
        if self.compute is None:
            return frozenset()
        managers = {output.io_manager_key for output in self.compute.outputs}
        named = {given.io_manager_key for given in self.compute.inputs if given.io_manager_key}
        return self.compute.required_resource_keys | managers | named

    @property
    def is_executable(self) -> bool:
        """Whether something here computes it."""
        return self.compute is not None

    is_materializable = is_executable

    @property
    def is_external(self) -> bool:
        """Whether nothing here computes it."""
        return self.compute is None

    def get_asset_spec(self, key: AssetKey | None = None) -> AssetSpec:
        """The description of one asset; of the only one, when no key is given."""
        return self.specs_by_key[key or self.key]

    def map_asset_specs(self, func: Callable[[AssetSpec], AssetSpec]) -> AssetsDefinition:
        """A copy with each description replaced by what `func` makes of it; keys and dependencies stay.

        Raises:
            DagsterInvalidInvocationError: `func` changed a key or the dependencies of an asset that is computed here.
        """
        changed = {spec.key: func(spec) for spec in self.specs}
        for spec in self.specs:
            new = changed[spec.key]
            if self.compute and (new.key, new.deps) != (spec.key, spec.deps):
                raise DagsterInvalidInvocationError(
                    f"map_asset_specs cannot change the key or the dependencies of {spec.key.to_user_string()!r}"
                )
        copy = object.__new__(type(self))
        copy.__dict__.update(self.__dict__)
        copy.specs = tuple(changed[spec.key] for spec in self.specs)
        if self.compute:
            outputs = tuple(replace(output, spec=changed[output.key]) for output in self.compute.outputs)
            copy.compute = replace(self.compute, outputs=outputs)
        return copy

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {', '.join(sorted(spec.key.to_user_string() for spec in self.specs))}>"


class AssetChecksDefinition(AssetsDefinition):
    """A check that has a function of its own; what `@asset_check` makes."""

    @property
    def check_key(self) -> AssetCheckKey:
        """The key of the check."""
        return self.check_specs[0].key

    @property
    def name(self) -> str:
        """The name of the check."""
        return self.check_key.name

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.check_key.to_user_string()}>"
