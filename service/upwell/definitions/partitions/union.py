"""The closed union of partition definitions, as snapshots carry them."""

from __future__ import annotations

from typing import Any, TypeAlias

AnyPartitionsDefinition: TypeAlias = Any
