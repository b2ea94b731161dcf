"""Upwell: event-driven data assets that are fresh, and known to be.

A name is loaded when it is first asked for: the service and the command line need few of them, and start sooner.
"""

from __future__ import annotations

import ast
import importlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from upwell.definitions.asset_decorator import asset
    from upwell.definitions.assets import AssetChecksDefinition, AssetsDefinition
    from upwell.definitions.check_decorator import asset_check
    from upwell.definitions.checks import AssetCheckEvaluation, AssetCheckResult, AssetCheckSeverity, AssetCheckSpec
    from upwell.definitions.conditions.model import AutomationCondition
    from upwell.definitions.conditions.user_written import AutomationContext, AutomationResult
    from upwell.definitions.config.classes import Config, PermissiveConfig
    from upwell.definitions.config.schema import (
        Array,
        BoolSource,
        Enum,
        EnumValue,
        Field,
        IntSource,
        Map,
        Noneable,
        Permissive,
        ScalarUnion,
        Selector,
        Shape,
        StringSource,
    )
    from upwell.definitions.environment import EnvVar
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
        DagsterResourceFunctionError,
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
    from upwell.definitions.freshness_checks import (
        build_last_update_freshness_checks,
        build_time_partition_freshness_checks,
    )
    from upwell.definitions.freshness_sensor import build_sensor_for_freshness_checks
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
    from upwell.definitions.ops.config import ConfigMapping, config_mapping
    from upwell.definitions.ops.hooks import HookDefinition, failure_hook, success_hook
    from upwell.definitions.ops.inputs_outputs import DynamicOut, DynamicOutput, GraphIn, GraphOut, In, Nothing, Out
    from upwell.definitions.ops.op import OpDefinition, op
    from upwell.definitions.ops.partitioned_config import (
        PartitionedConfig,
        daily_partitioned_config,
        hourly_partitioned_config,
        monthly_partitioned_config,
        static_partitioned_config,
        weekly_partitioned_config,
    )
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
    from upwell.definitions.resource_functions import (
        InputManagerDefinition,
        IOManagerDefinition,
        ResourceDefinition,
        input_manager,
        io_manager,
        resource,
    )
    from upwell.definitions.resources import (
        ConfigurableIOManager,
        ConfigurableIOManagerFactory,
        ConfigurableResource,
        ConfigurableResourceFactory,
        InputManager,
        IOManager,
        ResourceDependency,
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
    from upwell.oneshot.automation import EvaluateAutomationConditionsResult, evaluate_automation_conditions
    from upwell.oneshot.instance import DagsterInstance, RunsFilter
    from upwell.oneshot.job import JobDefinition
    from upwell.oneshot.jobs import Definitions
    from upwell.oneshot.ops import GraphDefinition, graph, job
    from upwell.oneshot.result import ExecuteInProcessResult
    from upwell.oneshot.running import materialize
    from upwell.runtime.building_contexts import (
        build_multi_asset_sensor_context,
        build_run_status_sensor_context,
        build_schedule_context,
        build_sensor_context,
    )
    from upwell.runtime.contexts import AssetCheckExecutionContext, AssetExecutionContext, build_asset_context
    from upwell.runtime.io.building import build_input_context, build_output_context
    from upwell.runtime.io.contexts import InputContext, OutputContext
    from upwell.runtime.io.duckdb import DuckDBIOManager
    from upwell.runtime.io.filesystem import FilesystemIOManager
    from upwell.runtime.io.memory import InMemoryIOManager, mem_io_manager
    from upwell.runtime.io.text_formats import CsvIOManager, JsonIOManager
    from upwell.runtime.multi_asset_context import MultiAssetSensorEvaluationContext
    from upwell.runtime.ops.contexts import HookContext, OpExecutionContext, build_hook_context, build_op_context
    from upwell.runtime.resources import InitResourceContext, build_init_resource_context, build_resources
    from upwell.runtime.sensor_contexts import (
        RunFailureSensorContext,
        RunStatusSensorContext,
        ScheduleEvaluationContext,
        SensorEvaluationContext,
    )

__all__ = [
    "AddDynamicPartitionsRequest",
    "AllPartitionMapping",
    "Array",
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
    "AutomationContext",
    "AutomationResult",
    "Backoff",
    "BoolMetadataValue",
    "BoolSource",
    "BusinessCalendar",
    "Config",
    "ConfigMapping",
    "ConfigurableIOManager",
    "ConfigurableIOManagerFactory",
    "ConfigurableResource",
    "ConfigurableResourceFactory",
    "CsvIOManager",
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
    "DagsterResourceFunctionError",
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
    "DuckDBIOManager",
    "DynamicOut",
    "DynamicOutput",
    "DynamicPartitionsDefinition",
    "Enum",
    "EnumValue",
    "EnvVar",
    "EvaluateAutomationConditionsResult",
    "EventLogEntry",
    "EventLogRecord",
    "ExecuteInProcessResult",
    "Failure",
    "Field",
    "FilesystemIOManager",
    "FloatMetadataValue",
    "FreshnessPolicy",
    "GraphDefinition",
    "GraphIn",
    "GraphOut",
    "HookContext",
    "HookDefinition",
    "HourlyPartitionsDefinition",
    "IOManager",
    "IOManagerDefinition",
    "IdentityPartitionMapping",
    "In",
    "InMemoryIOManager",
    "InitResourceContext",
    "InputContext",
    "InputManager",
    "InputManagerDefinition",
    "IntMetadataValue",
    "IntSource",
    "Jitter",
    "JobDefinition",
    "JobSelector",
    "JsonIOManager",
    "JsonMetadataValue",
    "LastPartitionMapping",
    "Map",
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
    "Noneable",
    "NotebookMetadataValue",
    "Nothing",
    "NullMetadataValue",
    "ObserveResult",
    "OpDefinition",
    "OpExecutionContext",
    "Out",
    "Output",
    "OutputContext",
    "PartitionDimensionDefinition",
    "PartitionKeyRange",
    "PartitionMapping",
    "PartitionedConfig",
    "PartitionsDefinition",
    "PathMetadataValue",
    "Permissive",
    "PermissiveConfig",
    "ResourceDefinition",
    "ResourceDependency",
    "ResourceParam",
    "RetryPolicy",
    "RetryRequested",
    "RunConfig",
    "RunFailureSensorContext",
    "RunRequest",
    "RunStatusSensorContext",
    "RunStatusSensorDefinition",
    "RunsFilter",
    "ScalarUnion",
    "ScheduleDefinition",
    "ScheduleEvaluationContext",
    "Selector",
    "SensorDefinition",
    "SensorEvaluationContext",
    "SensorResult",
    "Shape",
    "SkipReason",
    "SpecificPartitionsPartitionMapping",
    "StaticPartitionMapping",
    "StaticPartitionsDefinition",
    "StringSource",
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
    "build_asset_context",
    "build_hook_context",
    "build_init_resource_context",
    "build_input_context",
    "build_last_update_freshness_checks",
    "build_multi_asset_sensor_context",
    "build_op_context",
    "build_output_context",
    "build_resources",
    "build_run_status_sensor_context",
    "build_schedule_context",
    "build_schedule_from_partitioned_job",
    "build_sensor_context",
    "build_sensor_for_freshness_checks",
    "build_time_partition_freshness_checks",
    "config_mapping",
    "daily_partitioned_config",
    "define_asset_job",
    "evaluate_automation_conditions",
    "failure_hook",
    "graph",
    "hourly_partitioned_config",
    "input_manager",
    "io_manager",
    "job",
    "materialize",
    "mem_io_manager",
    "monthly_partitioned_config",
    "multi_asset",
    "multi_asset_sensor",
    "op",
    "resource",
    "run_failure_sensor",
    "run_status_sensor",
    "schedule",
    "sensor",
    "static_partitioned_config",
    "success_hook",
    "weekly_partitioned_config",
]


@cache
def _owners() -> dict[str, str]:
    """By public name: the module that has it, as the imports above say."""
    tree = ast.parse(Path(__file__).read_text(encoding="utf-8"))
    imports = (node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom))
    owned = {name.name: node.module for node in imports for name in node.names if node.module is not None}
    return {name: owned[name] for name in __all__}


# Type checkers have the imports above, and report a name that is not among them.
if not TYPE_CHECKING:

    def __getattr__(name):
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(importlib.import_module(_owners()[name]), name)
        return value

    def __dir__():
        return sorted({*globals(), *__all__})
