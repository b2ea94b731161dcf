"""Prometheus metrics: what the journal says, counted as it is written, and what only the web server sees."""

from __future__ import annotations

from collections import Counter as Tally

import anyio
import anyio.abc
import anyio.lowlevel
import anyio.to_thread
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.responses import Response

from upwell.events import (
    AssetMaterialized,
    Event,
    RunCanceled,
    RunFailed,
    RunSucceeded,
    StepFailed,
    StepSucceeded,
)
from upwell.web.freshness_metrics import FreshnessFigures
from upwell.web.parts import WebParts

_DURATIONS = (0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 1800, 7200)


class WebhookCounts:
    """Deliveries by their source and what became of them: accepted, duplicate, or the status of the refusal."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._counter = Counter("upwell_webhooks", "Webhook deliveries", ["source", "outcome"], registry=registry)
        self._children: dict[tuple[str, str], Counter] = {}

    def count(self, source: str, outcome: str) -> None:
        child = self._children.get((source, outcome))
        if child is None:
            child = self._children[source, outcome] = self._counter.labels(source, outcome)
        child.inc()


class Metrics:
    """Follows the journal from where it stands at the start; counts are since the start of the process."""

    def __init__(self, parts: WebParts) -> None:
        self._journal = parts.journal
        self._queries = parts.queries
        self._clock = parts.clock
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each, which nobody reads
        registry = self._registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self.webhooks = WebhookCounts(registry)
        self._events = Counter("upwell_events", "Events written", ["kind"], registry=registry)
        self._runs = Counter("upwell_runs_ended", "Runs ended", ["status"], registry=registry)
        self._run_seconds = Histogram("upwell_run_seconds", "Length of runs", buckets=_DURATIONS, registry=registry)
        self._steps = Counter("upwell_step_attempts", "Attempts of steps ended", ["outcome"], registry=registry)
        self._made = Counter("upwell_materializations", "Materialisations", ["asset"], registry=registry)
        self._open = Gauge("upwell_runs_open", "Runs that have not ended", ["status"], registry=registry)
        self._fresh = Gauge("upwell_assets_by_freshness", "Assets by freshness state", ["state"], registry=registry)
        self._head = Gauge("upwell_journal_head", "Id of the newest event", registry=registry)
        self._lag = Gauge("upwell_event_loop_lag_seconds", "Time one turn of the event loop took", registry=registry)
        self._freshness = FreshnessFigures(parts, registry)

    async def run(self, *, task_status: anyio.abc.TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Count every event from now on."""
        after = self._journal.head
        await self._freshness.begin()
        task_status.started()
        async for records in self._journal.subscribe(after):
            for kind, count in Tally(record.event.kind for record in records).items():
                self._events.labels(kind).inc(count)
            for record in records:
                self._count(record.event)
                self._freshness.take(record)

    def _count(self, event: Event) -> None:
        match event:
            case AssetMaterialized():
                self._made.labels(event.asset).inc()
            case RunSucceeded() | RunFailed() | RunCanceled():
                status = {"run.succeeded": "SUCCESS", "run.failed": "FAILURE"}.get(event.kind, "CANCELED")
                self._runs.labels(status).inc()
                self._run_seconds.observe(event.duration)
            case StepSucceeded():
                self._steps.labels("succeeded").inc()
            case StepFailed():
                self._steps.labels("retried" if event.retry_at else "failed").inc()
            case _:
                pass  # counted by kind only

    async def scrape(self) -> Response:
        """The present figures in Prometheus' text format."""
        begun = self._clock.monotonic()
        await anyio.lowlevel.checkpoint()
        self._lag.set(self._clock.monotonic() - begun)
        self._head.set(self._journal.head)
        _, runs = await self._queries.unfinished_runs()
        open_runs = Tally(run.status for run in runs)
        for status in ("QUEUED", "STARTED"):
            self._open.labels(status).set(open_runs[status])
        states = Tally(self._freshness.states)
        for state in ("PASS", "WARN", "FAIL", "UNKNOWN", "NOT_APPLICABLE"):
            self._fresh.labels(state).set(states[state])
        await self._freshness.refresh()
        text = await anyio.to_thread.run_sync(generate_latest, self._registry)  # long, where there are many assets
        return Response(text, media_type=CONTENT_TYPE_LATEST)
