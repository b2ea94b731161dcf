"""The closed union of partitions definitions, as snapshots carry them."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import Field

from upwell.definitions.partitions.dynamic import DynamicPartitionsDefinition
from upwell.definitions.partitions.multi import MultiPartitionsDefinition
from upwell.definitions.partitions.named import StaticPartitionsDefinition
from upwell.definitions.partitions.time_windows import TimeWindowPartitionsDefinition

AnyPartitionsDefinition: TypeAlias = Annotated[
    StaticPartitionsDefinition
    | TimeWindowPartitionsDefinition
    | DynamicPartitionsDefinition
    | MultiPartitionsDefinition,
    Field(discriminator="type"),
]
