"""Run config that is made of a partition: `@static_partitioned_config(["eu", "us"])`, `@daily_partitioned_config`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from upwell.definitions.partitions.definition import PartitionsDefinition
from upwell.definitions.partitions.named import StaticPartitionsDefinition
from upwell.definitions.partitions.time_windows import (
    DailyPartitionsDefinition,
    HourlyPartitionsDefinition,
    MonthlyPartitionsDefinition,
    TimeWindowPartitionsDefinition,
    WeeklyPartitionsDefinition,
)
from upwell.definitions.run_config import plain_config

ConfigOfKey = Callable[[str], Any]
ConfigOfWindow = Callable[[datetime, datetime], Any]


@dataclass(frozen=True, eq=False)
class PartitionedConfig:
    """A function from the key of a partition to run config."""

    partitions_def: PartitionsDefinition
    run_config_for_partition_key_fn: ConfigOfKey
    function: Callable[..., Any] | None = None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """What the decorated function gives, for a test."""
        return (self.function or self.run_config_for_partition_key_fn)(*args, **kwargs)

    def run_config_for(self, key: str) -> Mapping[str, Any]:
        """The run config of a partition, as plain data."""
        return plain_config(self.run_config_for_partition_key_fn(key))

    get_run_config_for_partition_key = run_config_for

    def get_partition_keys(self, current_time: datetime | None = None) -> Sequence[str]:
        """The keys of the partitions."""
        return self.partitions_def.get_partition_keys(current_time)


def static_partitioned_config(partition_keys: Sequence[str]) -> Callable[[ConfigOfKey], PartitionedConfig]:
    """Declare that a function of a key makes run config."""
    return lambda function: PartitionedConfig(StaticPartitionsDefinition(partition_keys), function, function)


def hourly_partitioned_config(**partitions: Any) -> Callable[[ConfigOfWindow], PartitionedConfig]:
    """Declare that a function of an hour's start and end makes run config; see `HourlyPartitionsDefinition`."""
    return _of_windows(HourlyPartitionsDefinition(**partitions))


def daily_partitioned_config(**partitions: Any) -> Callable[[ConfigOfWindow], PartitionedConfig]:
    """Declare that a function of a day's start and end makes run config; see `DailyPartitionsDefinition`."""
    return _of_windows(DailyPartitionsDefinition(**partitions))


def weekly_partitioned_config(**partitions: Any) -> Callable[[ConfigOfWindow], PartitionedConfig]:
    """Declare that a function of a week's start and end makes run config; see `WeeklyPartitionsDefinition`."""
    return _of_windows(WeeklyPartitionsDefinition(**partitions))


def monthly_partitioned_config(**partitions: Any) -> Callable[[ConfigOfWindow], PartitionedConfig]:
    """Declare that a function of a month's start and end makes run config; see `MonthlyPartitionsDefinition`."""
    return _of_windows(MonthlyPartitionsDefinition(**partitions))


def _of_windows(partitions: TimeWindowPartitionsDefinition) -> Callable[[ConfigOfWindow], PartitionedConfig]:
    def declare(function: ConfigOfWindow) -> PartitionedConfig:
        def config_of(key: str) -> Any:
            window = partitions.time_window_for_partition_key(key)
            return function(window.start, window.end)

        return PartitionedConfig(partitions, config_of, function)

    return declare
