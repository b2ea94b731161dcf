"""The event log: one line of the service's log for every event of the journal, for people and for alerting.

Freshness lines are what alerting listens to. They are neither missed nor repeated by a restart: the position behind
the newest line that matters is kept in the journal, and after a restart what matters is told from there on. Plain
lines of the moments before a crash are not told again: the journal has them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import anyio
import anyio.abc
import anyio.to_thread

from upwell import logs
from upwell.alerts.lines import line_of
from upwell.errors import JournalUnavailable
from upwell.journal.journal import Journal, Progress, Record
from upwell.journal.queries import Queries

CONSUMER = "event-log"

_SAVE_AFTER = 1_000  # events without a line that matters, after which the position is kept anyway

log = logs.get_logger()


class EventLog:
    """Follows the journal and writes its lines.

    Args:
        flush: blocks until the lines written so far have left the process; called in a thread before the position is
            kept, so that no crash can lose a line whose position was.
    """

    def __init__(self, journal: Journal, queries: Queries, *, flush: Callable[[], None] = logs.flush) -> None:
        self._journal = journal
        self._queries = queries
        self._flush = flush
        self._saved = 0

    async def run(self, *, task_status: anyio.abc.TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Write a line for every event, until cancelled."""
        self._saved = await self._queries.progress(CONSUMER)
        told_before = self._journal.head
        if told_before and not self._saved:
            # A journal that no event log has followed yet: its past is not news.
            await self._save(told_before)
        task_status.started()
        async for records in self._journal.subscribe(self._saved):
            await self._write(records, told_before)

    async def _write(self, records: Sequence[Record], told_before: int) -> None:
        mattered = False
        for record in records:
            line = line_of(record)
            if record.id > told_before or line.matters:
                getattr(log, line.level)(line.event, **line.fields)
            mattered = mattered or line.matters
        last = records[-1].id
        if mattered:
            await anyio.to_thread.run_sync(self._flush)
        if mattered or not self._saved or last - self._saved >= _SAVE_AFTER:
            await self._save(last)

    async def _save(self, position: int) -> None:
        """Keep the position. One write for each event would double the journal's work; see the module's docstring."""
        try:
            await self._journal.append(progress=Progress(consumer=CONSUMER, event_id=position))
        except JournalUnavailable:
            return  # the disk refuses; lines go on, and the next one that matters tries again
        self._saved = position
