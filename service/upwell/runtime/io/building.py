"""Contexts for calling an IO manager directly in a test."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from upwell.definitions.keys import AssetKey, CoercibleToAssetKey
from upwell.definitions.partitions.definition import PartitionsDefinition
from upwell.definitions.results import DEFAULT_OUTPUT
from upwell.definitions.specs import UNSET
from upwell.runtime.io.contexts import InputContext, OutputContext


def build_output_context(
    step_key: str = "none",
    name: str = DEFAULT_OUTPUT,
    metadata: Mapping[str, object] | None = None,
    run_id: str = "EPHEMERAL",
    dagster_type: object = UNSET,
    resources: Mapping[str, object] | None = None,
    asset_key: CoercibleToAssetKey | None = None,
    partition_key: str | None = None,
    definition_metadata: Mapping[str, object] | None = None,
    asset_partitions_def: PartitionsDefinition | None = None,
) -> OutputContext:
    """A context for `handle_output`; `metadata` is the older name of `definition_metadata`."""
    return OutputContext(
        **_common(step_key, name, run_id, dagster_type, resources, asset_key, partition_key, asset_partitions_def),
        definition_metadata=dict(definition_metadata or metadata or {}),
    )


def build_input_context(
    name: str = "input",
    metadata: Mapping[str, object] | None = None,
    upstream_output: OutputContext | None = None,
    dagster_type: object = UNSET,
    resources: Mapping[str, object] | None = None,
    step_key: str = "none",
    run_id: str = "EPHEMERAL",
    asset_key: CoercibleToAssetKey | None = None,
    partition_key: str | None = None,
    definition_metadata: Mapping[str, object] | None = None,
    asset_partitions_def: PartitionsDefinition | None = None,
) -> InputContext:
    """A context for `load_input`; `upstream_output` is by default like what is read."""
    key = upstream_output.asset_key if asset_key is None and upstream_output is not None else asset_key
    common = _common(step_key, name, run_id, dagster_type, resources, key, partition_key, asset_partitions_def)
    return InputContext(
        **common,
        definition_metadata=dict(definition_metadata or metadata or {}),
        upstream_output=upstream_output or OutputContext(**common),
    )


def _common(
    step_key: str,
    name: str,
    run_id: str,
    annotation: object,
    resources: Mapping[str, object] | None,
    asset_key: CoercibleToAssetKey | None,
    partition_key: str | None,
    partitions_def: PartitionsDefinition | None,
) -> dict[str, Any]:
    """What both contexts take. (`Any`: fields of many types.)"""
    key = AssetKey([run_id, step_key, name]) if asset_key is None else AssetKey.from_coercible(asset_key)
    return {
        "asset_key": key,
        "is_of_asset": asset_key is not None,
        "name": name,
        "step_key": step_key,
        "run_id": run_id,
        "log": logging.getLogger("upwell.step"),
        "resources": SimpleNamespace(**(resources or {})),
        "partitions_def": partitions_def,
        "partition_keys": None if partition_key is None else [partition_key],
        "run_partition": partition_key,
        "annotation": annotation,
    }
