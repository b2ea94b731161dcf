"""`RunConfig`: config for a run, written with the classes that its functions take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from upwell.definitions.config.classes import plain_config_of
from upwell.definitions.specs import UNSET
from upwell.events import Json


@dataclass(frozen=True)
class RunConfig:
    """Config for a run: by function (`ops`) and by resource, as objects of their config classes or as plain data."""

    ops: Mapping[str, Any] = field(default_factory=dict)  # `Config` objects, or `{"config": …}`
    resources: Mapping[str, Any] = field(default_factory=dict)
    loggers: Mapping[str, Any] = field(default_factory=dict)
    execution: Mapping[str, Any] = field(default_factory=dict)

    def to_config_dict(self) -> dict[str, Json]:
        """The same as plain data."""
        return {
            "loggers": dict(self.loggers or {}),
            "resources": {key: _plain(one) for key, one in (self.resources or {}).items()},
            "ops": {key: _plain(one) for key, one in (self.ops or {}).items()},
            "execution": dict(self.execution or {}),
        }


def plain_config(config: RunConfig | Mapping[str, Any] | None) -> dict[str, Json]:
    """Run config as plain data; an empty one, where there is none."""
    return config.to_config_dict() if isinstance(config, RunConfig) else dict(config or {})


def _plain(config: object) -> Json:
    return {"config": plain_config_of(config)} if isinstance(config, BaseModel) else config


def merged_config(own: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`own` with what `over` says in its place, at every depth. (`Any`: config is of any type.)"""
    found = dict(own)
    for key, value in over.items():
        mine = found.get(key)
        found[key] = merged_config(mine, value) if isinstance(mine, Mapping) and isinstance(value, Mapping) else value
    return found


def config_of_op(run_config: Json, name: str) -> Any:
    """What run config says for a function; `UNSET` when it says nothing. (`Any`: it may be of any type.)"""
    ops = run_config.get("ops") if isinstance(run_config, Mapping) else None
    said = ops.get(name) if isinstance(ops, Mapping) else None
    return said.get("config", UNSET) if isinstance(said, Mapping) else UNSET
