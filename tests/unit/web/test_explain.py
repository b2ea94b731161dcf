"""Explain: what it says of an asset to which things happened, or did not."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any, get_args

import httpx
import pytest

from upwell.clock import FakeClock
from upwell.definitions.project import Project
from upwell.definitions.reactions import On, SourceSpec
from upwell.definitions.snapshot import AssetNode, DepNode, JobNode, SensorNode, Snapshot, StepNode
from upwell.events import (
    AssetFailed,
    AssetMaterialized,
    DuplicateIgnored,
    ErrorInfo,
    EventDeadLettered,
    EventDecided,
    EventReplayed,
    FreshnessAtRisk,
    FreshnessChanged,
    ListeningPaused,
    Outcome,
    PlannedStep,
    RunId,
    RunRequested,
    SensorEvaluated,
    SensorFailed,
    SourceFailing,
    SourceWorking,
    WebhookAccepted,
)
from upwell.journal.database import StoredJournal
from upwell.web import sentences

pytestmark = pytest.mark.anyio

ORDERS = SourceSpec(kind="webhook", name="webhook:orders", params={"endpoint": "orders", "insecure": True})
RUN = RunId("3f2a1b8c" + "0" * 24)
ORDER = WebhookAccepted(source="webhook:orders")
ERROR = ErrorInfo(type="ValueError", message="no rows", traceback="Traceback …")


@pytest.fixture
def project() -> Project:
    """orders waits for quiet of a webhook and fct_orders reads it; a sensor asks for report, by a job."""
    project = Project()
    assets = (
        AssetNode(key="orders", step="orders", on=(On(source=ORDERS, debounce=2.0, filter="$[?@.amount > 100]"),)),
        AssetNode(key="fct_orders", step="fct_orders", deps=(DepNode(asset="orders"),)),
        AssetNode(key="report", step="report"),
        AssetNode(key="lonely", step="lonely"),
    )
    project.replace(
        Snapshot(
            location="shop",
            assets=assets,
            steps=tuple(StepNode(key=node.key, assets=(node.key,)) for node in assets),
            jobs=(JobNode(name="reporting", assets=("report",)),),
            sensors=(SensorNode(name="month_end", kind="polling", interval=30.0, jobs=("reporting",)),),
        )
    )
    return project


async def explain(client: httpx.AsyncClient, asset: str, **params: Any) -> Any:
    answer = await client.get("/api/v1/explain", params={"asset": asset} | params)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def said(client: httpx.AsyncClient, asset: str) -> list[str]:
    return [one["sentence"] for one in (await explain(client, asset))["decisions"]]


class TestNow:
    async def test_says_what_an_asset_listens_to_and_when_that_was_heard(
        self, client: httpx.AsyncClient, journal: StoredJournal, clock: FakeClock
    ) -> None:
        assert (await explain(client, "orders"))["now"] == ["orders listens to webhook:orders (never heard; filtered)."]
        await journal.append(ORDER)
        clock.jump(clock.now() + timedelta(minutes=5))
        assert (await explain(client, "orders"))["now"] == [
            "orders listens to webhook:orders (last heard 5 min ago, event 1; filtered)."
        ]

    async def test_says_what_above_an_asset_listens(self, client: httpx.AsyncClient) -> None:
        assert (await explain(client, "fct_orders"))["now"] == [
            "fct_orders listens to nothing itself; it is made when something comes for orders, "
            "which listens to webhook:orders (never heard; filtered)."
        ]

    async def test_says_that_nothing_makes_it_and_how_to_make_it(self, client: httpx.AsyncClient) -> None:
        (text,) = (await explain(client, "lonely"))["now"]
        assert text.startswith("Nothing makes lonely by itself")
        assert "`upwell materialize --select lonely`" in text

    async def test_says_that_a_source_is_paused_by_whom_and_how_to_go_on(
        self, client: httpx.AsyncClient, journal: StoredJournal, clock: FakeClock
    ) -> None:
        await journal.append(ListeningPaused(what="source", name="webhook:orders", paused_by="alice"))
        clock.jump(clock.now() + timedelta(hours=2))
        assert (await explain(client, "fct_orders"))["now"][1] == (
            "webhook:orders is paused (2 h ago by alice): what it tells leads to nothing until "
            "`upwell sources resume 'webhook:orders'`."
        )

    async def test_says_that_a_source_fails_since_when_and_why(
        self, client: httpx.AsyncClient, journal: StoredJournal
    ) -> None:
        await journal.append(SourceFailing(source="webhook:orders", error=ERROR))
        text = (await explain(client, "fct_orders"))["now"][1]
        assert text.startswith("webhook:orders has been failing since ")
        assert text.endswith(": ValueError: no rows.")
        await journal.append(SourceWorking(source="webhook:orders"))
        assert len((await explain(client, "fct_orders"))["now"]) == 1

    async def test_says_what_a_sensor_that_asks_for_it_did_last(
        self, client: httpx.AsyncClient, journal: StoredJournal
    ) -> None:
        assert (await explain(client, "report"))["now"] == [
            "Sensor month_end asks for runs of it; it was never called yet."
        ]
        await journal.append(SensorEvaluated(sensor="month_end", skip_reason="not yet"))
        assert (await explain(client, "report"))["now"] == [
            "Sensor month_end asks for runs of it; it was last called just now and asked for nothing (not yet)."
        ]

    async def test_says_that_a_sensor_that_asks_for_it_is_paused(
        self, client: httpx.AsyncClient, journal: StoredJournal
    ) -> None:
        await journal.append(ListeningPaused(what="sensor", name="month_end", paused_by="bob"))
        assert (await explain(client, "report"))["now"] == [
            "Sensor month_end would ask for runs of it, but is paused (just now by bob): "
            "`upwell sensors resume month_end`."
        ]

    async def test_says_what_waits_for_it_and_until_when(
        self, client: httpx.AsyncClient, journal: StoredJournal, clock: FakeClock
    ) -> None:
        gate, until = "webhook:orders > orders", clock.now() + timedelta(seconds=2)
        await journal.append(ORDER, ORDER)
        waiting = EventDecided(
            event_ids=(1, 2), outcome="waiting", reason="r", assets=("orders",), waits=gate, until=until
        )
        await journal.append(waiting)
        text = "Events 1 and 2 of webhook:orders wait until 12:00:02 UTC."
        assert text in (await explain(client, "orders"))["now"]
        assert text in (await explain(client, "fct_orders"))["now"]
        await journal.append(EventDecided(event_ids=(1, 2), outcome="requested", reason="r", waits=gate))
        assert text not in (await explain(client, "orders"))["now"]

    async def test_says_what_is_a_dead_letter_until_it_is_replayed(
        self, client: httpx.AsyncClient, journal: StoredJournal
    ) -> None:
        await journal.append(ORDER, EventDeadLettered(event_ids=(1,), reason="orders failed 3 times", attempts=3))
        assert (await explain(client, "orders"))["now"][1] == (
            "Event 1 went to the dead letters just now: orders failed 3 times. "
            "`upwell events replay --id 1` has it decided on once more."
        )
        await journal.append(EventReplayed(event_ids=(1,)))
        assert len((await explain(client, "orders"))["now"]) == 1

    async def test_is_said_on_the_first_page_only(self, client: httpx.AsyncClient) -> None:
        assert (await explain(client, "orders", before=100))["now"] == []


class TestDecisions:
    @pytest.mark.parametrize(
        ("outcome", "text"),
        [
            ("requested", "Event 7 asked for a run: why."),
            ("joined", "Event 7 joined a run: why."),
            ("follows", "Event 7 came while a run was under way: why."),
            ("called", "Event 7 called month_end: why."),
            ("waiting", "Event 7 had to wait until 12:00:00 UTC: why."),
            ("asked", "Event 7 had to wait for the answer of a filter: why."),
            ("filtered", "Event 7 led to nothing: why."),
            ("paused", "Event 7 led to nothing: why."),
            ("replayed", "why."),
            ("ignored", "Event 7 led to nothing: why."),
            ("rejected", "Event 7 could not be answered: why."),
        ],
    )
    def test_of_every_outcome_are_sentences(self, outcome: Outcome, text: str, clock: FakeClock) -> None:
        now = clock.now()
        decided = EventDecided(event_ids=(7,), outcome=outcome, reason="why\nTraceback", until=now)
        decided = replace(decided, sensor="month_end") if outcome == "called" else decided
        assert sentences.of_decision(decided, now) == text

    def test_know_every_outcome_that_there_is(self, clock: FakeClock) -> None:
        for outcome in get_args(Outcome):
            decided = EventDecided(event_ids=(1, 2, 3, 4), outcome=outcome, reason="why")
            assert sentences.of_decision(decided, clock.now()).endswith("why.")

    async def test_name_runs_by_the_first_characters_of_their_ids(
        self, client: httpx.AsyncClient, journal: StoredJournal
    ) -> None:
        reason = f"webhook:orders is listened to by orders; nothing like it was queued, so run {RUN} starts"
        decided = EventDecided(event_ids=(1,), outcome="requested", reason=reason, assets=("orders",), run_id=RUN)
        await journal.append(ORDER, decided, AssetMaterialized(asset="orders", run_id=RUN))
        assert await said(client, "orders") == [
            "orders was made by run 3f2a1b8c.",
            "Event 1 asked for a run: webhook:orders is listened to by orders; nothing like it was queued, "
            "so run 3f2a1b8c starts.",
        ]

    async def test_say_a_run_once_that_a_decision_asked_for(
        self, client: httpx.AsyncClient, journal: StoredJournal
    ) -> None:
        plan = tuple(PlannedStep(id=key, step=key, assets=(key,)) for key in ("orders", "fct_orders"))
        await journal.append(
            ORDER,
            EventDecided(event_ids=(1,), outcome="requested", reason="it listens", assets=("orders",), run_id=RUN),
            RunRequested(run_id=RUN, lane="l", plan=plan, reason="orders came", roots=("orders",), event_ids=(1,)),
        )
        assert await said(client, "orders") == ["Event 1 asked for a run: it listens."]
        assert await said(client, "fct_orders") == [
            "Run 3f2a1b8c was to make fct_orders: orders came; fct_orders is downstream of orders."
        ]

    @pytest.mark.parametrize(
        ("outcome", "reason"),
        [
            ("filtered", "the filter @.amount > 100 of orders let it pass by"),
            ("paused", "webhook:orders is paused"),
            ("ignored", "the event's data has nothing at $.day, which names the partition of orders"),
        ],
    )
    async def test_say_why_an_event_of_its_source_led_to_nothing(
        self, outcome: Outcome, reason: str, client: httpx.AsyncClient, journal: StoredJournal
    ) -> None:
        await journal.append(ORDER, EventDecided(event_ids=(1,), outcome=outcome, reason=reason))
        assert await said(client, "orders") == [f"Event 1 led to nothing: {reason}."]
        assert await said(client, "fct_orders") == [f"Event 1 led to nothing: {reason}."]
        assert await said(client, "report") == []

    def test_name_the_partition(self, clock: FakeClock) -> None:
        decided = EventDecided(event_ids=(7,), outcome="joined", reason="why", partition="2024-05-01")
        assert sentences.of_decision(decided, clock.now()) == "Event 7 joined a run (2024-05-01): why."
        made = AssetMaterialized(asset="orders", partition="2024-05-01")
        assert sentences.of_asset(made, "") == "orders (2024-05-01) was reported as made, from outside."

    def test_of_calls_begin_with_the_sensor(self, clock: FakeClock) -> None:
        for reason, text in (
            (f"sensor s asked for job j, so run {RUN} starts", "Sensor s asked for job j, so run 3f2a1b8c starts."),
            ("orders is partitioned; say which partition", "s was called: orders is partitioned; say which partition."),
        ):
            decided = EventDecided(event_ids=(5,), outcome="requested", reason=reason, sensor="s")
            assert sentences.of_decision(decided, clock.now()) == text

    async def test_of_events_with_the_same_answer_are_one_sentence(
        self, client: httpx.AsyncClient, journal: StoredJournal
    ) -> None:
        for _ in range(2):
            (event,) = await journal.append(ORDER)
            decided = EventDecided(event_ids=(event.id,), outcome="paused", reason="webhook:orders is paused")
            await journal.append(decided)
        assert await said(client, "orders") == ["Events 1 and 3 led to nothing: webhook:orders is paused."]

    async def test_say_nothing_of_what_other_assets_made_of_the_event(
        self, client: httpx.AsyncClient, journal: StoredJournal
    ) -> None:
        await journal.append(
            ORDER, EventDecided(event_ids=(1,), outcome="requested", reason="audit listens", assets=("audit",))
        )
        assert await said(client, "orders") == []

    async def test_say_that_a_delivery_came_twice(self, client: httpx.AsyncClient, journal: StoredJournal) -> None:
        await journal.append(ORDER, DuplicateIgnored(source="webhook:orders", delivery_id="d-1", first_event_id=1))
        assert await said(client, "orders") == [
            "webhook:orders delivered d-1 once more: it was answered with the first one, event 1, and led to nothing."
        ]

    async def test_say_what_failed_to_the_last(self, client: httpx.AsyncClient, journal: StoredJournal) -> None:
        await journal.append(
            ORDER,
            AssetFailed(asset="orders", error=ERROR, run_id=RUN),
            EventDeadLettered(event_ids=(1,), reason=f"run {RUN} failed", attempts=3, run_id=RUN),
        )
        assert await said(client, "orders") == [
            "Event 1 went to the dead letters after 3 attempts: run 3f2a1b8c failed.",
            "orders failed in run 3f2a1b8c: ValueError: no rows.",
        ]

    async def test_say_what_its_sensor_found_each_reason_once(
        self, client: httpx.AsyncClient, journal: StoredJournal
    ) -> None:
        for _ in range(3):
            (tick,) = await journal.append(SensorEvaluated(sensor="month_end", skip_reason="not yet"))
            reason = "sensor month_end asked for nothing: not yet"
            await journal.append(
                EventDecided(event_ids=(tick.id,), outcome="ignored", reason=reason, sensor="month_end")
            )
        await journal.append(SensorFailed(sensor="month_end", error=ERROR, attempt=2))
        assert await said(client, "report") == [
            "Sensor month_end failed in attempt 2: ValueError: no rows; it was given up.",
            "Sensor month_end asked for nothing: not yet.",
        ]


async def test_a_correction_and_a_late_input_are_said(
    client: httpx.AsyncClient, journal: StoredJournal, clock: FakeClock
) -> None:
    def changed(state: Any, previous: Any, **more: Any) -> FreshnessChanged:
        return FreshnessChanged(
            asset="fct_orders", state=state, previous_state=previous, changed_at=clock.now(), **more
        )

    await journal.append(
        changed("PASS", "UNKNOWN", inherited_from="raw/orders"),
        changed("FAIL", "PASS"),
        changed("PASS", "FAIL", corrects=(2,)),
    )
    answer = (await client.get("/api/v1/explain", params={"asset": "fct_orders"})).json()
    corrected, failed, late = [decision["sentence"] for decision in answer["decisions"]]
    assert "UNKNOWN became PASS, on late input: raw/orders is late" in late
    assert "PASS became FAIL" in failed
    assert "it was PASS from 2024-05-01 12:00:00 UTC on, not as was told" in corrected


async def test_a_deadline_at_risk_is_said_with_its_reason(
    client: httpx.AsyncClient, journal: StoredJournal, clock: FakeClock
) -> None:
    soon = clock.now() + timedelta(minutes=5)
    reason = "fct_orders is expected too late: orders has taken 25 min, where 20 min is usual"
    await journal.append(
        FreshnessAtRisk(asset="fct_orders", deadline=soon, expected_at=soon, slow_hop="orders", reason=reason)
    )
    answer = (await client.get("/api/v1/explain", params={"asset": "fct_orders"})).json()
    [decision] = answer["decisions"]
    assert (decision["outcome"], decision["sentence"]) == ("at risk", f"{reason}.")
