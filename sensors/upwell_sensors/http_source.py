"""Runs `http_poll`: asks, compares, tells what is new."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import anyio
import anyio.to_thread
import httpx
import structlog

from upwell.clock import Clock
from upwell.durations import parse_duration
from upwell.errors import SourceError
from upwell.events import Json, MessageReceived, SourceAdvanced
from upwell.sources.source import Cursor, Emitted
from upwell_sensors.http_items import Item, ItemPaths, KnownItems
from upwell_sensors.rhythm import Rhythm, Trouble

_MAX_BYTES, _MAX_BYTES_OF_ITEMS = 1 << 20, 10 << 20
_MAX_DEPTH = 100
_CHUNK = 500  # items in one commit
_KEPT_HEADERS = ("content-type", "etag", "last-modified")
VALIDATORS, BODY, LOOKED = "validators", "body", "looked"

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class _Answer:
    """What the address answered, read; `unchanged` when it says so itself (304)."""

    unchanged: bool = False
    data: Json = None
    digest: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    validators: Mapping[str, str] = field(default_factory=dict)


class HttpPollSource:
    """Asks an address now and then; the cursor has its validators, and what tells new items from old."""

    def __init__(
        self,
        name: str,
        *,
        url: str,
        interval: str,
        items: str | None = None,
        item_id: str | None = None,
        cursor: str | None = None,
        cursor_param: str | None = None,
        initial: str = "all",
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        bearer: str | None = None,
        body: Json = None,
        timeout: str = "30s",
        max_bytes: int | None = None,
    ) -> None:
        if urlsplit(url).scheme not in ("http", "https"):
            raise SourceError(f"source {name!r}: only http and https addresses can be asked")
        self.name = name
        self._url, self._method, self._body = url, method, body
        self._interval = parse_duration(interval, what="interval").total_seconds()
        self._paths = None if items is None else ItemPaths(items=items, item_id=item_id, cursor=cursor)
        self._marked = cursor is not None
        self._cursor_param = cursor_param
        self._initial = initial
        self._headers = dict(headers or {}) | ({"Authorization": f"Bearer {bearer}"} if bearer else {})
        self._timeout = parse_duration(timeout, what="timeout").total_seconds()
        self._max_bytes = max_bytes or (_MAX_BYTES if items is None else _MAX_BYTES_OF_ITEMS)
        self._refused: set[str] = set()

    async def events(self, cursor: Cursor, clock: Clock) -> AsyncIterator[Sequence[Emitted]]:
        memory = _Memory(cursor, marked=self._marked)
        rhythm = Rhythm(self.name, self._interval, clock)
        async with httpx.AsyncClient(headers=self._headers, timeout=None, follow_redirects=False) as client:
            while True:
                await rhythm.rest()
                try:
                    answer = await self._ask(client, memory, clock.now())
                    batches = await anyio.to_thread.run_sync(self._compare, answer, memory)
                except Trouble as trouble:
                    if told := rhythm.failed(trouble):
                        yield told
                    continue
                for batch in batches:
                    yield batch
                memory.answered(answer)
                if told := rhythm.succeeded():
                    yield told

    async def _ask(self, client: httpx.AsyncClient, memory: _Memory, now: datetime) -> _Answer:
        """One question, and the whole answer."""
        mark = memory.items.mark if self._cursor_param is not None else None
        params = {} if mark is None else {str(self._cursor_param): str(mark)}
        request = client.build_request(
            self._method, _with(self._url, params), headers=memory.conditions(mark), **_json(self._body)
        )
        try:
            with anyio.fail_after(self._timeout):
                response = await client.send(request, stream=True)
                try:
                    return await self._read(response, mark, now)
                finally:
                    await response.aclose()
        except TimeoutError:
            raise Trouble("timeout", f"no whole answer within {self._timeout:g} s") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Trouble(type(error).__name__, f"{type(error).__name__}: {error}") from error

    async def _read(self, response: httpx.Response, mark: Json, now: datetime) -> _Answer:
        status = response.status_code
        if status == httpx.codes.NOT_MODIFIED:
            return _Answer(unchanged=True)
        if not response.is_success:
            moved = " elsewhere; redirects are not followed, write the new URL" if response.is_redirect else ""
            retry_after = _retry_after(response.headers.get("retry-after"), now) if status in (429, 503) else None
            raise Trouble(f"status {status}", f"answered {status}{moved}", retry_after=retry_after)
        body = bytearray()
        async for piece in response.aiter_bytes():
            body += piece
            if len(body) > self._max_bytes:
                raise Trouble("size", f"the answer is longer than max_bytes={self._max_bytes}")
        return await anyio.to_thread.run_sync(self._parse, bytes(body), response, mark)

    def _parse(self, body: bytes, response: httpx.Response, mark: Json) -> _Answer:
        media = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        is_json = self._paths is not None or media == "application/json" or media.endswith("+json")
        data = _parsed(body or b"null") if is_json else body.decode(response.encoding or "utf-8", errors="replace")
        told = {"etag": response.headers.get("etag"), "modified": response.headers.get("last-modified"), "mark": mark}
        return _Answer(
            data=data,
            digest=hashlib.sha256(body).hexdigest()[:32],
            headers={name: value for name in _KEPT_HEADERS if (value := response.headers.get(name)) is not None},
            validators={name: value for name, value in told.items() if value is not None},
        )

    def _compare(self, answer: _Answer, memory: _Memory) -> Iterator[list[Emitted]]:
        """What is new in an answer, in batches, each with what is to be remembered of it."""
        if answer.unchanged or answer.digest == memory.digest:
            return iter(())
        if self._paths is None:
            return iter([self._changed(answer, memory)])
        answered, refused = self._paths.read(answer.data)
        self._report(refused)
        new = memory.items.new(answered)
        return self._batches(answer, memory, answered, new)

    def _changed(self, answer: _Answer, memory: _Memory) -> list[Emitted]:
        cursor = memory.after(answer)
        if memory.is_first and self._initial == "latest":
            return [SourceAdvanced(source=self.name, cursor=cursor)]
        return [self._event(answer.data, memory, cursor, headers=answer.headers)]

    def _batches(
        self, answer: _Answer, memory: _Memory, answered: Sequence[Item], new: Sequence[Item]
    ) -> Iterator[list[Emitted]]:
        silent = memory.is_first and self._initial == "latest"
        for at in range(0, len(new), _CHUNK):
            chunk = new[at : at + _CHUNK]
            remembered = [(item, memory.items.tell(item)) for item in chunk]
            settled = memory.items.settle(answered) | (memory.after(answer) if at + _CHUNK >= len(new) else {})
            if silent:
                told: list[Emitted] = [SourceAdvanced(source=self.name, cursor=cursor) for _, cursor in remembered]
            else:
                told = [self._event(item.data, memory, cursor, delivery_id=item.id) for item, cursor in remembered]
            yield [*told, SourceAdvanced(source=self.name, cursor=settled)]
        if not new and memory.is_first:
            yield [SourceAdvanced(source=self.name, cursor=memory.after(answer))]

    def _event(self, data: Json, memory: _Memory, cursor: Mapping[str, Json], **more: Any) -> MessageReceived:
        return MessageReceived(source=self.name, data=data, caught_up=memory.catching_up, cursor=cursor, **more)

    def _report(self, refused: Sequence[str]) -> None:
        for reason in {*refused} - self._refused:
            log.warning("source.item_refused", source=self.name, reason=reason)
        self._refused |= {*refused}


class _Memory:
    """What is remembered from one answer to the next; the validators of an answer only once all of it was told."""

    def __init__(self, cursor: Cursor, *, marked: bool) -> None:
        self.items = KnownItems(cursor, marked=marked)
        self.is_first = not cursor.get(LOOKED)
        self.catching_up = not self.is_first
        self.digest: str | None = cursor.get(BODY)
        self._validators: Mapping[str, Json] = cursor.get(VALIDATORS) or {}

    def conditions(self, mark: Json) -> dict[str, str]:
        """The headers that let an unchanged answer be short; none if the question has changed."""
        if self._validators.get("mark") != mark:
            return {}
        headers = {"If-None-Match": self._validators.get("etag"), "If-Modified-Since": self._validators.get("modified")}
        return {name: value for name, value in headers.items() if value is not None}

    def after(self, answer: _Answer) -> dict[str, Json]:
        """What the cursor is to remember once an answer is told."""
        return {VALIDATORS: answer.validators or None, BODY: answer.digest, LOOKED: True}

    def answered(self, answer: _Answer) -> None:
        """All of an answer has been told and committed."""
        self.is_first = self.catching_up = False
        if not answer.unchanged:
            self.digest, self._validators = answer.digest, answer.validators


def _with(url: str, params: Mapping[str, str]) -> httpx.URL:
    return httpx.URL(url).copy_merge_params(params) if params else httpx.URL(url)


def _json(body: Json) -> dict[str, Json]:
    return {} if body is None else {"json": body}


def _parsed(body: bytes) -> Json:
    try:
        data = json.loads(body, parse_constant=_refuse_constant)
        # A lone half of a surrogate pair, and an infinity that a large exponent made, are not JSON that can be kept.
        json.dumps(data, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError) as error:
        raise Trouble("content", f"the answer is not JSON: {error!s:.200}") from None
    if _is_deep(data):
        raise Trouble("content", f"the answer nests deeper than {_MAX_DEPTH} levels")
    return data


def _refuse_constant(name: str) -> Json:
    raise ValueError(f"{name} is no number of JSON")


def _is_deep(data: Json) -> bool:
    level = [data]
    for _ in range(_MAX_DEPTH):
        level = [
            below
            for value in level
            if isinstance(value, dict | list)
            for below in (value.values() if isinstance(value, dict) else value)
        ]
        if not level:
            return False
    return True


def _retry_after(header: str | None, now: datetime) -> float | None:
    """Seconds that a Retry-After asks for, by their number or by the date."""
    if header is None:
        return None
    if header.strip().isdigit():
        return float(header.strip()[:9])
    try:
        date = parsedate_to_datetime(header)
    except ValueError:
        return None
    return max(0.0, (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - now.timestamp())
