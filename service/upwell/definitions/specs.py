"""Plain descriptions of assets and of what they read, before any function computes them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias, runtime_checkable

from upwell.definitions.conditions.model import AutomationCondition
from upwell.definitions.errors import DagsterInvalidDefinitionError, DagsterInvariantViolationError
from upwell.definitions.freshness.model import FreshnessPolicy
from upwell.definitions.keys import AssetKey, CoercibleToAssetKey, CoercibleToAssetKeyPrefix
from upwell.definitions.partitions.definition import PartitionsDefinition, assign
from upwell.definitions.partitions.mapping import PartitionMapping

KIND_TAG = "dagster/kind/"
"""What precedes a kind among an asset's tags (as in Dagster)."""

_GROUP = re.compile(r"[A-Za-z0-9_]+(/[A-Za-z0-9_]+)*")
_EMAIL = re.compile(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}")
_TAG_KEY = re.compile(r"([A-Za-z0-9_.-]{1,63}/){0,2}[A-Za-z0-9_.-]{1,63}")
_TAG_VALUE = re.compile(r"[A-Za-z0-9_.-]{0,63}")


@runtime_checkable
class HasKey(Protocol):
    """Anything that stands for one asset: an `@asset`, an `AssetSpec`."""

    @property
    def key(self) -> AssetKey: ...


class _Unset:
    """A parameter that was not given, where `None` means something."""

    def __repr__(self) -> str:
        return "…"


UNSET: Any = _Unset()  # `Any`: it stands in for a value of every type

CoercibleToAssetDep: TypeAlias = "AssetDep | HasKey | CoercibleToAssetKey"


def key_of(asset: HasKey | CoercibleToAssetKey) -> AssetKey:
    """The key of whatever may stand for an asset in a definition."""
    if isinstance(asset, AssetKey | str):
        return AssetKey.from_coercible(asset)
    if isinstance(asset, HasKey):
        return asset.key
    return AssetKey(asset)


@dataclass(frozen=True, init=False)
class AssetDep:
    """A dependency: the upstream asset and, where the default will not do, which of its partitions are read."""

    asset_key: AssetKey
    partition_mapping: PartitionMapping | None
    metadata: Mapping[str, object] = field(compare=False)

    def __init__(
        self,
        asset: HasKey | CoercibleToAssetKey,
        *,
        partition_mapping: PartitionMapping | None = None,
        metadata: Mapping[str, object] | None = None,
    ) -> None:
        assign(self, asset_key=key_of(asset), partition_mapping=partition_mapping, metadata=dict(metadata or {}))

    @staticmethod
    def from_coercible(dep: CoercibleToAssetDep) -> AssetDep:
        """A dependency given as itself, or as anything that stands for an asset."""
        return dep if isinstance(dep, AssetDep) else AssetDep(dep)


def distinct_deps(deps: Iterable[CoercibleToAssetDep] | None) -> tuple[AssetDep, ...]:
    """The dependencies, each key once.

    Raises:
        DagsterInvariantViolationError: one key with two different partition mappings.
    """
    if isinstance(deps, str | AssetKey | AssetDep):
        raise DagsterInvalidDefinitionError(f"deps is a list of assets: deps=[{deps!r}]")
    found: dict[AssetKey, AssetDep] = {}
    for dep in map(AssetDep.from_coercible, deps or ()):
        known = found.setdefault(dep.asset_key, dep)
        if known.partition_mapping != dep.partition_mapping:
            raise DagsterInvariantViolationError(
                f"the dependency on {dep.asset_key.to_user_string()!r} is given twice, "
                "with different partition mappings. Give one of them"
            )
    return tuple(found.values())


@dataclass(frozen=True, init=False)
class AssetIn:
    """How an argument of an asset's function is filled: from which asset, which partitions, by which IO manager."""

    key: AssetKey | None
    key_prefix: tuple[str, ...] | None
    metadata: Mapping[str, object] = field(compare=False)
    input_manager_key: str | None
    partition_mapping: PartitionMapping | None
    dagster_type: object

    def __init__(
        self,
        key: HasKey | CoercibleToAssetKey | None = None,
        metadata: Mapping[str, object] | None = None,
        key_prefix: CoercibleToAssetKeyPrefix | None = None,
        input_manager_key: str | None = None,
        partition_mapping: PartitionMapping | None = None,
        dagster_type: object = UNSET,
    ) -> None:
        if key is not None and key_prefix is not None:
            raise DagsterInvalidDefinitionError("AssetIn takes a key or a key_prefix, not both")
        assign(
            self,
            key=None if key is None else key_of(key),
            key_prefix=None if key_prefix is None else AssetKey(key_prefix).path,
            metadata=dict(metadata or {}),
            input_manager_key=input_manager_key,
            partition_mapping=partition_mapping,
            dagster_type=dagster_type,
        )

    def key_for(self, argument: str) -> AssetKey:
        """The upstream asset for an argument of this name."""
        return self.key or AssetKey([*(self.key_prefix or ()), argument])


@dataclass(frozen=True, init=False)
class AssetSpec:
    """What is known of an asset apart from how it is computed; by itself, an external asset.

    Raises:
        DagsterInvalidDefinitionError: a group, owner, tag or kind that cannot be one.
    """

    key: AssetKey
    deps: tuple[AssetDep, ...]
    description: str | None
    metadata: Mapping[str, object] = field(hash=False)
    skippable: bool
    group_name: str | None
    code_version: str | None
    automation_condition: AutomationCondition | None
    owners: tuple[str, ...]
    tags: Mapping[str, str] = field(hash=False)
    partitions_def: PartitionsDefinition | None
    freshness_policy: FreshnessPolicy | None

    def __init__(
        self,
        key: CoercibleToAssetKey,
        *,
        deps: Iterable[CoercibleToAssetDep] | None = None,
        description: str | None = None,
        metadata: Mapping[str, object] | None = None,
        skippable: bool = False,
        group_name: str | None = None,
        code_version: str | None = None,
        automation_condition: AutomationCondition | None = None,
        owners: Sequence[str] | None = None,
        tags: Mapping[str, str] | None = None,
        kinds: AbstractSet[str] | None = None,
        partitions_def: PartitionsDefinition | None = None,
        freshness_policy: FreshnessPolicy | None = None,
    ) -> None:
        name = AssetKey.from_coercible(key)
        assign(
            self,
            key=name,
            deps=distinct_deps(deps),
            description=description,
            metadata=dict(metadata or {}),
            skippable=skippable,
            group_name=_checked_group(group_name, name),
            code_version=code_version,
            automation_condition=automation_condition,
            owners=tuple(checked_owner(owner, f"asset {name.to_user_string()!r}") for owner in owners or ()),
            tags={**_checked_tags(tags or {}, name), **{KIND_TAG + kind: "" for kind in sorted(kinds or ())}},
            partitions_def=partitions_def,
            freshness_policy=freshness_policy,
        )

    @property
    def kinds(self) -> set[str]:
        """What the asset is made with or of: `{"dbt", "snowflake"}`."""
        return {tag.removeprefix(KIND_TAG) for tag in self.tags if tag.startswith(KIND_TAG)}

    @property
    def partition_mappings(self) -> Mapping[AssetKey, PartitionMapping]:
        """The mappings that were given, by upstream key."""
        return {dep.asset_key: dep.partition_mapping for dep in self.deps if dep.partition_mapping is not None}

    def replace_attributes(self, **changes: Any) -> AssetSpec:
        """A copy with other attributes, named as in `AssetSpec(…)`. (`Any`: of their types.)"""
        now = {name: getattr(self, name) for name in self.__dataclass_fields__}
        if "tags" in changes or "kinds" in changes:
            now["tags"] = {tag: text for tag, text in self.tags.items() if not tag.startswith(KIND_TAG)}
            changes.setdefault("kinds", self.kinds)
        return AssetSpec(**{**now, **changes})

    def merge_attributes(
        self,
        *,
        deps: Iterable[CoercibleToAssetDep] = (),
        metadata: Mapping[str, object] | None = None,
        owners: Sequence[str] = (),
        tags: Mapping[str, str] | None = None,
        kinds: AbstractSet[str] = frozenset(),
    ) -> AssetSpec:
        """A copy with these added to what is there."""
        return self.replace_attributes(
            deps=[*self.deps, *deps],
            metadata={**self.metadata, **(metadata or {})},
            owners=[*self.owners, *owners],
            tags={**{t: v for t, v in self.tags.items() if not t.startswith(KIND_TAG)}, **(tags or {})},
            kinds=self.kinds | kinds,
        )


def apply_freshness_policy(spec: AssetSpec, policy: FreshnessPolicy, overwrite_existing: bool = True) -> AssetSpec:
    """A copy of `spec` with this policy, unless it has one and `overwrite_existing` is false."""
    if spec.freshness_policy is not None and not overwrite_existing:
        return spec
    return spec.replace_attributes(freshness_policy=policy)


@dataclass(frozen=True, init=False)
class AssetOut:
    """One asset among the outputs of a `@multi_asset`; attributes as of `AssetSpec`."""

    key: AssetKey | None
    key_prefix: tuple[str, ...] | None
    dagster_type: object
    is_required: bool
    io_manager_key: str | None
    attributes: Mapping[str, object] = field(hash=False)

    def __init__(
        self,
        key_prefix: CoercibleToAssetKeyPrefix | None = None,
        key: CoercibleToAssetKey | None = None,
        dagster_type: object = UNSET,
        description: str | None = None,
        is_required: bool = True,
        io_manager_key: str | None = None,
        metadata: Mapping[str, object] | None = None,
        group_name: str | None = None,
        code_version: str | None = None,
        automation_condition: AutomationCondition | None = None,
        owners: Sequence[str] | None = None,
        tags: Mapping[str, str] | None = None,
        kinds: AbstractSet[str] | None = None,
        freshness_policy: FreshnessPolicy | None = None,
    ) -> None:
        if key is not None and key_prefix is not None:
            raise DagsterInvalidDefinitionError("AssetOut takes a key or a key_prefix, not both")
        assign(
            self,
            key=None if key is None else AssetKey.from_coercible(key),
            key_prefix=None if key_prefix is None else AssetKey(key_prefix).path,
            dagster_type=dagster_type,
            is_required=is_required,
            io_manager_key=io_manager_key,
            attributes={
                "description": description,
                "metadata": metadata,
                "group_name": group_name,
                "code_version": code_version,
                "automation_condition": automation_condition,
                "owners": owners,
                "tags": tags,
                "kinds": kinds,
                "freshness_policy": freshness_policy,
            },
        )

    def spec_for(self, output: str, **more: Any) -> AssetSpec:
        """The asset of the output of this name. (`Any`: attributes of `AssetSpec`.)"""
        key = self.key or AssetKey([*(self.key_prefix or ()), output])
        given = {name: value for name, value in self.attributes.items() if value is not None}
        return AssetSpec(key, skippable=not self.is_required, **{**more, **given})


def _checked_group(group: str | None, key: AssetKey) -> str | None:
    if group is not None and not _GROUP.fullmatch(group):
        raise DagsterInvalidDefinitionError(
            f"group_name={group!r} of asset {key.to_user_string()!r} is no valid group: "
            "use letters, digits and underscores, in segments separated by '/'"
        )
    return group


def checked_owner(owner: str, what: str) -> str:
    """`owner`, if it is a person or a team.

    Raises:
        DagsterInvalidDefinitionError: it is neither.
    """
    if owner.removeprefix("team:") == owner and not _EMAIL.fullmatch(owner):
        raise DagsterInvalidDefinitionError(f"owner {owner!r} of {what} is neither an e-mail address nor 'team:…'")
    return owner


def _checked_tags(tags: Mapping[str, str], key: AssetKey) -> Mapping[str, str]:
    for tag, value in tags.items():
        if not (isinstance(value, str) and _TAG_KEY.fullmatch(tag) and _TAG_VALUE.fullmatch(value)):
            raise DagsterInvalidDefinitionError(
                f"tag {tag!r}: {value!r} of asset {key.to_user_string()!r} is not valid: both are text of up to 63 "
                "letters, digits, '_', '-' and '.', and the tag may have a namespace before a '/'"
            )
    return dict(tags)
