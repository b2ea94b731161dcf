"""Which events are to be decided on once more, and reading them for that."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from upwell.events import (
    AssetMaterialized,
    FileChanged,
    MessageReceived,
    RunCanceled,
    RunFailed,
    RunRequested,
    RunStarted,
    RunSucceeded,
    TimerFired,
    WebhookAccepted,
)
from upwell.journal.journal import Record
from upwell.journal.views import DeadLetter
from upwell.web import listening_models as models
from upwell.web.listening import TOLD
from upwell.web.parts import WebParts
from upwell.web.problems import ProblemError, not_found
from upwell.web.wording import events, named

_PAGE = 500


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """The events of a replay, in order, and those that were meant and cannot be replayed."""

    records: Sequence[Record]
    left_out: tuple[int, ...] = ()


async def chosen(parts: WebParts, request: models.ReplayRequest) -> Chosen:
    """The events that a request is about.

    Raises:
        ProblemError: 404, one of them is not there; 422, one cannot be replayed, or they are too many.
    """
    if request.event_ids is not None:
        return Chosen(records=await _by_id(parts, request.event_ids))
    if request.source is not None and request.since is not None:
        return Chosen(records=await _of_source(parts, request.source, request.since, request.until))
    return await _dead(parts)


def can_be_replayed(record: Record) -> bool:
    """Whether a source told it, or sensors may watch for it: nothing else can be decided on once more."""
    return isinstance(
        record.event,
        WebhookAccepted
        | FileChanged
        | TimerFired
        | MessageReceived
        | AssetMaterialized
        | RunRequested
        | RunStarted
        | RunSucceeded
        | RunFailed
        | RunCanceled,
    )


async def _by_id(parts: WebParts, ids: Sequence[int]) -> Sequence[Record]:
    wanted = set(ids)
    records = await parts.queries.events_by_id(wanted)
    if missing := sorted(wanted - {record.id for record in records}):
        raise ProblemError(404, f"There is no {events(missing)}; retention may have removed it.", kind="unknown-event")
    if wrong := [record for record in records if not can_be_replayed(record)]:
        kinds = named(list(dict.fromkeys(record.event.kind for record in wrong)))
        raise ProblemError(
            422,
            f"Only what a source told ({', '.join(sorted(TOLD))}), and what sensors watch for (materialisations and "
            f"changes of runs), can be replayed; "
            f"{events([record.id for record in wrong])}: {kinds}.",
            kind="not-replayable",
        )
    return records


async def _of_source(parts: WebParts, source: str, since: datetime, until: datetime | None) -> Sequence[Record]:
    """What the source told in that time, both ends included."""
    found: list[Record] = []
    async for record in _newest_first(parts, source):
        if record.at < since:
            break
        if until is None or record.at <= until:
            found.append(record)
            _check_number(found, "Give a shorter time with since and until, and replay in parts.")
    if (
        not found
        and source not in parts.project.graph.sources
        and not await parts.queries.events(source=source, limit=1)
    ):
        raise not_found("source", source, parts.project.graph.sources)
    return found[::-1]


async def _newest_first(parts: WebParts, source: str) -> AsyncIterator[Record]:
    before = None
    while page := await parts.queries.events(source=source, kinds=TOLD, before=before, limit=_PAGE):
        for record in page:
            yield record
        before = page[-1].id


async def _dead(parts: WebParts) -> Chosen:
    letters: list[DeadLetter] = []
    before = None
    while page := await parts.queries.dead_letters(limit=_PAGE, before=before):
        letters += page
        before = (page[-1].dead_id, page[-1].event_id)
        _check_number(letters, "Replay them in parts, by their event_ids.")
    records = await parts.queries.events_by_id({letter.event_id for letter in letters})
    replayable = [record for record in records if can_be_replayed(record)]
    left_out = {letter.event_id for letter in letters} - {record.id for record in replayable}
    return Chosen(records=replayable, left_out=tuple(sorted(left_out)))


def _check_number(found: Sequence[object], mend: str) -> None:
    if len(found) > models.MAX_REPLAYED:
        raise ProblemError(422, f"These are more than {models.MAX_REPLAYED} events. {mend}", kind="too-many-events")
