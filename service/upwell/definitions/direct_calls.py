"""Calling a decorated function directly, in a test: what the decorator adds to a plain call."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from upwell.definitions.compute import ComputeDefinition
from upwell.definitions.config.resolving import resolved_config
from upwell.definitions.specs import UNSET


def with_config(compute: ComputeDefinition, args: tuple[Any, ...], given: Mapping[str, Any]) -> Mapping[str, Any]:
    """`given` with the config argument as the function wants it: of a dict, or of its defaults when it is left out.

    Raises:
        DagsterInvalidConfigError: it does not fit, or is missing.
    """
    name = compute.config_argument
    if name is None or name in inspect.signature(compute.function).bind_partial(*args).arguments:
        return given
    said = given.get(name, UNSET)
    if said is not UNSET and not isinstance(said, Mapping):
        return given
    return {**given, name: resolved_config(compute.schema, said, f"{compute.name}: config")}
