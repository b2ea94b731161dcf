"""What any service must do to accept a signed webhook, and nothing else: `python ingest_app.py PORT DATABASE`.

uvicorn and Starlette, the signature over the raw body, the JSON parsed, one durable row, committed in groups.
"""

import asyncio
import hashlib
import hmac
import json
import os
import queue
import sqlite3
import sys
import threading

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

SECRET = os.environ.get("BENCH_SECRET", "").encode()


class GroupCommit:
    """A thread that owns the database: while one commit is under way, the next group gathers."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._rows: queue.SimpleQueue[tuple[bytes, asyncio.Future[int]]] = queue.SimpleQueue()

    def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        threading.Thread(target=self._write, daemon=True).start()

    def append(self, body: bytes) -> asyncio.Future[int]:
        """The id of the row, once it is on disk."""
        done: asyncio.Future[int] = self._loop.create_future()
        self._rows.put((body, done))
        return done

    def _write(self) -> None:
        database = sqlite3.connect(self._path, isolation_level=None)
        for statement in (
            "PRAGMA journal_mode=WAL",
            "PRAGMA synchronous=FULL",
            "CREATE TABLE event (id INTEGER PRIMARY KEY, kind TEXT, source TEXT, body BLOB)",
        ):
            database.execute(statement)
        last = 0
        while True:
            group = [self._rows.get()]
            while not self._rows.empty():
                group.append(self._rows.get())
            database.execute("BEGIN IMMEDIATE")
            database.executemany(
                "INSERT INTO event VALUES (?, 'webhook.accepted', 'webhook:load', ?)",
                [(last + number, body) for number, (body, _) in enumerate(group, 1)],
            )
            database.execute("COMMIT")
            self._loop.call_soon_threadsafe(self._answer, group, last)
            last += len(group)

    @staticmethod
    def _answer(group: list[tuple[bytes, asyncio.Future[int]]], last: int) -> None:
        for number, (_, done) in enumerate(group, 1):
            if not done.done():
                done.set_result(last + number)


def build(path: str) -> Starlette:
    """The app."""
    journal = GroupCommit(path)

    async def accept(request: Request) -> JSONResponse:
        body = await request.body()
        expected = "sha256=" + hmac.new(SECRET, body, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(request.headers.get("x-hub-signature-256", ""), expected):
            return JSONResponse({"title": "wrong signature"}, 401)
        json.loads(body)
        return JSONResponse({"event_id": await journal.append(body)}, 202)

    async def ready(request: Request) -> JSONResponse:
        return JSONResponse({})

    app = Starlette(routes=[Route("/webhooks/load", accept, methods=["POST"]), Route("/readyz", ready)])

    async def entry(scope, receive, send):  # type: ignore[no-untyped-def]  # an ASGI application
        if scope["type"] == "lifespan":
            journal.start()
        await app(scope, receive, send)

    return entry  # type: ignore[return-value]


if __name__ == "__main__":
    uvicorn.run(
        build(sys.argv[2]), host="127.0.0.1", port=int(sys.argv[1]), loop="uvloop", http="httptools", access_log=False
    )
