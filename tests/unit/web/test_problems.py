from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest

from upwell.errors import JournalUnavailable
from upwell.web.app import WebApp
from upwell.web.models import Problem

pytestmark = pytest.mark.anyio

RUN = {"select": "raw/orders"}


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "kind"),
    [
        ("GET", "/api/v1/nothing", None, 404, None),
        ("DELETE", "/api/v1/runs", None, 405, None),
        ("GET", "/api/v1/runs/unknown", None, 404, "unknown-run"),
        ("GET", "/api/v1/assets/unknown", None, 404, "unknown-asset"),
        ("GET", "/api/v1/explain?asset=unknown", None, 404, "unknown-asset"),
        ("POST", "/api/v1/locations/unknown/reload", None, 404, "unknown-location"),
        ("POST", "/api/v1/runs", {"select": "unknown"}, 422, "invalid-selection"),
        ("POST", "/api/v1/runs", {"select": "regions"}, 422, "invalid-partition"),
        ("POST", "/api/v1/runs", {"selekt": "x"}, 422, "invalid-request"),
        ("POST", "/api/v1/runs", {**RUN, "downstream": "perhaps"}, 422, "invalid-request"),
        ("GET", "/api/v1/runs?limit=100000", None, 422, "invalid-request"),
        ("GET", "/api/v1/events?order=sideways", None, 422, "invalid-request"),
    ],
)
async def test_every_error_is_a_problem_document(
    client: httpx.AsyncClient, method: str, path: str, body: Any, status: int, kind: str | None
) -> None:
    answer = await client.request(method, path, json=body)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    problem = Problem.model_validate(answer.json())
    assert problem.status == status
    assert problem.type == (f"urn:upwell:problem:{kind}" if kind else "about:blank")


async def test_a_wrong_field_is_named_and_not_repeated(client: httpx.AsyncClient) -> None:
    answer = await client.post("/api/v1/runs", json={**RUN, "tags": "canary", "selekt": "canary"})
    assert {one["field"] for one in answer.json()["errors"]} == {"body.tags", "body.selekt"}
    assert "canary" not in answer.text


@pytest.mark.parametrize("body", [b"{", b"\xff", b"[" * 100_000])
async def test_a_body_that_is_not_json_is_a_problem(client: httpx.AsyncClient, body: bytes) -> None:
    headers = {"content-type": "application/json"}
    for path in ("/api/v1/runs", "/api/v1/events"):
        answer = await client.post(path, content=body, headers=headers)
        assert answer.status_code in (400, 422)
        assert answer.headers["content-type"] == "application/problem+json"


async def test_a_body_over_the_limit_is_413(
    make_app: Callable[..., WebApp], browse: Callable[..., httpx.AsyncClient]
) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b" " * 100

    async with browse(make_app(max_body=1000)) as client:
        announced = await client.post("/api/v1/runs", content=b" " * 1001)
        counted = await client.post("/api/v1/runs", content=chunks(), headers={"content-type": "application/json"})
    assert (announced.status_code, counted.status_code) == (413, 413)


class Broken:
    """Queries and journal that fail."""

    head = 0

    def __init__(self, error: Exception) -> None:
        self.error = error

    async def runs(self, **_: Any) -> Any:
        raise self.error

    async def append(self, *_: Any) -> Any:
        raise self.error


async def test_an_unexpected_error_tells_a_client_nothing(
    make_app: Callable[..., WebApp], caplog: pytest.LogCaptureFixture
) -> None:
    app = make_app(queries=Broken(RuntimeError("canary")))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        answer = await client.get("/api/v1/runs")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert "canary" not in answer.text
    assert "Traceback" not in answer.text


async def test_what_cannot_be_stored_is_503(
    make_app: Callable[..., WebApp], browse: Callable[..., httpx.AsyncClient]
) -> None:
    async with browse(make_app(journal=Broken(JournalUnavailable("disk full")))) as client:
        answer = await client.post("/api/v1/runs", json=RUN)
    assert answer.status_code == 503
    assert "retry-after" in answer.headers
