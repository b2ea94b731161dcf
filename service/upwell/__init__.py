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
)
from upwell.definitions.failures import Failure, RetryRequested
from upwell.definitions.freshness import FreshnessPolicy
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
from upwell.definitions.partitions.definition import PartitionKeyRange, PartitionsDefinition
from upwell.definitions.partitions.mapping import (
    AllPartitionMapping,
    IdentityPartitionMapping,
    LastPartitionMapping,
    PartitionMapping,
    SpecificPartitionsPartitionMapping,
    StaticPartitionMapping,
    TimeWindowPartitionMapping,
)
from upwell.definitions.partitions.named import StaticPartitionsDefinition
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
from upwell.definitions.selection import AssetSelection
from upwell.definitions.specs import AssetDep, AssetIn, AssetOut, AssetSpec, apply_freshness_policy
from upwell.oneshot.instance import DagsterInstance, DagsterRun, DagsterRunStatus, RunsFilter
from upwell.oneshot.jobs import Definitions, JobDefinition
from upwell.oneshot.result import ExecuteInProcessResult
from upwell.oneshot.running import materialize
from upwell.runtime.contexts import AssetCheckExecutionContext, AssetExecutionContext
from upwell.runtime.io.contexts import InputContext, OutputContext
from upwell.runtime.io.filesystem import FilesystemIOManager
from upwell.runtime.io.memory import InMemoryIOManager

__all__ = [
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
    "AssetSpec",
    "AssetsDefinition",
    "AutomationCondition",
    "Backoff",
    "BoolMetadataValue",
    "Config",
    "ConfigurableIOManager",
    "ConfigurableResource",
    "DagsterAssetCheckFailedError",
    "DagsterAssetMetadataValue",
    "DagsterError",
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
    "DailyPartitionsDefinition",
    "DataVersion",
    "Definitions",
    "EnvVar",
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
    "JsonMetadataValue",
    "LastPartitionMapping",
    "MarkdownMetadataValue",
    "MaterializeResult",
    "MetadataValue",
    "MonthlyPartitionsDefinition",
    "NotebookMetadataValue",
    "NullMetadataValue",
    "ObserveResult",
    "Output",
    "OutputContext",
    "PartitionKeyRange",
    "PartitionMapping",
    "PartitionsDefinition",
    "PathMetadataValue",
    "ResourceParam",
    "RetryPolicy",
    "RetryRequested",
    "RunsFilter",
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
    "UrlMetadataValue",
    "WeeklyPartitionsDefinition",
    "apply_freshness_policy",
    "asset",
    "asset_check",
    "define_asset_job",
    "materialize",
    "multi_asset",
]
