"""Jobs: named parts of the asset graph that people run as one."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from upwell.definitions.errors import DagsterInvalidInvocationError, DagsterUnknownPartitionError
from upwell.definitions.keys import AssetKey
from upwell.definitions.partitions.definition import DynamicPartitionsStore, PartitionsDefinition
from upwell.definitions.run_config import RunConfig
from upwell.definitions.run_requests import RunRequest
from upwell.definitions.selection import AssetSelection, CoercibleToAssetSelection
from upwell.definitions.signature import Place, caller_place
from upwell.events import Json

_NAME = re.compile(r"[A-Za-z0-9_.-]+")


@dataclass(frozen=True, kw_only=True, eq=False)
class JobDeclaration:
    """A job, whatever it consists of; one of ops has no assets.

    `config` is run config where a run says none. (`Any`: JSON, or, for ops, what makes it.)
    """

    name: str
    selection: AssetSelection = field(default_factory=AssetSelection.assets)
    config: Any = field(default=None, hash=False)
    description: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict, hash=False)
    partitions_def: PartitionsDefinition | None = None
    place: Place = field(default_factory=Place, compare=False)

    def config_for(self, partition_key: str | None) -> Json:
        """Run config where a run says none, as plain data."""
        config: Json = self.config
        return config

    def run_request_for_partition(
        self,
        partition_key: str,
        run_key: str | None = None,
        tags: Mapping[str, str] | None = None,
        asset_selection: Sequence[AssetKey] | None = None,
        run_config: Mapping[str, Any] | None = None,
        current_time: datetime | None = None,
        dynamic_partitions_store: DynamicPartitionsStore | None = None,
    ) -> RunRequest:
        """A request to run this job for a partition; `run_config` and values of tags are whatever JSON can hold.

        Raises:
            DagsterInvalidInvocationError: the job was declared without `partitions_def`.
            DagsterUnknownPartitionError: there is no such partition at `current_time`.
        """
        if self.partitions_def is None:
            raise DagsterInvalidInvocationError(
                f"job {self.name!r} was declared without partitions_def=; use RunRequest(partition_key=…) instead"
            )
        if not self.partitions_def.has_partition_key(partition_key, current_time, dynamic_partitions_store):
            raise DagsterUnknownPartitionError(f"job {self.name!r} has no partition {partition_key!r}")
        return RunRequest(
            run_key=run_key,
            run_config=self.config_for(partition_key) if run_config is None else run_config,
            tags={**(tags or {}), **self.partitions_def.get_tags_for_partition_key(partition_key)},
            job_name=self.name,
            asset_selection=asset_selection,
            partition_key=partition_key,
        )


@dataclass(frozen=True, kw_only=True)
class AssetJobDefinition(JobDeclaration):
    """A job over the assets that `selection` chooses once the whole graph is known."""

    selection: AssetSelection


def define_asset_job(
    name: str,
    selection: CoercibleToAssetSelection | None = None,
    config: RunConfig | Json = None,
    description: str | None = None,
    tags: Mapping[str, str] | None = None,
    partitions_def: PartitionsDefinition | None = None,
) -> AssetJobDefinition:
    """A job that materialises the selected assets, by default all.

    `partitions_def` is needed only where somebody asks the job itself for it; it is that of the assets.

    Raises:
        DagsterInvalidDefinitionError: a name that a job cannot have.
        DagsterInvalidAssetSelectionError: a selection string that cannot be read.
    """
    place = caller_place()
    if not _NAME.fullmatch(name):
        raise place.error(f"{name!r} is no valid name for a job: use letters, digits, '_', '-' and '.'")
    chosen = AssetSelection.all() if selection is None else AssetSelection.from_coercible(selection)
    return AssetJobDefinition(
        name=name,
        selection=chosen,
        config=config.to_config_dict() if isinstance(config, RunConfig) else config,
        description=description,
        tags=dict(tags or {}),
        partitions_def=partitions_def,
        place=place,
    )
