"""The deadline that is in force, and deadlines that will not be kept."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from upwell.clock import FakeClock
from upwell.events import AssetMaterialized, FreshnessAtRisk, FreshnessChanged
from upwell.journal.database import StoredJournal

pytestmark = pytest.mark.anyio

HOUR = timedelta(hours=1)


async def freshness(client: httpx.AsyncClient) -> Any:
    [found] = (await client.get("/api/v1/freshness")).json()["freshness"]
    assert found == (await client.get("/api/v1/assets/fct_orders")).json()["freshness"]
    return found


async def test_the_deadline_moves_with_each_materialisation_although_no_state_changes(
    client: httpx.AsyncClient, journal: StoredJournal, clock: FakeClock
) -> None:
    fresh = FreshnessChanged(
        asset="fct_orders",
        state="PASS",
        previous_state="UNKNOWN",
        changed_at=clock.now(),
        deadline=clock.now() + HOUR,
    )
    await journal.append(AssetMaterialized(asset="fct_orders"), fresh)
    clock.jump(clock.now() + HOUR / 2)
    await journal.append(AssetMaterialized(asset="fct_orders"))
    assert datetime.fromisoformat((await freshness(client))["deadline"]) == clock.now() + HOUR


async def test_the_deadline_of_a_late_asset_is_the_one_it_missed(
    client: httpx.AsyncClient, journal: StoredJournal, clock: FakeClock
) -> None:
    missed = clock.now() - HOUR
    late = FreshnessChanged(asset="fct_orders", state="FAIL", previous_state="PASS", changed_at=missed, deadline=missed)
    await journal.append(late)
    assert datetime.fromisoformat((await freshness(client))["deadline"]) == missed


async def test_an_asset_is_at_risk_until_it_is_made(
    client: httpx.AsyncClient, journal: StoredJournal, clock: FakeClock
) -> None:
    risk = FreshnessAtRisk(
        asset="fct_orders",
        deadline=clock.now() + HOUR,
        expected_at=clock.now() + 2 * HOUR,
        slow_hop="raw/orders",
        reason="raw/orders takes longer than usual",
    )
    await journal.append(risk)
    found = (await freshness(client))["at_risk"]
    assert (found["slow_hop"], datetime.fromisoformat(found["since"])) == ("raw/orders", clock.now())
    await journal.append(AssetMaterialized(asset="fct_orders"))
    assert (await freshness(client))["at_risk"] is None


async def test_when_the_deadline_has_passed_nothing_is_at_risk_any_more(
    client: httpx.AsyncClient, journal: StoredJournal, clock: FakeClock
) -> None:
    deadline = clock.now() + HOUR
    await journal.append(
        FreshnessAtRisk(
            asset="fct_orders", deadline=deadline, expected_at=deadline, slow_hop="raw/orders", reason="slow"
        )
    )
    clock.jump(deadline)
    assert (await freshness(client))["at_risk"] is None
