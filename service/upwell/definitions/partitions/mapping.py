"""Which partitions of an upstream asset a partition of a downstream asset reads, and the way back."""

from __future__ import annotations

from typing import Any, TypeAlias

AnyPartitionMapping: TypeAlias = Any
