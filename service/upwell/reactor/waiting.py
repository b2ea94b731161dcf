"""Finding again, after a restart, what the events that waited at gates wait for. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from upwell.events import FileChanged, MessageReceived, SourceEvent, TimerFired, WebhookAccepted
from upwell.journal.journal import Record
from upwell.journal.views import WaitingEvent
from upwell.reactor.answering import Situation
from upwell.reactor.gates import gate_key
from upwell.reactor.matching import Answer, match


def gates_of(
    waiting: Sequence[WaitingEvent], records: Sequence[Record], situation: Situation
) -> Iterator[tuple[str, Record, str, Answer]]:
    """Each event that waits: its gate, itself, its source, and what the gate stands before by the present code.

    Where nothing answers to that gate any more, the answer is empty: when it opens, at once, the events are told so.
    """
    by_id = {record.id: record for record in records}
    for one in waiting:
        record = by_id.get(one.event_id)
        if record is None:
            continue
        event = record.event
        if isinstance(event, WebhookAccepted | FileChanged | TimerFired | MessageReceived):
            answer = next((a for a in _answers(event, situation) if gate_key(event.source, a) == one.gate), Answer())
            yield one.gate, record, event.source, answer


def _answers(event: SourceEvent, situation: Situation) -> Iterator[Answer]:
    found = match(event, situation.graph, situation.switches, situation.now)
    yield from found.answers
    if found.asks:  # the users' filters have been asked, and let it in, before it came to wait
        said = dict.fromkeys(found.asks, True)
        yield from match(event, situation.graph, situation.switches, situation.now, said).answers
