"""What happened, as user code sees it, under Dagster's names."""

from __future__ import annotations

from dataclasses import dataclass, replace

from upwell.definitions.checks import AssetCheckEvaluation
from upwell.definitions.keys import AssetKey
from upwell.definitions.results import AssetMaterialization, AssetObservation
from upwell.events import ErrorInfo, RunId


@dataclass(frozen=True, kw_only=True)
class EventError:
    """An error that a step or a run ended with.

    `cause` is the same error once more: in Dagster the user's own is the cause of one of Dagster's.
    """

    cls_name: str
    message: str
    stack: str | None = None
    cause: EventError | None = None

    def to_string(self) -> str:
        """The error with its traceback."""
        return self.stack or f"{self.cls_name}: {self.message}"

    @classmethod
    def of(cls, error: ErrorInfo) -> EventError:
        """The same error, as the journal has it."""
        own = cls(cls_name=error.type, message=error.message, stack=error.traceback)
        return replace(own, cause=own)


@dataclass(frozen=True, kw_only=True)
class EventData:
    """What is particular to the type of an event; what does not belong to it is none."""

    materialization: AssetMaterialization | None = None
    asset_observation: AssetObservation | None = None
    asset_check_evaluation: AssetCheckEvaluation | None = None
    error: EventError | None = None


@dataclass(frozen=True, kw_only=True)
class DagsterEvent:
    """Something that happened in a run, or outside of one."""

    event_type_value: str
    step_key: str | None = None
    asset_key: AssetKey | None = None
    partition: str | None = None
    materialization: AssetMaterialization | None = None
    observation: AssetObservation | None = None
    check_evaluation: AssetCheckEvaluation | None = None
    error: ErrorInfo | None = None
    message: str | None = None
    job_name: str | None = None

    @property
    def is_step_failure(self) -> bool:
        return self.event_type_value == "STEP_FAILURE"

    @property
    def is_step_success(self) -> bool:
        return self.event_type_value == "STEP_SUCCESS"

    @property
    def is_failure(self) -> bool:
        return self.event_type_value in ("PIPELINE_FAILURE", "STEP_FAILURE")

    @property
    def event_specific_data(self) -> EventData:
        """What is particular to the type of the event."""
        return EventData(
            materialization=self.materialization,
            asset_observation=self.observation,
            asset_check_evaluation=self.check_evaluation,
            error=None if self.error is None else EventError.of(self.error),
        )

    step_failure_data = event_specific_data
    step_materialization_data = event_specific_data


@dataclass(frozen=True, kw_only=True)
class EventLogEntry:
    """An event of the log, with its time and its run."""

    dagster_event: DagsterEvent
    timestamp: float  # seconds since the epoch
    storage_id: int
    run_id: RunId | None = None
    job_name: str | None = None

    @property
    def asset_materialization(self) -> AssetMaterialization | None:
        return self.dagster_event.materialization

    @property
    def asset_observation(self) -> AssetObservation | None:
        return self.dagster_event.observation

    @property
    def asset_key(self) -> AssetKey | None:
        return self.dagster_event.asset_key

    @property
    def step_key(self) -> str | None:
        return self.dagster_event.step_key

    @property
    def message(self) -> str:
        return self.dagster_event.message or ""

    user_message = message

    def get_dagster_event(self) -> DagsterEvent:
        """The event itself."""
        return self.dagster_event


@dataclass(frozen=True, kw_only=True)
class EventLogRecord:
    """A materialisation with its place in the order."""

    storage_id: int
    timestamp: float  # seconds since the epoch
    run_id: RunId | None
    asset_materialization: AssetMaterialization

    @property
    def asset_key(self) -> AssetKey:
        return self.asset_materialization.asset_key

    @property
    def partition_key(self) -> str | None:
        return self.asset_materialization.partition

    @property
    def event_log_entry(self) -> EventLogEntry:
        """The same as an entry of the log."""
        event = DagsterEvent(
            event_type_value="ASSET_MATERIALIZATION",
            asset_key=self.asset_key,
            partition=self.partition_key,
            materialization=self.asset_materialization,
        )
        return EventLogEntry(
            dagster_event=event, timestamp=self.timestamp, storage_id=self.storage_id, run_id=self.run_id
        )
