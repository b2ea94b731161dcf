from __future__ import annotations

import httpx
import pytest

from upwell.web.pages import docs_page, start_page

pytestmark = pytest.mark.anyio


async def test_the_start_page_links_to_what_exists(client: httpx.AsyncClient) -> None:
    answer = await client.get("/")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    paths = [part.split('"')[0] for part in answer.text.split('href="')[1:]]
    assert len(paths) > 5
    for path in paths:
        assert (await client.get(path)).status_code != 404, path


async def test_pages_run_no_script_and_load_nothing_from_elsewhere(client: httpx.AsyncClient) -> None:
    for path in ("/", "/docs"):
        answer = await client.get(path)
        assert answer.status_code == 200
        assert "<script" not in answer.text
        assert "http://" not in answer.text
        assert "https://" not in answer.text
        assert "default-src 'self'" in answer.headers["content-security-policy"]
        assert "unsafe-inline" not in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"


async def test_the_docs_name_every_route_of_the_document(client: httpx.AsyncClient) -> None:
    schema = (await client.get("/openapi.json")).json()
    text = (await client.get("/docs")).text
    for path, methods in schema["paths"].items():
        for method in methods:
            assert f"{method.upper()} {path}" in text


@pytest.mark.parametrize(
    "path",
    [
        "/webhooks/{name}",
        "/api/v1/runs",
        "/api/v1/runs/{run_id}/cancel",
        "/api/v1/assets/{key}",
        "/api/v1/events",
        "/api/v1/stream",
        "/api/v1/lineage",
        "/api/v1/locations/{name}/reload",
        "/readyz",
        "/healthz",
        "/metrics",
    ],
)
async def test_the_document_has_what_the_contract_promises(client: httpx.AsyncClient, path: str) -> None:
    assert path in (await client.get("/openapi.json")).json()["paths"]


async def test_the_document_refers_only_to_what_it_holds(client: httpx.AsyncClient) -> None:
    answer = await client.get("/openapi.json")
    schemas = answer.json()["components"]["schemas"]
    referred = {part.split('"')[0] for part in answer.text.split("#/components/schemas/")[1:]}
    assert referred <= set(schemas)


def test_pages_escape_what_they_show() -> None:
    evil = "<script>alert(1)</script>"
    schema = {"paths": {evil: {"get": {"summary": evil, "parameters": [{"name": evil}]}}}}
    for page in (start_page(evil), docs_page(schema)):
        assert b"<script>" not in bytes(page.body)
