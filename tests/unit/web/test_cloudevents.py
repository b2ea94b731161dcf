from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from upwell.web.cloudevents import is_batch, read, read_batch
from upwell.web.rejections import Rejected

BINARY = {
    b"content-type": b"application/json",
    b"ce-specversion": b"1.0",
    b"ce-id": b"A234",
    b"ce-source": b"/mycontext/4",
    b"ce-type": b"com.example.someevent",
}
STRUCTURED = {"specversion": "1.0", "id": "A234", "source": "/mycontext/4", "type": "com.example.someevent"}


def structured(**changed: Any) -> tuple[dict[bytes, bytes], bytes]:
    return {b"content-type": b"application/cloudevents+json; charset=utf-8"}, json.dumps(STRUCTURED | changed).encode()


def test_both_modes_come_out_the_same() -> None:
    binary = read(BINARY | {b"ce-time": b"2018-04-05T17:31:00Z"}, b'{"n": 1}')
    assert binary == read(*structured(time="2018-04-05T17:31:00Z", data={"n": 1}))
    assert binary is not None
    assert binary.data == {"n": 1}
    assert binary.delivery_id == "/mycontext/4 A234"
    assert binary.occurred_at == datetime(2018, 4, 5, 17, 31, tzinfo=UTC)


def test_what_does_not_call_itself_one_is_none() -> None:
    assert read({b"content-type": b"application/json", b"ce-id": b"1"}, b"{}") is None


@pytest.mark.parametrize(
    ("header", "value"),
    [(b"Euro%20%E2%82%AC%20%F0%9F%98%80", "Euro € 😀"), (b'"quoted \\"x\\""', 'quoted "x"'), (b"%e2%82%ac", "€")],
)
def test_binary_attributes_are_unquoted_and_decoded_once(header: bytes, value: str) -> None:
    event = read(BINARY | {b"ce-subject": header}, b"")
    assert event is not None
    assert event.attributes["subject"] == value


def test_a_null_attribute_counts_as_absent_and_others_become_text() -> None:
    event = read(*structured(subject=None, sequence=7, sampled=True, data="text"))
    assert event is not None
    assert event.attributes == STRUCTURED | {"sequence": "7", "sampled": "true"}
    assert event.data == "text"


@pytest.mark.parametrize(
    "changed",
    [
        {b"ce-specversion": b"0.3"},
        {b"ce-id": b""},
        {b"ce-source": b"a b"},
        {b"ce-id": b"%C0%A0"},
        {b"ce-id": b"%00"},
        {b"ce-time": b"yesterday"},
        {b"ce-time": b"0001-01-01T00:00:00%2B10:00"},
        {b"ce-time": b"2018-04-05T17:31:00"},
        {b"ce-bad-name": b"x"},
        {b"ce-datacontenttype": b"application/json"},
    ],
)
def test_malformed_binary_events_are_refused(changed: dict[bytes, bytes]) -> None:
    with pytest.raises(Rejected) as rejected:
        read(BINARY | changed, b"{}")
    assert rejected.value.status == 400


@pytest.mark.parametrize(
    "changed",
    [{"id": None}, {"id": ""}, {"type": {"a": 1}}, {"id": "a\nb"}, {"source": "x\ud800"}, {"time": 5}, {"Bad": "x"}],
)
def test_malformed_structured_events_are_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(Rejected) as rejected:
        read(*structured(**changed))
    assert rejected.value.status == 400


@pytest.mark.parametrize("media", [b"application/cloudevents-batch+json", b"application/cloudevents+avro"])
def test_other_formats_are_refused(media: bytes) -> None:
    with pytest.raises(Rejected) as rejected:
        read({b"content-type": media}, b"[]")
    assert rejected.value.status == 415


def test_data_that_came_as_bytes_is_read_by_its_type() -> None:
    encoded = base64.b64encode(b'{"n": 1}').decode()
    event = read(*structured(data_base64=encoded, datacontenttype="application/json"))
    assert event is not None
    assert event.data == {"n": 1}


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"data_base64": "AAAA", "datacontenttype": "application/avro"}, 415),
        ({"data_base64": "AAAA", "datacontenttype": "application/json"}, 400),
        ({"data_base64": "not base64"}, 400),
        ({"data_base64": 7}, 400),
        ({"data_base64": "e30=", "data": {}}, 400),
    ],
)
def test_bytes_that_are_no_data_are_refused(changed: dict[str, Any], status: int) -> None:
    with pytest.raises(Rejected) as rejected:
        read(*structured(**changed))
    assert rejected.value.status == status


BATCH = "application/cloudevents-batch+json"


def test_a_batch_is_its_events_in_order() -> None:
    body = json.dumps([STRUCTURED | {"id": "1"}, STRUCTURED | {"id": "2", "data": 7}]).encode()
    first, second = read_batch(BATCH, body, limit=2)
    assert (first.delivery_id, second.delivery_id, second.data) == ("/mycontext/4 1", "/mycontext/4 2", 7)


def test_a_batch_may_be_empty() -> None:
    assert read_batch(BATCH, b"[]", limit=1) == []


@pytest.mark.parametrize(
    ("media", "body", "status"),
    [
        (BATCH, b"{}", 400),
        (BATCH, json.dumps([STRUCTURED, STRUCTURED | {"id": ""}]).encode(), 400),
        (BATCH, json.dumps([STRUCTURED] * 3).encode(), 413),
        ("application/cloudevents-batch+avro", b"[]", 415),
    ],
)
def test_a_batch_that_cannot_be_taken_is_refused_as_a_whole(media: str, body: bytes, status: int) -> None:
    with pytest.raises(Rejected) as rejected:
        read_batch(media, body, limit=2)
    assert rejected.value.status == status


@pytest.mark.parametrize(("media", "batch"), [(BATCH, True), ("application/cloudevents+json", False), ("", False)])
def test_a_batch_is_told_from_a_single_event(media: str, batch: bool) -> None:
    assert is_batch(media) is batch
