"""Loaded definitions as the step runner uses them."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from upwell.definitions.compute import DEFAULT_IO_MANAGER, ComputeDefinition, InputDefinition
from upwell.definitions.declarations import Declarations
from upwell.definitions.errors import DagsterInvalidDefinitionError
from upwell.definitions.keys import AssetKey
from upwell.definitions.ops.graphs import OpJobDeclaration
from upwell.definitions.partitions.mapping import PartitionMapping
from upwell.definitions.reactions import FilterFunction
from upwell.definitions.resources import InputManager, IOManager
from upwell.definitions.schedules import ScheduleDefinition
from upwell.definitions.sensors import SensorDefinition
from upwell.definitions.specs import AssetSpec
from upwell.events import Json
from upwell.runtime.resources import OpenResources


@dataclass(frozen=True, kw_only=True)
class Code:
    """The definitions of a code location, and the IO manager for those that name none.

    Attributes:
        resources_of_run: resources that are open for all steps of a run; none where each step opens its own.
        watch: what is called in place of each IO manager.
    """

    definitions: Declarations
    default_io_manager: IOManager
    resources_of_run: OpenResources | None = None
    watch: Callable[[IOManager], IOManager] | None = None

    def op_job(self, step: str) -> OpJobDeclaration | None:
        """The job of ops that a step runs, with all resources; none when the step is something else."""
        job = self.definitions.op_jobs.get(step)
        return None if job is None else replace(job, resource_defs={**self.definitions.resources, **job.resource_defs})

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

    @contextlib.contextmanager
    def opened(self, run_config: Json, run_id: str | None, log: logging.Logger) -> Iterator[OpenResources]:
        """The resources for a step; those that it opened are put away at the end."""
        if self.resources_of_run is not None:
            yield self.resources_of_run
            return
        said = run_config.get("resources") if isinstance(run_config, Mapping) else None
        given = self.definitions.resources
        with contextlib.closing(OpenResources(given, said, log=log, run_id=run_id)) as opened:
            yield opened

    def io_manager(self, key: str, opened: OpenResources, wanted_by: str) -> IOManager:
        """The IO manager of this key; the default one where nobody defined another."""
        manager = self._manager(key, opened, wanted_by)
        if not isinstance(manager, IOManager):
            raise DagsterInvalidDefinitionError(f"the resource {key!r} is no IOManager, but {wanted_by} has it as one")
        return manager if self.watch is None else self.watch(manager)

    def input_manager_of(self, given: InputDefinition, opened: OpenResources, wanted_by: str) -> InputManager:
        """What loads an input: as its argument says, else what stored it."""
        stored_by = self.definitions.outputs.get(given.key)
        key = given.io_manager_key or (stored_by.io_manager_key if stored_by else DEFAULT_IO_MANAGER)
        manager = self._manager(key, opened, wanted_by)
        if not isinstance(manager, InputManager):
            raise DagsterInvalidDefinitionError(
                f"the resource {key!r} is no InputManager, but {wanted_by} is to be loaded by it"
            )
        return manager

    def _manager(self, key: str, opened: OpenResources, wanted_by: str) -> object:
        if key == DEFAULT_IO_MANAGER and key not in opened:
            return self.default_io_manager
        found: object = opened.get(key, wanted_by)
        return found

    def spec(self, key: AssetKey) -> AssetSpec:
        """What is known of an asset, here; nothing but its key when it is defined elsewhere."""
        return self.definitions.specs.get(key) or AssetSpec(key)

    def mapping(self, compute: ComputeDefinition, given: InputDefinition) -> PartitionMapping | None:
        """How the partitions of an input are found: as its argument says, else as a dependency of an output says."""
        if given.partition_mapping is not None:
            return given.partition_mapping
        mappings = (output.spec.partition_mappings.get(given.key) for output in compute.outputs)
        return next((mapping for mapping in mappings if mapping is not None), None)
