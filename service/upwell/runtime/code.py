"""Loaded definitions as the step runner uses them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from upwell.definitions.compute import DEFAULT_IO_MANAGER, ComputeDefinition, InputDefinition
from upwell.definitions.declarations import Declarations
from upwell.definitions.errors import DagsterInvalidDefinitionError
from upwell.definitions.keys import AssetKey
from upwell.definitions.partitions.mapping import PartitionMapping
from upwell.definitions.reactions import FilterFunction
from upwell.definitions.resources import ConfigurableResource, IOManager
from upwell.definitions.schedules import ScheduleDefinition
from upwell.definitions.sensors import SensorDefinition
from upwell.definitions.specs import AssetSpec


@dataclass(frozen=True, kw_only=True)
class Code:
    """The definitions of a code location, and the IO manager for those that name none."""

    definitions: Declarations
    default_io_manager: IOManager

    def computation(self, step: str) -> ComputeDefinition:
        """The computation of a step.

        Raises:
            LookupError: there is none of this name in the code that is loaded here.
        """
        try:
            return self.definitions.computations[step]
        except KeyError:
            raise LookupError(
                f"the code that is loaded here has no step {step!r}; it was changed since the run began"
            ) from None

    def sensing(self, name: str) -> SensorDefinition | ScheduleDefinition:
        """The sensor or schedule of this name.

        Raises:
            LookupError: there is none in the code that is loaded here.
        """
        try:
            return self.definitions.sensing[name]
        except KeyError:
            raise LookupError(
                f"the code that is loaded here has no sensor or schedule {name!r}; it was changed"
            ) from None

    def filter(self, key: str) -> FilterFunction:
        """The user's filter of this key.

        Raises:
            LookupError: there is none in the code that is loaded here.
        """
        try:
            return self.definitions.filters[key]
        except KeyError:
            raise LookupError(f"the code that is loaded here has no filter {key!r}; it was changed") from None

    @cached_property
    def resources(self) -> Mapping[str, object]:
        """Every resource by key, with values of the environment read."""
        return {key: _resolved(resource) for key, resource in self.definitions.resources.items()}

    def resource(self, key: str, wanted_by: str) -> object:
        """The resource of this key."""
        try:
            return self.resources[key]
        except KeyError:
            raise DagsterInvalidDefinitionError(
                f"{wanted_by} needs the resource {key!r}, which is not defined: Definitions(resources={{{key!r}: …}})"
            ) from None

    def io_manager(self, key: str, wanted_by: str) -> IOManager:
        """The IO manager of this key; the default one where nobody defined another."""
        if key == DEFAULT_IO_MANAGER and key not in self.definitions.resources:
            return self.default_io_manager
        manager = self.resource(key, wanted_by)
        if not isinstance(manager, IOManager):
            raise DagsterInvalidDefinitionError(f"the resource {key!r} is no IOManager, but {wanted_by} has it as one")
        return manager

    def io_manager_of(self, given: InputDefinition, wanted_by: str) -> IOManager:
        """What loads an input: as its argument says, else what stored it."""
        stored_by = self.definitions.outputs.get(given.key)
        return self.io_manager(
            given.io_manager_key or (stored_by.io_manager_key if stored_by else DEFAULT_IO_MANAGER), wanted_by
        )

    def spec(self, key: AssetKey) -> AssetSpec:
        """What is known of an asset, here; nothing but its key when it is defined elsewhere."""
        return self.definitions.specs.get(key) or AssetSpec(key)

    def mapping(self, compute: ComputeDefinition, given: InputDefinition) -> PartitionMapping | None:
        """How the partitions of an input are found: as its argument says, else as a dependency of an output says."""
        if given.partition_mapping is not None:
            return given.partition_mapping
        mappings = (output.spec.partition_mappings.get(given.key) for output in compute.outputs)
        return next((mapping for mapping in mappings if mapping is not None), None)


def _resolved(resource: object) -> object:
    return resource.resolved() if isinstance(resource, ConfigurableResource) else resource
