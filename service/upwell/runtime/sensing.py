"""Calling sensors and filters (to be replaced by the whole)."""

from __future__ import annotations

import logging

from upwell.events import ErrorInfo
from upwell.runtime.code import Code
from upwell.runtime.messages import FilterReport, FilterTask, SensorReport, SensorTask
from upwell.runtime.steps import Blocking


async def evaluate(task: SensorTask, code: Code, *, blocking: Blocking, log: logging.Logger) -> SensorReport:
    """Call a sensor."""
    return SensorReport(id=task.id, error=ErrorInfo(type="SensorNotDefined", message=task.sensor))


async def answer_filters(task: FilterTask, code: Code, *, blocking: Blocking) -> FilterReport:
    """Ask filters."""
    return FilterReport(id=task.id, error=ErrorInfo(type="FilterNotDefined", message=str(task.filters)))
