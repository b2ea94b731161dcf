"""A user's function as the step runner needs it: what to pass in, and what to expect back.

`@asset`, `@multi_asset` and `@asset_check` each make one `ComputeDefinition`; a `Definitions` has them by step key
(`Definitions.computations`). How an attempt uses one:

1. Build the arguments by name: `context_argument` (when there is one) gets the context, `config_argument` the config,
   each of `resource_arguments` its resource, each of `inputs` the value loaded for it.
2. Call `function(**arguments)`. By `style` it returns a value, an awaitable, an iterator or an asynchronous iterator.
3. Take what it returned or yielded for `outputs` and `checks`. A plain value belongs to the only output; a tuple of as
   many values as outputs, to them in order; `Output` says the output's `name`, `MaterializeResult` and
   `AssetCheckResult` the asset's key (which may be left out where there is one only).

`context.resources` holds `required_resource_keys`, which includes the resource arguments.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from upwell.definitions.checks import AssetCheckSpec
from upwell.definitions.errors import DagsterInvalidDefinitionError
from upwell.definitions.keys import AssetKey
from upwell.definitions.partitions.definition import PartitionsDefinition
from upwell.definitions.partitions.mapping import PartitionMapping
from upwell.definitions.retry_policy import RetryPolicy
from upwell.definitions.specs import UNSET, AssetSpec
from upwell.definitions.updates import UpdateQuestion

DEFAULT_IO_MANAGER = "io_manager"

UserFunction: TypeAlias = Callable[..., Any]
"""Whatever a user decorated; what it takes and returns is read from its signature."""

Style: TypeAlias = Literal["function", "generator", "coroutine", "async_generator"]

_STEP_NAME = re.compile(r"[A-Za-z0-9_]+")


@dataclass(frozen=True, kw_only=True)
class InputDefinition:
    """An argument that is filled with the stored value of an asset.

    Attributes:
        name: the argument.
        key: the asset whose value it gets.
        partition_mapping: which of its partitions; none means the default for the two definitions.
        metadata: given by `AssetIn(metadata=…)`, for the IO manager.
        io_manager_key: the resource that loads it; none means the one that stored it.
        annotation: the type that the value must have, or `UNSET` when nobody said.
    """

    name: str
    key: AssetKey
    partition_mapping: PartitionMapping | None = None
    metadata: Mapping[str, object] = field(default_factory=dict)
    io_manager_key: str | None = None
    annotation: object = UNSET


@dataclass(frozen=True, kw_only=True)
class OutputDefinition:
    """An asset that the function makes.

    Attributes:
        name: how `Output(value, name)` calls it; `result` for an `@asset`.
        spec: the asset: key, code version, metadata, partitions, tags, and `skippable`.
        io_manager_key: the resource that stores its value.
        annotation: the type that the value must have, `UNSET` when nobody said. `NoneType` means that there is no
            value: nothing is stored, and the asset is materialised even when nothing was returned or yielded for it.
    """

    name: str
    spec: AssetSpec
    io_manager_key: str = DEFAULT_IO_MANAGER
    annotation: object = UNSET

    @property
    def key(self) -> AssetKey:
        return self.spec.key

    @property
    def required(self) -> bool:
        """Whether it is an error that the function does not make it."""
        return not self.spec.skippable

    @property
    def has_value(self) -> bool:
        """Whether a value is stored (see `annotation`)."""
        return self.annotation is not type(None)


@dataclass(frozen=True, kw_only=True)
class ComputeDefinition:
    """One function and all that is needed to run it as a step.

    Attributes:
        name: the step's key, unless two computations want the same; see `Definitions.computations`.
        function: the user's function itself.
        style: how it is called.
        context_argument: the argument for the context, when it takes one.
        config_argument, config_type: the argument for run config and its annotation, when it takes one.
        config_schema: what run config may say, where the function reads it from its context.
        resource_arguments: by argument (and resource key): its annotation.
        inputs: arguments filled with values of assets.
        outputs: assets that it makes; none for an asset check.
        checks: checks that it evaluates.
        can_subset: it can make part of its outputs, asking `context.selected_asset_keys`.
        required_resource_keys: resources that it needs beside IO managers, resource arguments included.
        partitions_def: of its outputs, when they have one.
        pool, timeout, retry_policy: limits for the step; `timeout` in seconds.
        tags: tags of the step (`op_tags`).
        compute_kind: what the user calls the technology.
        asks: what it wants to know of the journal; `context.update_of(key)` answers.
        file, line: where the function stands.
    """

    name: str
    function: UserFunction
    style: Style
    context_argument: str | None = None
    config_argument: str | None = None
    config_type: object = None
    config_schema: object = None
    resource_arguments: Mapping[str, object] = field(default_factory=dict)
    inputs: tuple[InputDefinition, ...] = ()
    outputs: tuple[OutputDefinition, ...] = ()
    checks: tuple[AssetCheckSpec, ...] = ()
    can_subset: bool = False
    required_resource_keys: frozenset[str] = frozenset()
    partitions_def: PartitionsDefinition | None = None
    pool: str | None = None
    timeout: float | None = None
    retry_policy: RetryPolicy | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    compute_kind: str | None = None
    asks: tuple[UpdateQuestion, ...] = ()
    description: str | None = None
    file: str | None = None
    line: int | None = None

    @property
    def schema(self) -> object:
        """What run config may say for it."""
        return self.config_schema if self.config_argument is None else self.config_type

    def output(self, name: str) -> OutputDefinition | None:
        """The output of this name."""
        return next((output for output in self.outputs if output.name == name), None)

    def output_for(self, key: AssetKey) -> OutputDefinition | None:
        """The output that makes this asset."""
        return next((output for output in self.outputs if output.key == key), None)


def checked_step_name(name: str, *, file: str | None, line: int | None) -> str:
    """`name`, if it can name a step.

    Raises:
        DagsterInvalidDefinitionError: it cannot.
    """
    if not _STEP_NAME.fullmatch(name):
        raise DagsterInvalidDefinitionError(
            f"{name!r} is no valid name: use letters, digits and underscores", file=file, line=line
        )
    return name
