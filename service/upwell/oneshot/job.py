"""`JobDefinition`: something that can be run as one, here and now."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from upwell.definitions.run_config import RunConfig
from upwell.oneshot.instance import DagsterInstance
from upwell.oneshot.result import ExecuteInProcessResult


class JobDefinition(ABC):
    """A job, of assets or of ops."""

    name: str

    @abstractmethod
    def execute_in_process(
        self,
        run_config: RunConfig | Mapping[str, Any] | None = None,
        instance: DagsterInstance | None = None,
        partition_key: str | None = None,
        raise_on_error: bool = True,
        tags: Mapping[str, str] | None = None,
        resources: Mapping[str, object] | None = None,
    ) -> ExecuteInProcessResult:
        """Run the job to its end; arguments and errors as of `materialize`, over what the job itself says."""
