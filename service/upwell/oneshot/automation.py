"""`evaluate_automation_conditions()`: what conditions would request, for tests, from what an instance remembers."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Literal

from upwell.clock import SystemClock
from upwell.definitions.assets import AssetsDefinition
from upwell.definitions.checks import AssetCheckSpec
from upwell.definitions.conditions.answers import Answer
from upwell.definitions.conditions.evaluate import Tick, evaluate_all
from upwell.definitions.conditions.model import AutomationCondition
from upwell.definitions.conditions.state import AutomationCursor, CheckStatus, Partition, RunFacts, Update
from upwell.definitions.definitions import Definitions
from upwell.definitions.describing import build_snapshot
from upwell.definitions.graph import AssetGraph
from upwell.definitions.keys import AssetKey, CoercibleToAssetKey
from upwell.definitions.partitions.definition import PARTITION_TAG
from upwell.definitions.selection import AssetSelection, select
from upwell.definitions.specs import AssetSpec
from upwell.oneshot.history import Evaluated
from upwell.oneshot.instance import DagsterInstance

_DATA_VERSION = "dagster/data_version"


@dataclass(frozen=True)
class EvaluateAutomationConditionsResult:
    """What one evaluation requested; `cursor` goes into the next one."""

    tick: Tick

    @property
    def cursor(self) -> AutomationCursor:
        """What the conditions remember."""
        return self.tick.cursor

    @property
    def results(self) -> Sequence[Answer]:
        """The tree of answers of each condition, upstream first."""
        return list(self.tick.answers.values())

    @cached_property
    def total_requested(self) -> int:
        """How many partitions of assets (and checks) were requested."""
        return sum(len(answer.true) for answer in self.tick.answers.values())

    def get_requested_partitions(self, asset_key: CoercibleToAssetKey) -> AbstractSet[str | None]:
        """The partitions of an asset that were requested; `{None}` for one without partitions."""
        return set(self.tick.requested.get(AssetKey.from_coercible(asset_key).to_user_string(), ()))

    def get_num_requested(self, asset_key: CoercibleToAssetKey) -> int:
        """How many they are."""
        return len(self.get_requested_partitions(asset_key))


def evaluate_automation_conditions(
    defs: Definitions | Sequence[AssetsDefinition | AssetSpec],
    instance: DagsterInstance,
    asset_selection: AssetSelection | None = None,
    evaluation_time: datetime | None = None,
    cursor: AutomationCursor | None = None,
) -> EvaluateAutomationConditionsResult:
    """Evaluate the conditions of assets and checks once, without requesting anything.

    Args:
        defs: the definitions.
        instance: what is known of runs, materialisations and checks.
        asset_selection: whose conditions; by default all.
        evaluation_time: the moment; by default the present.
        cursor: that of the previous evaluation's result; by default this is the first.

    Raises:
        DagsterInvalidDefinitionError: the definitions do not fit together.
    """
    definitions = defs if isinstance(defs, Definitions) else Definitions(assets=defs)
    graph = AssetGraph([build_snapshot(definitions, "definitions")], dynamic=instance)
    conditions = _conditions(definitions)
    if asset_selection is not None:
        chosen = select(graph, asset_selection)
        conditions = {key: one for key, one in conditions.items() if _asset_of(graph, key) in chosen}
    now = SystemClock().now() if evaluation_time is None else evaluation_time.astimezone(UTC)
    tick = evaluate_all(conditions, graph, InstanceState(instance, graph), now, cursor or AutomationCursor())
    return EvaluateAutomationConditionsResult(tick)


def _conditions(definitions: Definitions) -> Mapping[str, AutomationCondition]:
    checks = [check for one in definitions.assets_definitions for check in one.check_specs]
    several: list[AssetSpec | AssetCheckSpec] = [*definitions.specs.values(), *checks]
    return {
        one.key.to_user_string(): one.automation_condition for one in several if one.automation_condition is not None
    }


def _asset_of(graph: AssetGraph, key: str) -> str:
    return graph.checks[key].asset if key in graph.checks else key


class InstanceState:
    """What an instance remembers, as conditions ask for it; nothing is ever under way in it."""

    def __init__(self, instance: DagsterInstance, graph: AssetGraph) -> None:
        self._instance = instance
        self._graph = graph

    @property
    def last_event_id(self) -> int:
        return self._instance.last_event_id

    def made(self, asset: str) -> Collection[Partition]:
        return {update.partition for update in self.updates_after(asset, 0)}

    def updates_after(self, asset: str, event_id: int) -> Sequence[Update]:
        return [update for number, update, _ in self._events(asset) if number > event_id]

    def latest_update(self, asset: str) -> Update | None:
        record = self._instance.get_latest_materialization_event(AssetKey.from_user_string(asset))
        if record is None:
            return None
        return Update(partition=record.partition_key, at=record.timestamp, run_id=record.run_id)

    def data_version_changed_after(self, asset: str, event_id: int) -> Collection[Partition]:
        before: dict[Partition, str] = {}
        after: dict[Partition, str] = {}
        for number, update, version in self._events(asset):
            (after if number > event_id else before)[update.partition] = version
        return {partition for partition, version in after.items() if version != before.get(partition)}

    def run(self, run_id: str) -> RunFacts | None:
        run = self._instance.get_run_by_id(run_id)
        if run is None:
            return None
        targets = frozenset(key.to_user_string() for key in run.asset_selection or ())
        return RunFacts(targets=targets, tags=run.tags)

    def in_progress(self, asset: str) -> Collection[Partition]:
        return ()

    def backfill_in_progress(self, asset: str) -> Collection[Partition]:
        return ()

    def failed(self, asset: str) -> Collection[Partition]:
        partitioned = self._graph.assets[asset].partitions is not None
        found: dict[Partition, bool] = {}
        for run in reversed(self._instance.get_runs()):
            partition = run.tags.get(PARTITION_TAG) if partitioned else None
            if self._instance.history.planned_by(asset, run.tags.get(PARTITION_TAG)) == run.run_id:
                found[partition] = run.is_failure and not self._made_in(asset, run.run_id)
        return {partition for partition, failed in found.items() if failed}

    def _made_in(self, asset: str, run_id: str) -> bool:
        records = self._instance.materializations_of(AssetKey.from_user_string(asset))
        return any(record.run_id == run_id for record in records)

    def check_status(self, check: str) -> CheckStatus | None:
        record = self._instance.history.evaluation_of(check)
        planned = self._instance.history.planned_by(check)
        run = None if planned is None else self._instance.get_run_by_id(planned)
        if run is not None and run.is_failure and (record is None or record.run_id != run.run_id):
            return "execution_failed"
        if record is None or not self._is_of_newest(record):
            return None
        return "passed" if record.evaluation.passed else "failed"

    def _is_of_newest(self, record: Evaluated) -> bool:
        newest = self._instance.get_latest_materialization_event(record.evaluation.asset_key)
        return newest is None or newest.run_id == record.run_id or newest.storage_id == record.target

    def check_evaluation(self, check: str) -> Update | None:
        record = self._instance.history.evaluation_of(check)
        return None if record is None else Update(partition=None, at=record.timestamp, run_id=record.run_id)

    def freshness(self, asset: str) -> Literal["pass", "warn", "fail"] | None:
        return None

    def _events(self, asset: str) -> Sequence[tuple[int, Update, str]]:
        """What was made, oldest first, with numbers and data versions."""
        return [
            (
                record.storage_id,
                Update(partition=record.partition_key, at=record.timestamp, run_id=record.run_id),
                record.asset_materialization.tags.get(_DATA_VERSION, record.run_id or "INITIAL"),
            )
            for record in self._instance.materializations_of(AssetKey.from_user_string(asset))
        ]
