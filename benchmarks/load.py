"""A process that posts signed webhooks as fast as they are answered.

`python -m benchmarks.load PORT CONNECTIONS SECONDS`

Raw sockets and prepared requests, so that the client costs little beside the server. Prints what was answered, as JSON.
"""

import asyncio
import hashlib
import hmac
import itertools
import json
import os
import sys
import time

import uvloop

BODY_SIZE = 1024
WARM_UP = 0.5  # seconds


def requests(secret: bytes, run: str) -> "itertools.count[int]":
    """Endless deliveries, each different and signed as GitHub signs."""
    filler = "x" * (BODY_SIZE - 60)
    for number in itertools.count():
        body = f'{{"order": {number}, "amount": 9.5, "note": "{filler}"}}'.encode()
        signature = hmac.new(secret, body, hashlib.sha256).hexdigest()
        yield (
            b"POST /webhooks/load HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
            + f"x-github-delivery: {run}-{number}\r\nx-hub-signature-256: sha256={signature}\r\n".encode()
            + f"content-length: {len(body)}\r\n\r\n".encode()
            + body
        )


class Connection(asyncio.Protocol):
    """Posts the next delivery when the last one is answered."""

    def __init__(self, deliveries, tally: dict[str, int]) -> None:
        self._deliveries, self._tally = deliveries, tally
        self._answer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._send()

    def _send(self) -> None:
        self._transport.write(next(self._deliveries))

    def data_received(self, data: bytes) -> None:
        self._answer += data
        head, separator, body = self._answer.partition(b"\r\n\r\n")
        if not separator or len(body) < int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0]):
            return
        status = head[9:12].decode()
        self._tally[status] = self._tally.get(status, 0) + 1
        self._answer = b""
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        self._tally["lost"] = self._tally.get("lost", 0) + 1


async def measure(port: int, connections: int, seconds: float) -> dict[str, object]:
    """Post for so long, after a short warm-up that is not counted."""
    loop = asyncio.get_running_loop()
    tally: dict[str, int] = {}
    # Signing beforehand keeps the client's share of the processor small.
    deliveries = iter(list(itertools.islice(requests(os.environ["BENCH_SECRET"].encode(), str(os.getpid())), 250_000)))
    for _ in range(connections):
        await loop.create_connection(lambda: Connection(deliveries, tally), "127.0.0.1", port)
    await asyncio.sleep(WARM_UP)
    tally.clear()
    started = time.perf_counter()
    await asyncio.sleep(seconds)
    return {"seconds": time.perf_counter() - started, "answers": dict(tally)}


if __name__ == "__main__":
    print(json.dumps(uvloop.run(measure(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))))
