"""Checks of assets: what is declared, and what an evaluation answers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum

from upwell.definitions.conditions.model import AutomationCondition
from upwell.definitions.errors import DagsterInvalidDefinitionError
from upwell.definitions.keys import AssetCheckKey, AssetKey, CoercibleToAssetKey
from upwell.definitions.metadata import MetadataValue, normalize_metadata
from upwell.definitions.partitions.definition import assign
from upwell.definitions.specs import AssetDep, CoercibleToAssetDep, HasKey, distinct_deps, key_of

_CHECK_NAME = re.compile(r"[A-Za-z0-9_.]+")


class AssetCheckSeverity(Enum):
    """How bad it is that a check failed: only an ERROR of a blocking check stops what is downstream."""

    WARN = "WARN"
    ERROR = "ERROR"


@dataclass(frozen=True, init=False)
class AssetCheckSpec:
    """A check of an asset; if it is `blocking`, downstream assets wait for it and do not run when it fails as ERROR."""

    name: str
    asset_key: AssetKey
    description: str | None
    additional_deps: tuple[AssetDep, ...]
    blocking: bool
    metadata: Mapping[str, object] = field(hash=False)
    automation_condition: AutomationCondition | None

    def __init__(
        self,
        name: str,
        *,
        asset: HasKey | CoercibleToAssetKey,
        description: str | None = None,
        additional_deps: Iterable[CoercibleToAssetDep] | None = None,
        blocking: bool = False,
        metadata: Mapping[str, object] | None = None,
        automation_condition: AutomationCondition | None = None,
    ) -> None:
        key = key_of(asset)
        if not _CHECK_NAME.fullmatch(name):
            raise DagsterInvalidDefinitionError(
                f"{name!r} is no valid name for a check of {key.to_user_string()!r}: use letters, digits and '_'"
            )
        deps = tuple(dep for dep in distinct_deps(additional_deps) if dep.asset_key != key)
        assign(
            self,
            name=name,
            asset_key=key,
            description=description,
            additional_deps=deps,
            blocking=blocking,
            metadata=dict(metadata or {}),
            automation_condition=automation_condition,
        )

    @property
    def key(self) -> AssetCheckKey:
        """The check's name together with its asset's."""
        return AssetCheckKey(self.asset_key, self.name)


@dataclass(frozen=True, init=False)
class AssetCheckResult:
    """What a check found.

    `asset_key` and `check_name` may be left out where the function evaluates one check only.
    """

    passed: bool
    asset_key: AssetKey | None
    check_name: str | None
    metadata: Mapping[str, MetadataValue] = field(hash=False)
    severity: AssetCheckSeverity
    description: str | None

    def __init__(
        self,
        *,
        passed: bool,
        asset_key: CoercibleToAssetKey | None = None,
        check_name: str | None = None,
        metadata: Mapping[str, object] | None = None,
        severity: AssetCheckSeverity = AssetCheckSeverity.ERROR,
        description: str | None = None,
    ) -> None:
        assign(
            self,
            passed=_truth(passed),
            asset_key=None if asset_key is None else AssetKey.from_coercible(asset_key),
            check_name=check_name,
            metadata=normalize_metadata(metadata),
            severity=AssetCheckSeverity(severity),
            description=description,
        )


@dataclass(frozen=True, kw_only=True)
class AssetCheckEvaluation:
    """A result that is tied to its check, as it is remembered."""

    asset_key: AssetKey
    check_name: str
    passed: bool
    metadata: Mapping[str, MetadataValue] = field(default_factory=dict, hash=False)
    severity: AssetCheckSeverity = AssetCheckSeverity.ERROR
    description: str | None = None
    blocking: bool | None = None
    partition: str | None = None

    @property
    def asset_check_key(self) -> AssetCheckKey:
        """Which check was evaluated."""
        return AssetCheckKey(self.asset_key, self.check_name)


def _truth(passed: object) -> bool:
    """`passed` as a bool; numpy's own is one too, a number is not."""
    if isinstance(passed, bool):
        return passed
    if type(passed).__module__ == "numpy" and type(passed).__name__ in ("bool", "bool_"):
        return bool(passed)
    raise TypeError(f"AssetCheckResult(passed=…) is True or False, not {passed!r}: passed=bool(…)")
