"""Config that a graph or a job has of its own, of which that of its ops is made."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, overload

from upwell.definitions.config.classes import Config
from upwell.definitions.config.resolving import resolved_config
from upwell.definitions.run_config import RunConfig, plain_config
from upwell.definitions.signature import annotation_of

ConfigFunction: TypeAlias = Callable[[Any], Any]
"""Takes config by its schema; returns that of the ops (of a graph), or run config (of a job)."""


@dataclass(frozen=True)
class ConfigMapping:
    """A function from config of one's own to the config of the ops within."""

    config_fn: ConfigFunction
    config_schema: object = None

    def ops_for(self, said: Any, where: str) -> Mapping[str, Any]:
        """What is said of the ops of a graph, for what is said of the graph. (`Any`: config is of any type.)

        Raises:
            DagsterInvalidConfigError: that does not fit.
        """
        made = self.config_fn(resolved_config(self.config_schema, said, where))
        ops: Mapping[str, Any] = made.to_config_dict()["ops"] if isinstance(made, RunConfig) else made
        return ops

    def run_config_for(self, said: Any) -> Mapping[str, Any]:
        """The run config of a job, for what is said of the job. (`Any`: config is of any type.)

        Raises:
            DagsterInvalidConfigError: that does not fit.
        """
        return plain_config(self.config_fn(resolved_config(self.config_schema, said, "run config")))


@overload
def config_mapping(config_fn: ConfigFunction, /) -> ConfigMapping: ...


@overload
def config_mapping(
    config_fn: None = None, *, config_schema: object = ...
) -> Callable[[ConfigFunction], ConfigMapping]: ...


def config_mapping(
    config_fn: ConfigFunction | None = None, *, config_schema: object = None
) -> ConfigMapping | Callable[[ConfigFunction], ConfigMapping]:
    """Declare that a function makes the config of ops; its schema may be the `Config` class of its argument."""

    def declare(function: ConfigFunction) -> ConfigMapping:
        return ConfigMapping(function, _class_taken(function) if config_schema is None else config_schema)

    return declare if config_fn is None else declare(config_fn)


def _class_taken(function: ConfigFunction) -> object:
    for parameter in inspect.signature(function).parameters.values():
        annotation = annotation_of(function, parameter.annotation)
        return annotation if isinstance(annotation, type) and issubclass(annotation, Config) else None
    return None
