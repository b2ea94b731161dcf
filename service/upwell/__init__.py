"""Upwell: event-driven data assets that are fresh, and known to be."""

from upwell.definitions.asset_decorator import asset
from upwell.definitions.assets import AssetChecksDefinition, AssetsDefinition
from upwell.definitions.check_decorator import asset_check
from upwell.definitions.checks import AssetCheckEvaluation, AssetCheckResult, AssetCheckSeverity, AssetCheckSpec
from upwell.definitions.conditions.model import AutomationCondition
from upwell.definitions.errors import (
    DagsterAssetCheckFailedError,
    DagsterError,
    DagsterInvalidAssetSelectionError,
    DagsterInvalidConfigError,
    DagsterInvalidDefinitionError,
    DagsterInvalidInvocationError,
    DagsterInvalidMetadata,
    DagsterInvalidSubsetError,
    DagsterInvariantViolationError,
    DagsterStepOutputNotFoundError,
    DagsterTypeCheckDidNotPass,
    DagsterUnknownPartitionError,
    DagsterUnknownResourceError,
    DagsterUserCodeExecutionError,
)
from upwell.definitions.event_records import DagsterEvent, EventLogEntry, EventLogRecord
from upwell.definitions.failures import Failure, RetryRequested
from upwell.definitions.freshness.calendar import BusinessCalendar
from upwell.definitions.freshness.model import FreshnessPolicy
from upwell.definitions.jobs import AssetJobDefinition, define_asset_job
from upwell.definitions.keys import AssetCheckKey, AssetKey
from upwell.definitions.metadata import (
    BoolMetadataValue,
    DagsterAssetMetadataValue,
    DagsterRunMetadataValue,
    FloatMetadataValue,
    IntMetadataValue,
    JsonMetadataValue,
    MarkdownMetadataValue,
    MetadataValue,
    NotebookMetadataValue,
    NullMetadataValue,
    PathMetadataValue,
    TableMetadataValue,
    TableRecord,
    TextMetadataValue,
    TimestampMetadataValue,
    UrlMetadataValue,
)
from upwell.definitions.multi_asset_decorator import multi_asset
from upwell.definitions.partitioned_schedules import (
    UnresolvedPartitionedAssetScheduleDefinition,
    build_schedule_from_partitioned_job,
)
from upwell.definitions.partitions.definition import PartitionKeyRange, PartitionsDefinition
from upwell.definitions.partitions.dynamic import DynamicPartitionsDefinition
from upwell.definitions.partitions.mapping import (
    AllPartitionMapping,
    DimensionPartitionMapping,
    IdentityPartitionMapping,
    LastPartitionMapping,
    MultiPartitionMapping,
    MultiToSingleDimensionPartitionMapping,
    PartitionMapping,
    SpecificPartitionsPartitionMapping,
    StaticPartitionMapping,
    TimeWindowPartitionMapping,
)
from upwell.definitions.partitions.multi import (
    MultiPartitionKey,
    MultiPartitionsDefinition,
    PartitionDimensionDefinition,
)
from upwell.definitions.partitions.named import StaticPartitionsDefinition
from upwell.definitions.partitions.requests import AddDynamicPartitionsRequest, DeleteDynamicPartitionsRequest
from upwell.definitions.partitions.time_windows import (
    DailyPartitionsDefinition,
    HourlyPartitionsDefinition,
    MonthlyPartitionsDefinition,
    TimeWindow,
    TimeWindowPartitionsDefinition,
    WeeklyPartitionsDefinition,
)
from upwell.definitions.resources import (
    Config,
    ConfigurableIOManager,
    ConfigurableResource,
    EnvVar,
    IOManager,
    ResourceParam,
)
from upwell.definitions.results import (
    AssetMaterialization,
    AssetObservation,
    DataVersion,
    MaterializeResult,
    ObserveResult,
    Output,
)
from upwell.definitions.retry_policy import Backoff, Jitter, RetryPolicy
from upwell.definitions.run_config import RunConfig
from upwell.definitions.run_requests import RunRequest, SensorResult, SkipReason
from upwell.definitions.runs import DagsterRun, DagsterRunStatus, JobSelector
from upwell.definitions.schedules import DefaultScheduleStatus, ScheduleDefinition, schedule
from upwell.definitions.selection import AssetSelection
from upwell.definitions.sensor_decorators import (
    asset_sensor,
    multi_asset_sensor,
    run_failure_sensor,
    run_status_sensor,
    sensor,
)
from upwell.definitions.sensors import (
    AssetSensorDefinition,
    DefaultSensorStatus,
    MultiAssetSensorDefinition,
    RunStatusSensorDefinition,
    SensorDefinition,
)
from upwell.definitions.specs import AssetDep, AssetIn, AssetOut, AssetSpec, apply_freshness_policy
from upwell.oneshot.instance import DagsterInstance, RunsFilter
from upwell.oneshot.jobs import Definitions, JobDefinition
from upwell.oneshot.result import ExecuteInProcessResult
from upwell.oneshot.running import materialize
from upwell.runtime.building_contexts import (
    build_multi_asset_sensor_context,
    build_run_status_sensor_context,
    build_schedule_context,
    build_sensor_context,
)
from upwell.runtime.contexts import AssetCheckExecutionContext, AssetExecutionContext
from upwell.runtime.io.contexts import InputContext, OutputContext
from upwell.runtime.io.filesystem import FilesystemIOManager
from upwell.runtime.io.memory import InMemoryIOManager
from upwell.runtime.multi_asset_context import MultiAssetSensorEvaluationContext
from upwell.runtime.sensor_contexts import (
    RunFailureSensorContext,
    RunStatusSensorContext,
    ScheduleEvaluationContext,
    SensorEvaluationContext,
)

__all__ = [
    "AddDynamicPartitionsRequest",
    "AllPartitionMapping",
    "AssetCheckEvaluation",
    "AssetCheckExecutionContext",
    "AssetCheckKey",
    "AssetCheckResult",
    "AssetCheckSeverity",
    "AssetCheckSpec",
    "AssetChecksDefinition",
    "AssetDep",
    "AssetExecutionContext",
    "AssetIn",
    "AssetJobDefinition",
    "AssetKey",
    "AssetMaterialization",
    "AssetObservation",
    "AssetOut",
    "AssetSelection",
    "AssetSensorDefinition",
    "AssetSpec",
    "AssetsDefinition",
    "AutomationCondition",
    "Backoff",
    "BoolMetadataValue",
    "BusinessCalendar",
    "Config",
    "ConfigurableIOManager",
    "ConfigurableResource",
    "DagsterAssetCheckFailedError",
    "DagsterAssetMetadataValue",
    "DagsterError",
    "DagsterEvent",
    "DagsterInstance",
    "DagsterInvalidAssetSelectionError",
    "DagsterInvalidConfigError",
    "DagsterInvalidDefinitionError",
    "DagsterInvalidInvocationError",
    "DagsterInvalidMetadata",
    "DagsterInvalidSubsetError",
    "DagsterInvariantViolationError",
    "DagsterRun",
    "DagsterRunMetadataValue",
    "DagsterRunStatus",
    "DagsterStepOutputNotFoundError",
    "DagsterTypeCheckDidNotPass",
    "DagsterUnknownPartitionError",
    "DagsterUnknownResourceError",
    "DagsterUserCodeExecutionError",
    "DailyPartitionsDefinition",
    "DataVersion",
    "DefaultScheduleStatus",
    "DefaultSensorStatus",
    "Definitions",
    "DeleteDynamicPartitionsRequest",
    "DimensionPartitionMapping",
    "DynamicPartitionsDefinition",
    "EnvVar",
    "EventLogEntry",
    "EventLogRecord",
    "ExecuteInProcessResult",
    "Failure",
    "FilesystemIOManager",
    "FloatMetadataValue",
    "FreshnessPolicy",
    "HourlyPartitionsDefinition",
    "IOManager",
    "IdentityPartitionMapping",
    "InMemoryIOManager",
    "InputContext",
    "IntMetadataValue",
    "Jitter",
    "JobDefinition",
    "JobSelector",
    "JsonMetadataValue",
    "LastPartitionMapping",
    "MarkdownMetadataValue",
    "MaterializeResult",
    "MetadataValue",
    "MonthlyPartitionsDefinition",
    "MultiAssetSensorDefinition",
    "MultiAssetSensorEvaluationContext",
    "MultiPartitionKey",
    "MultiPartitionMapping",
    "MultiPartitionsDefinition",
    "MultiToSingleDimensionPartitionMapping",
    "NotebookMetadataValue",
    "NullMetadataValue",
    "ObserveResult",
    "Output",
    "OutputContext",
    "PartitionDimensionDefinition",
    "PartitionKeyRange",
    "PartitionMapping",
    "PartitionsDefinition",
    "PathMetadataValue",
    "ResourceParam",
    "RetryPolicy",
    "RetryRequested",
    "RunConfig",
    "RunFailureSensorContext",
    "RunRequest",
    "RunStatusSensorContext",
    "RunStatusSensorDefinition",
    "RunsFilter",
    "ScheduleDefinition",
    "ScheduleEvaluationContext",
    "SensorDefinition",
    "SensorEvaluationContext",
    "SensorResult",
    "SkipReason",
    "SpecificPartitionsPartitionMapping",
    "StaticPartitionMapping",
    "StaticPartitionsDefinition",
    "TableMetadataValue",
    "TableRecord",
    "TextMetadataValue",
    "TimeWindow",
    "TimeWindowPartitionMapping",
    "TimeWindowPartitionsDefinition",
    "TimestampMetadataValue",
    "UnresolvedPartitionedAssetScheduleDefinition",
    "UrlMetadataValue",
    "WeeklyPartitionsDefinition",
    "apply_freshness_policy",
    "asset",
    "asset_check",
    "asset_sensor",
    "build_multi_asset_sensor_context",
    "build_run_status_sensor_context",
    "build_schedule_context",
    "build_schedule_from_partitioned_job",
    "build_sensor_context",
    "define_asset_job",
    "materialize",
    "multi_asset",
    "multi_asset_sensor",
    "run_failure_sensor",
    "run_status_sensor",
    "schedule",
    "sensor",
]
