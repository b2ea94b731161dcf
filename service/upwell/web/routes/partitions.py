"""Keys of dynamic partitions: which there are, and that some come or go."""

from __future__ import annotations

from fastapi import APIRouter

from upwell.events import DynamicPartitionsChanged
from upwell.web import models
from upwell.web.parts import Parts
from upwell.web.problems import ProblemError

router = APIRouter(tags=["partitions"])


@router.get("/partitions/{name}")
async def list_keys(name: str, parts: Parts) -> models.DynamicPartitions:
    """The keys of the dynamic partitions of this name, in the order in which they came."""
    _check_known(name, parts)
    return models.DynamicPartitions(name=name, keys=tuple(parts.project.dynamic.get_dynamic_partitions(name)))


@router.post("/partitions/{name}")
async def change_keys(name: str, change: models.PartitionsChange, parts: Parts) -> models.PartitionsChanged:
    """Add and remove keys. What is so already is left out of the answer, and of the journal."""
    _check_known(name, parts)
    both = sorted(set(change.add) & set(change.remove))
    if both:
        raise ProblemError(
            422, f"{', '.join(both)} cannot come and go at once; say one of the two.", kind="invalid-keys"
        )
    known = parts.project.dynamic
    added = tuple(key for key in dict.fromkeys(change.add) if not known.has_dynamic_partition(name, key))
    removed = tuple(key for key in dict.fromkeys(change.remove) if known.has_dynamic_partition(name, key))
    if not added and not removed:
        return models.PartitionsChanged(name=name, added=(), removed=(), event_id=None)
    (receipt,) = await parts.journal.append(DynamicPartitionsChanged(name=name, added=added, removed=removed))
    known.change(name, added=added, removed=removed)  # so that the sender's next request finds it done
    return models.PartitionsChanged(name=name, added=added, removed=removed, event_id=receipt.id)


def _check_known(name: str, parts: Parts) -> None:
    names = parts.project.graph.dynamic_names
    if name not in names:
        raise ProblemError(
            404,
            f"No asset has dynamic partitions {name!r}; there are: {', '.join(sorted(names)) or 'none'}.",
            kind="unknown-partitions",
        )
