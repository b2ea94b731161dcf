"""Frames between service and workers: what goes in comes out; what is no message is refused."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upwell.definitions.snapshot import AssetNode, Snapshot
from upwell.events import (
    AssetMaterialized,
    AssetObserved,
    CheckEvaluated,
    ErrorInfo,
    PartitionsWanted,
    RunId,
    WantedRun,
)
from upwell.runtime.messages import (
    Abandoned,
    FilterReport,
    FilterTask,
    LoadLocation,
    LocationReport,
    LocationSpec,
    RetryWish,
    SensorReport,
    SensorTask,
    SourceFile,
    StepReport,
    StepTask,
    TriggerEvent,
    WatchedEvent,
    WatchedRun,
)
from upwell.runtime.protocol import FrameError, FrameReader, Message, encode

NOON = datetime(2024, 1, 1, 12, tzinfo=UTC)
SOURCE = SourceFile(module="shop", path="/shop.py", text="x = 1")

MESSAGES: list[Message] = [
    LoadLocation(spec=LocationSpec(name="shop", files=("shop.py",)), home="/home", sources=(SOURCE,)),
    StepTask(
        run_id=RunId("r"),
        step_id="orders[2024-01-01]",
        step="orders",
        location="shop",
        attempt=2,
        now=NOON,
        partition="2024-01-01",
        events=(TriggerEvent(id=1, source="webhook:orders", time=NOON, data={"n": [1, None]}),),
        tags={"team": "shop"},
    ),
    LocationReport(snapshot=Snapshot(location="shop", assets=(AssetNode(key="a", step="a"),)), sources=(SOURCE,)),
    LocationReport(error=ErrorInfo(type="SyntaxError", message="bad", traceback="…")),
    StepReport(
        results=(
            AssetMaterialized(asset="a", run_id=RunId("r"), metadata={"rows": {"type": "int", "value": 1}}),
            AssetObserved(asset="a"),
            CheckEvaluated(asset="a", check="c", passed=False, severity="WARN"),
        ),
        error=ErrorInfo(type="ValueError", message="x"),
        retry=RetryWish(max_retries=3),
        duration=0.5,
    ),
    SensorTask(
        id=7,
        sensor="files",
        location="shop",
        now=NOON,
        timeout=60.0,
        cursor="c",
        watched=(WatchedEvent(id=1, at=NOON, kind="run.failed", body={"run_id": "r"}),),
        run=WatchedRun(run_id=RunId("r"), status="FAILURE", step_errors={"a": ErrorInfo(type="KeyError", message="x")}),
    ),
    SensorReport(
        id=7,
        runs=(WantedRun(run_key="k", assets=("a",), config={"ops": {}}),),
        cursor="d",
        results=(AssetObserved(asset="a"), AssetMaterialized(asset="a", partition="x")),
        partitions=(PartitionsWanted(name="shops", added=("x",)),),
    ),
    FilterTask(
        id=8, location="shop", filters=("f",), event=TriggerEvent(id=1, source="s", time=NOON, data=[1]), timeout=10.0
    ),
    FilterReport(id=8, answers={"f": False}),
    Abandoned(id=9),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_a_message_comes_back_as_it_was_sent(message: Message) -> None:
    assert list(FrameReader().feed(encode(message))) == [message]


@given(cuts=st.lists(st.integers(min_value=0, max_value=3000), max_size=12))
def test_messages_arrive_however_the_stream_is_cut(cuts: list[int]) -> None:
    stream = b"".join(map(encode, MESSAGES))
    reader, received = FrameReader(), []
    edges = [0, *sorted(cut for cut in cuts if cut < len(stream)), len(stream)]
    for start, end in pairwise(edges):
        received += reader.feed(stream[start:end])
    assert received == MESSAGES


@given(st.binary(min_size=5, max_size=200))
def test_arbitrary_bytes_are_refused_or_wait_for_more(data: bytes) -> None:
    try:
        assert list(FrameReader(largest=1000).feed(data)) == []
    except FrameError:
        pass


@given(message=st.sampled_from(MESSAGES), place=st.integers(min_value=0), byte=st.integers(min_value=0, max_value=255))
def test_a_changed_byte_never_raises_anything_but_a_frame_error(message: Message, place: int, byte: int) -> None:
    frame = bytearray(encode(message))
    frame[place % len(frame)] = byte
    try:
        list(FrameReader().feed(bytes(frame)))
    except FrameError:
        pass


def test_a_frame_over_the_limit_is_refused_before_it_is_read() -> None:
    with pytest.raises(FrameError, match="2,000 bytes"):
        list(FrameReader(largest=1000).feed((2000).to_bytes(4, "big") + b"\x04"))


@pytest.mark.parametrize(("report", "tag"), [(b"{}", b"\x04"), (b'{"id":1}', b"\x06")])
def test_neither_a_step_nor_a_sensor_can_report_that_a_run_succeeded(report: bytes, tag: bytes) -> None:
    body = b'{"report":' + report + b',"results":[["run.succeeded","{\\"run_id\\":\\"r\\"}"]]}'
    with pytest.raises(FrameError, match=r"run\.succeeded"):
        list(FrameReader().feed(len(body).to_bytes(4, "big") + tag + body))
