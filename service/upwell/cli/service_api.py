"""The service's API as the commands use it: the running one, or the same API over the journal on disk."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel

from upwell.cli.failures import CommandError, Unreachable, UsageError
from upwell.cli.offline import offline_app
from upwell.cli.output import note
from upwell.runtime.messages import LocationSpec
from upwell.settings import Settings
from upwell.web.models import Event

M = TypeVar("M", bound=BaseModel)


def quoted(name: str) -> str:
    """A name as one part of a path, slashes and dots included."""
    return quote(name, safe="")


class ServiceApi:
    """Typed answers to GET requests below /api/v1. `live` is false where nothing new can happen."""

    def __init__(self, client: httpx.AsyncClient, *, live: bool) -> None:
        self._client = client
        self.live = live

    async def get(self, path: str, answer: type[M], **params: Any) -> M:
        """The answer at `path`; parameters that are none are left out.

        Raises:
            CommandError: the service refused, with its own words.
        """
        given = {key: value for key, value in params.items() if value is not None}
        try:
            response = await self._client.get(f"/api/v1{path}", params=given)
        except httpx.TransportError as error:
            raise Unreachable(f"the service at {self._client.base_url} stopped answering: {error}") from error
        if response.is_error:
            raise _refusal(response)
        return answer.model_validate_json(response.content)

    async def post(self, path: str, body: BaseModel, answer: type[M]) -> M:
        """The answer to `body` at `path`.

        Raises:
            CommandError: the service refused, with its own words.
        """
        try:
            response = await self._client.post(f"/api/v1{path}", json=body.model_dump(mode="json"))
        except httpx.TransportError as error:
            raise Unreachable(f"the service at {self._client.base_url} stopped answering: {error}") from error
        if response.is_error:
            raise _refusal(response)
        return answer.model_validate_json(response.content)

    @asynccontextmanager
    async def follow(self, **params: Any) -> AsyncIterator[AsyncIterator[Event]]:
        """The journal as it grows, for as long as the service runs.

        Raises:
            CommandError: the service refused, or stopped answering.
        """
        given = {key: value for key, value in params.items() if value is not None}
        try:
            async with self._client.stream("GET", "/api/v1/stream", params=given, timeout=None) as response:
                if response.is_error:
                    await response.aread()
                    raise _refusal(response)
                yield _events(response.aiter_lines())
        except httpx.TransportError as error:
            raise Unreachable(f"the service at {self._client.base_url} stopped answering: {error}") from error


async def _events(lines: AsyncIterator[str]) -> AsyncIterator[Event]:
    async for line in lines:
        if line.startswith("data:"):
            yield Event.model_validate_json(line.removeprefix("data:"))


@asynccontextmanager
async def connect(
    settings: Settings, specs: Sequence[LocationSpec], *, needs_definitions: bool = True, offline: bool = True
) -> AsyncIterator[ServiceApi]:
    """The API of the running service; where none runs, that of its journal on disk and the definitions in `specs`.

    Args:
        needs_definitions: whether the definitions matter for what will be asked.
        offline: whether the disk will do.

    Raises:
        Unreachable: there is neither.
    """
    token = settings.api_token.get_secret_value() if settings.api_token else None
    headers = {"authorization": f"Bearer {token}"} if token else {}
    async with httpx.AsyncClient(base_url=settings.base_url, headers=headers, timeout=30.0) as client:
        reason = await _why_unreachable(client)
        if reason is None:
            yield ServiceApi(client, live=True)
            return
    if settings.url or not offline:
        raise Unreachable(f"the service at {settings.base_url} cannot be reached: {reason}. Is the address right?")
    async with offline_app(settings, specs, reason, needs_definitions=needs_definitions) as app:
        note(f"no service answers at {settings.base_url}; this is what is on disk")
        transport = httpx.ASGITransport(app, client=("127.0.0.1", 0))
        async with httpx.AsyncClient(base_url="http://127.0.0.1", transport=transport) as client:
            yield ServiceApi(client, live=False)


async def _why_unreachable(client: httpx.AsyncClient) -> str | None:
    try:
        response = await client.get("/healthz")
    except httpx.TransportError as error:
        return str(error) or type(error).__name__
    return None if response.is_success else f"it answers {response.status_code} to /healthz"


def _refusal(response: httpx.Response) -> CommandError:
    try:
        problem = response.json()
        detail = str(problem.get("detail") or problem.get("title"))
    except (ValueError, AttributeError):
        detail = f"the service answered {response.status_code}"
    match response.status_code:
        case 401 | 403:
            return Unreachable(f"{detail} Set UPWELL_API_TOKEN to one of the service's tokens")
        case 400 | 404 | 422:
            return UsageError(detail)
        case 503:
            return Unreachable(detail)
        case _:
            return CommandError(detail)
