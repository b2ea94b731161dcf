"""How fresh an asset was, as the API tells it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from upwell.clock import FakeClock
from upwell.events import Canary, FreshnessChanged, FreshnessState
from upwell.journal.database import StoredJournal
from upwell.planning.maintenance import PlannedMaintenance
from upwell.web.app import WebApp

pytestmark = pytest.mark.anyio

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


async def tell(
    journal: StoredJournal, clock: FakeClock, at: datetime, state: FreshnessState, previous: FreshnessState, **more: Any
) -> int:
    """The change is written at its instant."""
    clock.jump(max(at, clock.now()))
    event = FreshnessChanged(asset="fct_orders", state=state, previous_state=previous, changed_at=at, **more)
    [receipt] = await journal.append(event)
    return receipt.id


async def history(client: httpx.AsyncClient, key: str = "fct_orders", **params: Any) -> Any:
    answer = await client.get(f"/api/v1/freshness/{key}/history", params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_percent_budget_and_burn_rates_follow_from_the_transitions(
    client: httpx.AsyncClient, journal: StoredJournal, clock: FakeClock
) -> None:
    now = clock.now()
    await tell(journal, clock, now - 20 * DAY, "PASS", "UNKNOWN", overdue_seconds=0.0)
    await tell(journal, clock, now - 3 * HOUR, "FAIL", "PASS", deadline=now - 3 * HOUR, cause="customers")
    found = await history(client, window="10d", objective=99)
    assert found["state"] == "FAIL"
    assert found["percent_fresh"] == pytest.approx(98.75)
    assert found["seconds"]["late"] == 3 * 3600
    assert sum(found["seconds"].values()) == 10 * 86400
    assert found["budget"]["allowed"] == pytest.approx(8640)
    assert found["budget"]["used_percent"] == pytest.approx(125)
    assert found["budget"]["remaining"] == pytest.approx(-2160)
    assert [one["window"] for one in found["burn_rates"]] == ["1h", "6h", "3d"]
    assert [one["rate"] for one in found["burn_rates"]] == pytest.approx([100, 50, 100 / 24])
    [newest] = found["transitions"]
    assert (newest["state"], newest["cause"], newest["previous_state"]) == ("FAIL", "customers", "PASS")


async def test_a_correction_is_subtracted_and_can_be_seen(
    client: httpx.AsyncClient, journal: StoredJournal, clock: FakeClock
) -> None:
    now = clock.now()
    await tell(journal, clock, now - 9 * HOUR, "PASS", "UNKNOWN")
    wrong = await tell(journal, clock, now - 6 * HOUR, "FAIL", "PASS")
    clock.jump(now)
    right = await tell(journal, clock, now - 6 * HOUR, "PASS", "FAIL", corrects=(wrong,))
    found = await history(client, window="8h")
    assert (found["percent_fresh"], found["seconds"]["late"]) == (100, 0)
    assert [(one["event_id"], one["corrected_by"]) for one in found["transitions"]] == [(right, None), (wrong, right)]


async def test_declared_maintenance_does_not_count(
    make_app: Callable[..., WebApp],
    browse: Callable[..., httpx.AsyncClient],
    journal: StoredJournal,
    clock: FakeClock,
) -> None:
    now = clock.now()  # noon
    await tell(journal, clock, now - 12 * HOUR, "PASS", "FAIL")
    await tell(journal, clock, now - 2 * HOUR, "FAIL", "PASS")
    clock.jump(now)
    every_ten = PlannedMaintenance(select="fct_orders", cron="0 10 * * *", duration=HOUR)
    async with browse(make_app(maintenance=[every_ten])) as client:
        found = await history(client, window="4h")
    assert found["seconds"] | {"excluded": 3600, "late": 3600, "fresh": 7200} == found["seconds"]
    assert found["percent_fresh"] == pytest.approx(100 * 2 / 3)


async def test_an_asset_that_was_quiet_for_the_whole_window_is_as_it_was_told_last(
    client: httpx.AsyncClient, journal: StoredJournal, clock: FakeClock
) -> None:
    await tell(journal, clock, clock.now(), "PASS", "UNKNOWN")
    clock.jump(clock.now() + 60 * DAY)
    await journal.append(Canary(nonce="1"))
    await journal.prune(DAY)
    found = await history(client)
    assert (found["percent_fresh"], found["known_from"], found["transitions"]) == (100, None, [])


async def test_what_retention_has_taken_away_is_said(
    client: httpx.AsyncClient, journal: StoredJournal, clock: FakeClock
) -> None:
    begin = clock.now()
    await tell(journal, clock, begin, "FAIL", "PASS")
    kept = begin + 40 * DAY
    await tell(journal, clock, kept, "PASS", "FAIL")
    clock.jump(begin + 60 * DAY)
    await journal.append(Canary(nonce="1"))
    await journal.prune(DAY)
    found = await history(client, window="50d")
    known_from = datetime.fromisoformat(found["known_from"])
    assert known_from == begin + 29 * DAY  # a month of transitions stays
    assert found["seconds"]["unrecorded"] == 19 * 86400
    assert found["seconds"]["late"] == 11 * 86400
    assert (await history(client, window="30d"))["known_from"] is None


async def test_an_asset_without_policy_was_neither_fresh_nor_late(client: httpx.AsyncClient) -> None:
    found = await history(client, "raw/orders")
    assert (found["percent_fresh"], found["state"]) == (None, "NOT_APPLICABLE")
    assert found["budget"] == {"allowed": 0, "used": 0, "remaining": 0, "used_percent": None}


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"window": "soon"}, "no duration"),
        ({"window": "0s"}, "out of bounds"),
        ({"window": "500d"}, "out of bounds"),
        ({"objective": "100"}, "less than 100"),
    ],
)
async def test_a_question_that_makes_no_sense_is_refused(
    client: httpx.AsyncClient, params: dict[str, str], said: str
) -> None:
    answer = await client.get("/api/v1/freshness/fct_orders/history", params=params)
    assert answer.status_code == 422
    assert said in answer.text


async def test_an_asset_that_is_not_there_is_a_problem(client: httpx.AsyncClient) -> None:
    answer = await client.get("/api/v1/freshness/nope/history")
    assert answer.status_code == 404
    assert 'no asset \\"nope\\"' in answer.text
