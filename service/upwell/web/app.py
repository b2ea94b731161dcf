"""The web application: webhook ingress and health, which are public, and the API behind its gate."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from importlib.metadata import version

import anyio
import anyio.abc
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from upwell.web import models, problems
from upwell.web.auth import Gate
from upwell.web.body_limit import BodyLimit
from upwell.web.documentation import DocumentedApi
from upwell.web.metrics import Metrics
from upwell.web.pages import CONTENT_SECURITY_POLICY, docs_page, start_page
from upwell.web.parts import WebParts
from upwell.web.problems import RETRY_AFTER, ProblemResponse
from upwell.web.readiness import NotReady, ReadinessProbe
from upwell.web.routes import (
    alerting,
    assets,
    events,
    explain,
    freshness,
    listening,
    partitions,
    project,
    replays,
    runs,
    switches,
)
from upwell.web.stream import Streams
from upwell.web.webhooks import PREFIX as WEBHOOKS
from upwell.web.webhooks import WebhookIngress

__all__ = ["ROUTES", "WebApp", "WebParts", "build_app"]

ROUTES = (runs, assets, partitions, freshness, explain, events, replays, listening, switches, alerting, project)
"""The modules of the API's routes."""

_SECURITY_HEADERS = [
    (b"content-security-policy", CONTENT_SECURITY_POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
]

Page = Callable[[], Awaitable[Response]]


def build_app(parts: WebParts) -> WebApp:
    """Put the web station together."""
    return WebApp(parts)


class WebApp:
    """The ASGI application.

    `run` follows the journal, for the metrics and for senders who wait; `drain` ends streams and takes nothing new.
    """

    def __init__(self, parts: WebParts) -> None:
        self._parts = parts
        self._version = version("upwell")
        self._metrics = Metrics(parts)
        self._probe = ReadinessProbe(parts)
        self._ingress = WebhookIngress(parts, self._metrics.webhooks)
        # What is not public by its exact path goes through the gate: a route that is added is closed.
        self._public: dict[str, Page] = {"/": self._start, "/healthz": self._alive, "/readyz": self._ready}
        self.api = build_api(parts, self._version, self._metrics)
        self._private: ASGIApp = Gate(BodyLimit(self.api, parts.max_body), parts.api_tokens)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise ValueError(f"this application speaks HTTP only, not {scope['type']}")
        path: str = scope["path"]
        if path.startswith(WEBHOOKS):
            await self._ingress(scope, receive, send)
        elif (page := self._public.get(path)) is not None:
            await self._serve_page(page, scope, receive, _with_security_headers(send))
        else:
            await self._private(scope, receive, _with_security_headers(send))

    async def run(self, *, task_status: anyio.abc.TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Follow the journal, for ever."""
        async with anyio.create_task_group() as tasks:
            await tasks.start(self._metrics.run)
            tasks.start_soon(self._ingress.run)
            task_status.started()

    def drain(self) -> None:
        """Refuse new deliveries with 503, turn /readyz red and end every stream."""
        self._parts.draining.set()

    async def _serve_page(self, page: Page, scope: Scope, receive: Receive, send: Send) -> None:
        reading = scope["method"] in ("GET", "HEAD")
        response = await page() if reading else ProblemResponse(405, "Only GET.", headers={"allow": "GET, HEAD"})
        await response(scope, receive, send)

    async def _start(self) -> Response:
        return start_page(self._version)

    async def _alive(self) -> Response:
        return JSONResponse(models.Liveness().model_dump())

    async def _ready(self) -> Response:
        try:
            readiness = await self._probe.prove()
        except NotReady as failure:
            return ProblemResponse(503, failure.detail, kind=f"not-ready-{failure.hop}", headers=RETRY_AFTER)
        return JSONResponse(readiness.model_dump(), headers={"cache-control": "no-store"})


def build_api(parts: WebParts, version: str, metrics: Metrics) -> DocumentedApi:
    """The API without its gate."""
    api = DocumentedApi(
        title="Upwell",
        version=version,
        docs_url=None,
        redoc_url=None,
        responses={422: {"model": models.Problem}, "default": {"model": models.Problem}},
    )
    api.state.parts = parts
    api.state.streams = Streams(parts)
    for routes in ROUTES:
        api.include_router(routes.router, prefix="/api/v1")
    problems.install(api)

    async def documentation(_: Request) -> Response:
        return docs_page(api.openapi())

    async def figures(_: Request) -> Response:
        return await metrics.scrape()

    api.add_route("/docs", documentation, include_in_schema=False)
    api.add_route("/metrics", figures, include_in_schema=False)
    return api


def _with_security_headers(send: Send) -> Send:
    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], *_SECURITY_HEADERS]
        await send(message)

    return send_with_headers
