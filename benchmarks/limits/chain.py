"""The least that a chain of three stored assets can cost after a durable event, in bare code.

One commit, then three round trips to a warm worker process over a socket pair; the worker writes a Parquet file for
each asset and reads the one before. No HTTP, no journal of results, no decisions.
"""

import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq


def _step(folder: Path, number: int, data: bytes) -> None:
    if number == 0:
        frame = pa.table({"order": [1], "amount": [float(data)]}).to_pandas()
    else:
        frame = pq.read_table(folder / f"{number - 1}.parquet").to_pandas()
        frame = frame[frame["amount"] > 0] if number == 1 else frame.assign(total=frame["amount"].sum())
    pq.write_table(pa.Table.from_pandas(frame), folder / f"{number}.parquet")


def work(channel: socket.socket, folder: Path) -> None:
    """The worker: steps as they are asked for, until the channel closes."""
    while request := channel.recv(64):
        _step(folder, request[0], request[1:])
        channel.send(b"done")


def _commit(database: sqlite3.Connection, data: bytes) -> None:
    database.execute("BEGIN IMMEDIATE")
    database.execute("INSERT INTO event (kind, body) VALUES ('webhook.accepted', ?)", (data,))
    database.execute("COMMIT")


def latency(samples: int) -> float:
    """Median seconds from the event to the third asset being stored."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with tempfile.TemporaryDirectory() as folder:
        worker = subprocess.Popen([sys.executable, __file__, str(theirs.fileno()), folder], pass_fds=[theirs.fileno()])
        theirs.close()
        database = sqlite3.connect(Path(folder, "limit.db"), isolation_level=None)
        database.executescript(
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE event (id INTEGER PRIMARY KEY, kind, body)"
        )
        taken = []
        for _ in range(samples + 5):
            time.sleep(0.01)
            started = time.perf_counter()
            _commit(database, b"9.5")
            for number in range(3):
                ours.send(bytes([number]) + b"9.5")
                ours.recv(64)
            taken.append(time.perf_counter() - started)
        database.close()
        ours.close()
        worker.wait()
    return statistics.median(taken[5:])


if __name__ == "__main__":
    work(socket.socket(fileno=int(sys.argv[1])), Path(sys.argv[2]))
