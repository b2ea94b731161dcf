from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

import httpx
import pytest
from starlette.routing import Route

from upwell.errors import SettingsError
from upwell.journal.database import StoredJournal
from upwell.web import routes as package
from upwell.web.app import WebApp
from upwell.web.auth import ApiToken, check_bind, is_loopback

pytestmark = pytest.mark.anyio

Make = Callable[..., WebApp]
Browse = Callable[..., httpx.AsyncClient]

TOKENS = [ApiToken.of("alice-operates", "operator"), ApiToken.of("bob-views", "viewer")]
ALICE = {"authorization": "Bearer alice-operates"}
BOB = {"authorization": "Bearer bob-views"}


def routes(app: WebApp) -> Iterator[tuple[str, str]]:
    """Every method and path of the routers in the package, and of what is added to the application itself."""
    modules = [import_module(f"{package.__name__}.{found.name}") for found in iter_modules(package.__path__)]
    known = [("/api/v1", route) for module in modules for route in module.router.routes]
    known += [("", route) for route in app.api.routes if isinstance(route, Route)]
    for prefix, route in known:
        path = prefix + re.sub(r"{[^}]*}", "x", route.path)
        yield from ((method, path) for method in route.methods)


async def test_no_route_answers_without_a_token(make_app: Make, browse: Browse, journal: StoredJournal) -> None:
    app = make_app(api_tokens=TOKENS)
    walked = list(routes(app))
    assert len(walked) > 20
    async with browse(app) as client:
        for method, path in walked:
            answer = await client.request(method, path)
            assert answer.status_code == 401, (method, path)
            assert answer.headers["www-authenticate"] == "Bearer"
    assert journal.head == 0


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/assets/healthz",
        "/api/v1/runs/readyz",
        "//healthz",
        "/healthz/",
        "/healthz/../api/v1/runs",
        "/%2fhealthz",
        "/HEALTHZ",
        "/webhooks",
        "/api/v1/assets;/healthz",
        "/no/such/path",
        "/index.html",
    ],
)
async def test_no_trick_with_the_path_opens_anything(make_app: Make, browse: Browse, path: str) -> None:
    async with browse(make_app(api_tokens=TOKENS)) as client:
        assert (await client.get(f"http://localhost:8600{path}")).status_code == 401


@pytest.mark.parametrize("path", ["/", "/healthz"])
async def test_what_is_public_needs_no_token(make_app: Make, browse: Browse, path: str) -> None:
    async with browse(make_app(api_tokens=TOKENS)) as client:
        assert (await client.get(path)).status_code == 200
        assert (await client.post(path)).status_code == 405


@pytest.mark.parametrize(
    "value",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer wrong",
        "alice-operates",
        "Basic alice-operates",
        "Bearer alice-operates2",
        b"Bearer \xff",
    ],
)
async def test_a_wrong_token_is_401(make_app: Make, browse: Browse, value: Any) -> None:
    async with browse(make_app(api_tokens=TOKENS)) as client:
        assert (await client.get("/api/v1/assets", headers={"authorization": value})).status_code == 401


async def test_a_viewer_reads_and_changes_nothing(make_app: Make, browse: Browse, journal: StoredJournal) -> None:
    app = make_app(api_tokens=TOKENS)
    async with browse(app, headers=BOB) as client:
        assert (await client.get("/api/v1/assets")).status_code == 200
        for method, path in routes(app):
            if method not in ("GET", "HEAD"):
                assert (await client.request(method, path)).status_code == 403, (method, path)
    assert journal.head == 0


async def test_an_operator_may_change(make_app: Make, browse: Browse) -> None:
    async with browse(make_app(api_tokens=TOKENS), headers=ALICE) as client:
        assert (await client.post("/api/v1/runs", json={"select": "raw/orders"})).status_code == 202


async def test_with_a_token_any_host_name_will_do(make_app: Make, browse: Browse) -> None:
    async with browse(make_app(api_tokens=TOKENS), headers=BOB | {"host": "upwell.example.com"}) as client:
        assert (await client.get("/api/v1/assets")).status_code == 200


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:8600", 200),
        ("127.0.0.1:8600", 200),
        ("[::1]:8600", 200),
        ("upwell.localhost", 200),
        ("evil.example:8600", 403),
        ("127.0.0.1.evil.example", 403),
        ("localhost.evil.example", 403),
        ("192.168.1.5:8600", 403),
        ("", 403),
        ("[::1", 403),
    ],
)
async def test_without_a_token_only_this_machine_s_names_are_answered(
    client: httpx.AsyncClient, host: str, status: int
) -> None:
    assert (await client.get("/api/v1/assets", headers={"host": host})).status_code == status


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://localhost:8600", 202),
        ("https://localhost:8600", 202),
        ("http://localhost:3000", 403),
        ("https://evil.example", 403),
        ("null", 403),
        ("", 403),
    ],
)
async def test_pages_of_another_origin_change_nothing(client: httpx.AsyncClient, origin: str, status: int) -> None:
    answer = await client.post("/api/v1/runs", json={"select": "raw/orders"}, headers={"origin": origin})
    assert answer.status_code == status


async def test_no_answer_invites_another_origin(client: httpx.AsyncClient) -> None:
    answer = await client.get("/api/v1/assets", headers={"origin": "https://evil.example"})
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_a_token_does_not_show_itself() -> None:
    assert "alice" not in repr(TOKENS[0])


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "[::1]", "localhost", "LOCALHOST", "a.localhost"])
def test_loopback_may_be_open(host: str) -> None:
    assert is_loopback(host)
    check_bind(host, [])


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.1", "example.com", "", "127.0.0.1.example.com"])
def test_the_network_needs_a_token(host: str) -> None:
    with pytest.raises(SettingsError, match="UPWELL_API_TOKENS=operator:TOKEN, or listen on"):
        check_bind(host, [])
    check_bind(host, TOKENS)
