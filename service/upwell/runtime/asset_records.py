"""Assets that user code says were made or looked at, as events."""

from __future__ import annotations

from upwell.definitions.data_times import data_time_in
from upwell.definitions.metadata import encode_metadata
from upwell.definitions.results import AssetMaterialization, AssetObservation
from upwell.events import AssetMaterialized, AssetObserved
from upwell.runtime.messages import StepTask


def recorded_asset(given: AssetMaterialization | AssetObservation, task: StepTask) -> AssetMaterialized | AssetObserved:
    """The event; an observation without a partition is of the task's."""
    partition = given.partition
    kind: type[AssetMaterialized] | type[AssetObserved] = AssetMaterialized
    if isinstance(given, AssetObservation):
        kind, partition = AssetObserved, task.partition if partition is None else partition
    asset = given.asset_key.to_user_string()
    return kind(
        asset=asset,
        partition=partition,
        run_id=task.run_id,
        step_id=task.step_id,
        metadata=encode_metadata(given.metadata),
        description=given.description,
        tags=dict(given.tags),
        data_time=data_time_in(given.metadata, f"asset {asset!r}"),
    )
