"""Run config of graphs: what is said of each op within, and config that a graph makes of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from upwell.definitions.config.resolving import resolved_config


@dataclass(frozen=True)
class ConfigMapping:
    """A function from the config of a graph to the config of the ops within."""

    config_fn: Callable[[Any], Mapping[str, Any]]
    config_schema: object = None

    def ops_for(self, said: Any, where: str) -> Mapping[str, Any]:
        """What is said of the ops within, for what is said of the graph. (`Any`: config is of any type.)

        Raises:
            DagsterInvalidConfigError: that does not fit.
        """
        return self.config_fn(resolved_config(self.config_schema, said, where))


def config_mapping(config_fn: Any = None, *, config_schema: object = None, **ignored: object) -> Any:
    """Declare that a function makes the config of a graph's ops. (`Any`: with or without parentheses.)"""

    def declare(function: Callable[[Any], Mapping[str, Any]]) -> ConfigMapping:
        return ConfigMapping(function, config_schema)

    return declare if config_fn is None else declare(config_fn)
