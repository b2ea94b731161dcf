"""An IO manager that keeps values in memory, as they are: for tests and one-shot runs."""

from __future__ import annotations

from typing import Any

from upwell.definitions.resource_functions import IOManagerDefinition
from upwell.definitions.resources import IOManager
from upwell.runtime.io.contexts import InputContext, OutputContext
from upwell.runtime.io.filesystem import ValueNotFound


class InMemoryIOManager(IOManager):
    """Keeps the very objects, for as long as it lives."""

    def __init__(self) -> None:
        self.values: dict[tuple[str, str | None], Any] = {}

    def handle_output(self, context: OutputContext, obj: Any) -> None:
        """Keep the object."""
        partition = context.asset_partition_key if context.has_asset_partitions else None
        self.values[(context.asset_key.to_user_string(), partition)] = obj

    def load_input(self, context: InputContext) -> Any:
        """The kept object; several partitions as a dict by key, exactly one as the object itself."""
        asset = context.asset_key.to_user_string()
        if not context.has_asset_partitions:
            return self._load(asset, None)
        keys = context.asset_partition_keys
        if len(keys) == 1:
            return self._load(asset, keys[0])
        if context.definition_metadata.get("allow_missing_partitions"):
            keys = [key for key in keys if (asset, key) in self.values]
        return {key: self._load(asset, key) for key in keys}

    def _load(self, asset: str, partition: str | None) -> Any:
        try:
            return self.values[(asset, partition)]
        except KeyError:
            which = f"partition {partition!r} of asset {asset!r}" if partition is not None else f"asset {asset!r}"
            raise ValueNotFound(f"{which} has no value in memory; materialise it first, in the same process") from None


mem_io_manager = IOManagerDefinition(InMemoryIOManager, description="Keeps values in memory for one run.")
"""The same as a resource, new for each run (as in Dagster)."""
