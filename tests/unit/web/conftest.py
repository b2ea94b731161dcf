"""A small shop in an in-memory journal: orders come by webhook, and a mart is made of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from upwell.clock import FakeClock
from upwell.definitions.freshness.model import FreshnessPolicy
from upwell.definitions.partitions.named import StaticPartitionsDefinition
from upwell.definitions.project import Project
from upwell.definitions.reactions import On, SourceSpec
from upwell.definitions.snapshot import AssetNode, CheckNode, DepNode, JobNode, Snapshot, StepNode
from upwell.journal.database import StoredJournal, open_journal
from upwell.web.app import WebApp, WebParts, build_app

NOW = datetime(2024, 5, 1, 12, 0, tzinfo=UTC)


def webhook(name: str, **params: Any) -> SourceSpec:
    return SourceSpec(kind="webhook", name=f"webhook:{name}", params={"endpoint": name, **params})


@pytest.fixture(name="shop")
def shop_fixture() -> Callable[..., Snapshot]:
    return shop


def shop(*sources: SourceSpec) -> Snapshot:
    """raw/orders <- sources; fct_orders <- raw/orders, customers (external); regions is partitioned."""
    return Snapshot(
        location="shop",
        code_hash="abc",
        assets=(
            AssetNode(key="raw/orders", step="raw/orders", group="raw", on=tuple(On(source=one) for one in sources)),
            AssetNode(
                key="fct_orders",
                step="fct_orders",
                deps=(DepNode(asset="raw/orders"), DepNode(asset="customers")),
                freshness=FreshnessPolicy.time_window(timedelta(hours=1)),
                metadata={"owner": "<b>Alice</b>"},
                file="shop.py",
                line=7,
            ),
            AssetNode(key="regions", step="regions", partitions=StaticPartitionsDefinition(["north", "south"])),
        ),
        steps=tuple(StepNode(key=key, assets=(key,)) for key in ("raw/orders", "fct_orders", "regions")),
        checks=(CheckNode(asset="fct_orders", name="has_rows", step="fct_orders", blocking=True),),
        jobs=(JobNode(name="nightly", assets=("fct_orders",)),),
    )


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NOW)


@pytest.fixture
async def journal(clock: FakeClock, tmp_path: Any, anyio_backend: Any) -> AsyncIterator[StoredJournal]:
    async with open_journal(f"sqlite+aiosqlite:///{tmp_path / 'upwell.db'}", clock=clock) as journal:
        yield journal


@pytest.fixture
def project() -> Project:
    project = Project()
    project.replace(shop(webhook("orders", insecure=True)))
    return project


@pytest.fixture
def make_app(journal: StoredJournal, project: Project, clock: FakeClock) -> Callable[..., WebApp]:
    def make(**parts: Any) -> WebApp:
        given: dict[str, Any] = {"journal": journal, "queries": journal.queries, "project": project, "clock": clock}
        return build_app(WebParts(**(given | parts)))

    return make


@pytest.fixture
def browse() -> Callable[..., httpx.AsyncClient]:
    """A client of an application, without a network."""

    def browse(app: WebApp, **options: Any) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost:8600", **options)

    return browse


@pytest.fixture
async def client(
    make_app: Callable[..., WebApp], browse: Callable[..., httpx.AsyncClient]
) -> AsyncIterator[httpx.AsyncClient]:
    async with browse(make_app()) as client:
        yield client
