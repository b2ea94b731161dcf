"""What somebody asks `upwell materialize` for, and which assets that means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from upwell.cli.failures import UsageError
from upwell.cli.output import note
from upwell.errors import PartitionError
from upwell.events import Json


@dataclass(frozen=True, kw_only=True)
class RunRequest:
    """A selection (none: everything), a partition, and config for the functions that take some."""

    select: str | None = None
    partition: str | None = None
    config: Json = None


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """An asset that the selection names."""

    key: str
    partitioned: bool
    external: bool


def choose(candidates: Sequence[Candidate], request: RunRequest) -> list[str]:
    """The assets to make. Without a selection, those that would need a partition that was not given are left out.

    Raises:
        UsageError: nothing of it can be made here.
        PartitionError: a partition is missing, or one is given that nothing needs.
    """
    ours = [one for one in candidates if not one.external]
    partitioned = [one.key for one in ours if one.partitioned]
    if not ours:
        raise UsageError(f"{request.select or 'this project'} has no asset that is made here")
    if request.partition is not None:
        if not partitioned:
            raise PartitionError(f"nothing that is selected is partitioned; leave out --partition {request.partition}")
        return [one.key for one in ours]
    plain = [one.key for one in ours if not one.partitioned]
    if partitioned and (request.select or not plain):
        raise PartitionError(f"{', '.join(partitioned)}: partitioned; say which partition with --partition KEY")
    if partitioned:
        note(f"left out, since they need --partition KEY: {', '.join(partitioned)}")
    return plain
