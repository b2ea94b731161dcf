"""Freshness policies: how recent an asset has to be, as pure functions of time."""

from __future__ import annotations

from typing import Any, TypeAlias

AnyFreshnessPolicy: TypeAlias = Any
