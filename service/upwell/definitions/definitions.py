"""`Definitions`: everything that a project declares, in one object; and how to find it in a module."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Self, get_args

from upwell.definitions.assets import AssetsDefinition
from upwell.definitions.declarations import AnySchedule, Declarations, distinct
from upwell.definitions.describing import build_snapshot
from upwell.definitions.errors import DagsterInvalidDefinitionError, DagsterInvariantViolationError
from upwell.definitions.graph import AssetGraph
from upwell.definitions.jobs import JobDeclaration
from upwell.definitions.keys import AssetKey
from upwell.definitions.resources import RESOURCES, IOManager
from upwell.definitions.schedules import ScheduleDefinition
from upwell.definitions.selection import CoercibleToAssetSelection, select
from upwell.definitions.sensors import SensorDefinition
from upwell.definitions.snapshot import Snapshot
from upwell.definitions.specs import AssetSpec


class ResolvedAssetGraph(AssetGraph):
    """The graph of one `Definitions`, which also knows its assets by `AssetKey`."""

    def __init__(self, snapshot: Snapshot, specs: Mapping[AssetKey, AssetSpec]) -> None:
        super().__init__([snapshot])
        self._specs = specs
        self._named = {key.to_user_string() for key in specs}

    def get_all_asset_keys(self) -> set[AssetKey]:
        """Every asset that is declared or read."""
        return set(self._specs) | {AssetKey.from_user_string(key) for key in self.assets if key not in self._named}

    def get(self, key: AssetKey) -> AssetSpec:
        """What is known of an asset.

        Raises:
            KeyError: it is not in the graph.
        """
        node = self.assets[key.to_user_string()]
        return self._specs.get(key, AssetSpec(key)).replace_attributes(group_name=node.group)


class Definitions(Declarations):
    """Assets, checks, jobs, sensors, schedules, and the resources that they use, by key.

    Whether they fit together is found out when the project is loaded, or by `Definitions.validate_loadable(defs)`.

    Raises:
        DagsterInvalidDefinitionError: something else than a definition is among them.
    """

    @classmethod
    def merge(cls, *several: Definitions) -> Self:
        """All of them as one.

        Raises:
            DagsterInvariantViolationError: two have different resources under one key.
        """
        resources: dict[str, object] = {}
        for one in several:
            for key, resource in one.resources.items():
                if resources.setdefault(key, resource) is not resource and resources[key] != resource:
                    raise DagsterInvariantViolationError(
                        f"two definitions to be merged have different resources {key!r}; rename one, or share it"
                    )
        return cls(
            assets=[asset for one in several for asset in one.assets],
            asset_checks=[check for one in several for check in one.asset_checks],
            jobs=[job for one in several for job in one.jobs],
            resources=resources,
            sensors=[sensor for one in several for sensor in one.sensors],
            schedules=[schedule for one in several for schedule in one.schedules],
        )

    def map_asset_specs(
        self, *, func: Callable[[AssetSpec], AssetSpec], selection: CoercibleToAssetSelection | None = None
    ) -> Self:
        """A copy with the description of each asset, or each selected one, replaced by what `func` makes of it.

        Raises:
            DagsterInvalidAssetSelectionError: the selection cannot be read.
            DagsterInvalidSubsetError: it names an asset that does not exist.
        """
        chosen = None if selection is None else select(self.resolve_asset_graph(), selection)

        def change(spec: AssetSpec) -> AssetSpec:
            return func(spec) if chosen is None or spec.key.to_user_string() in chosen else spec

        changed = [
            one.map_asset_specs(change) if isinstance(one, AssetsDefinition) else change(one) for one in self.assets
        ]
        return type(self)(
            assets=changed,
            asset_checks=self.asset_checks,
            jobs=self.jobs,
            resources=self.resources,
            sensors=self.sensors,
            schedules=self.schedules,
        )

    def resolve_all_asset_specs(self) -> Sequence[AssetSpec]:
        """The descriptions of all assets that are declared."""
        return list(self.specs.values())

    def resolve_all_asset_keys(self) -> Sequence[AssetKey]:
        """The keys of all assets that are declared."""
        return list(self.specs)

    def job(self, name: str) -> JobDeclaration:
        """The job of this name.

        Raises:
            DagsterInvariantViolationError: there is none.
        """
        for job in self.jobs:
            if job.name == name:
                return job
        known = ", ".join(job.name for job in self.jobs) or "none"
        raise DagsterInvariantViolationError(f"there is no job {name!r}; the jobs are: {known}")

    def resolve_sensor_def(self, name: str) -> SensorDefinition:
        """The sensor of this name.

        Raises:
            DagsterInvariantViolationError: there is none.
        """
        for sensor in self.sensors:
            if sensor.name == name:
                return sensor
        known = ", ".join(sensor.name for sensor in self.sensors) or "none"
        raise DagsterInvariantViolationError(f"there is no sensor {name!r}; the sensors are: {known}")

    get_sensor_def = resolve_sensor_def

    def resolve_schedule_def(self, name: str) -> ScheduleDefinition:
        """The schedule of this name; one that follows a job's partitions, with its times.

        Raises:
            DagsterInvariantViolationError: there is none.
        """
        schedules = {name: one for name, one in self.sensing.items() if isinstance(one, ScheduleDefinition)}
        if name not in schedules:
            known = ", ".join(schedules) or "none"
            raise DagsterInvariantViolationError(f"there is no schedule {name!r}; the schedules are: {known}")
        return schedules[name]

    get_schedule_def = resolve_schedule_def

    def get_repository_def(self) -> Self:
        """These definitions, for `build_schedule_context(repository_def=…)` (in Dagster, another object)."""
        return self

    def resolve_asset_graph(self) -> ResolvedAssetGraph:
        """The graph of the assets.

        Raises:
            DagsterInvalidDefinitionError: the definitions do not fit together.
        """
        return ResolvedAssetGraph(build_snapshot(self, "definitions"), self.specs)

    @staticmethod
    def validate_loadable(defs: Definitions) -> None:
        """Raise, with every problem, if these definitions could not be loaded.

        Raises:
            DagsterInvalidDefinitionError: the definitions do not fit together.
        """
        build_snapshot(defs, "definitions")


def project_from_module(module: ModuleType) -> Definitions:
    """What a module declares: its one `Definitions` object, or else every definition found at its top level.

    In the second case lists of definitions count too, and so do resources and IO managers, by their variables' names.

    Raises:
        DagsterInvalidDefinitionError: several `Definitions`, or nothing at all.
    """
    values = {name: value for name, value in vars(module).items() if not name.startswith("__")}
    whole = distinct([value for value in values.values() if isinstance(value, Definitions)])
    if len(whole) > 1:
        raise DagsterInvalidDefinitionError(
            f"{module.__name__} has {len(whole)} Definitions at its top level; keep one, or use Definitions.merge(…)",
            file=module.__file__,
            line=1,
        )
    return whole[0] if whole else _gathered(module, values)


def _gathered(module: ModuleType, values: Mapping[str, object]) -> Definitions:
    flat = [one for value in values.values() for one in (value if isinstance(value, list | tuple) else [value])]
    found = Definitions(
        assets=[one for one in flat if isinstance(one, AssetsDefinition | AssetSpec)],
        jobs=[one for one in flat if isinstance(one, JobDeclaration)],
        sensors=[one for one in flat if isinstance(one, SensorDefinition)],
        schedules=[one for one in flat if isinstance(one, get_args(AnySchedule))],
        resources={name: one for name, one in values.items() if isinstance(one, (*RESOURCES, IOManager))},
    )
    if not (found.assets or found.jobs or found.sensors or found.schedules):
        raise DagsterInvalidDefinitionError(
            f"{module.__name__} declares nothing: write an @asset, or defs = Definitions(assets=[…])",
            file=module.__file__,
            line=1,
        )
    return found
