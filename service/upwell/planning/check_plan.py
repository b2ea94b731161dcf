"""The plan of a run that evaluates checks and makes nothing. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from difflib import get_close_matches

from upwell.definitions.graph import AssetGraph
from upwell.definitions.snapshot import CheckNode
from upwell.errors import PartitionError, SelectionError
from upwell.events import PlannedStep


def check_plan(
    graph: AssetGraph, checks: Iterable[str], partition: str | None, now: datetime
) -> tuple[PlannedStep, ...]:
    """The steps that evaluate these checks (`asset:name`); they wait for nothing, for what they check is there already.

    Without a partition a check is of its asset as a whole. A step that evaluates several checks and cannot take part of
    them evaluates them all.

    Raises:
        SelectionError: there is no such check, or its asset's own step evaluates it and cannot do that alone.
        PartitionError: the partition does not exist, or is given in vain.
    """
    asked = [_check(graph, key) for key in dict.fromkeys(checks)]
    if partition is not None and all(_partition(graph, check, partition, now) is None for check in asked):
        raise PartitionError(f"nothing that is checked is partitioned. Leave out the partition {partition!r}")
    steps: dict[tuple[str, str | None], dict[str, None]] = {}
    for check in asked:
        node = graph.steps[check.step]
        together = (check.key,) if node.can_subset else node.checks
        key = check.step, _partition(graph, check, partition, now)
        steps.setdefault(key, {}).update(dict.fromkeys(together))
    return tuple(
        PlannedStep(id=step if of is None else f"{step}@{of}", step=step, checks=tuple(keys), partition=of, asked=True)
        for (step, of), keys in steps.items()
    )


def alone(graph: AssetGraph, checks: Iterable[str], assets: Collection[str]) -> list[str]:
    """Those of the checks that do not run anyway, as checks of the assets."""
    return [key for key in checks if key not in graph.checks or graph.checks[key].asset not in assets]


def together(made: Sequence[PlannedStep], checking: Sequence[PlannedStep]) -> tuple[PlannedStep, ...]:
    """One plan; a step of both evaluates the checks of both."""
    more = {step.id: step for step in checking}
    both = {step.id: (*step.checks, *more.pop(step.id).checks) for step in made if step.id in more}
    steps = [replace(step, checks=tuple(dict.fromkeys(both[step.id]))) if step.id in both else step for step in made]
    return (*steps, *more.values())


def checked_assets(graph: AssetGraph, checks: Iterable[str]) -> tuple[str, ...]:
    """The assets that these checks are of, each once."""
    return tuple(dict.fromkeys(graph.checks[key].asset for key in checks))


def _check(graph: AssetGraph, key: str) -> CheckNode:
    check = graph.checks.get(key)
    if check is None:
        near = get_close_matches(key, graph.checks, n=1)
        hint = f"did you mean {near[0]!r}?" if near else "a check is named asset:name"
        raise SelectionError(f"there is no check {key!r}; {hint}")
    node = graph.steps[check.step]
    if node.assets and not node.can_subset:
        raise SelectionError(
            f"check {key} is evaluated by the function that makes {', '.join(node.assets)}, so not without it; ask for "
            "the asset, or give the check a function of its own: @asset_check"
        )
    return check


def _partition(graph: AssetGraph, check: CheckNode, partition: str | None, now: datetime) -> str | None:
    asset = graph.assets.get(check.asset)
    if partition is None or asset is None or asset.partitions is None:
        return None
    if not asset.partitions.has_partition_key(partition, now):
        raise PartitionError(f"{check.asset} has no partition {partition!r}")
    return partition
