from __future__ import annotations

import hashlib
from typing import Any

import pytest

from upwell.web.delivery_ids import DeliveryIds
from upwell.web.rejections import Rejected

BODY = b'{"id": "e1", "order": {"number": 7}}'
DATA = {"id": "e1", "order": {"number": 7}}
KEY = {b"idempotency-key": b'"k1"', b"x-request-id": b"r1"}


def found(option: str | None = None, field: str | None = None, **known: Any) -> str | None:
    given: dict[str, Any] = {"of_cloud_event": None, "headers": {}, "data": DATA, "body": BODY}
    return DeliveryIds.of(option, field).find(**(given | known))


def test_the_surest_sign_goes_first() -> None:
    known: dict[str, Any] = {"of_cloud_event": "/shop c1", "headers": KEY}
    assert found("header:X-Request-Id", "id", **known) == "e1"
    assert found("header:X-Request-Id", **known) == "r1"
    assert found("$.order.number", **known) == "/shop c1"
    assert found("$.order.number", headers=KEY) == "k1"
    assert found("$.order.number") == "7"
    assert found("sha256") == hashlib.sha256(BODY).hexdigest()
    assert found() is None


@pytest.mark.parametrize(
    ("header", "key"),
    [
        (b'"8e03978e-40d5"', "8e03978e-40d5"),
        (b"8e03978e-40d5", "8e03978e-40d5"),
        (b' "a\\"b\\\\c" ', 'a"b\\c'),
        (b'"k";p=1', "k"),
        (b'"open', '"open'),
        (b'""', None),
        (b"", None),
    ],
)
def test_a_key_is_a_quoted_string_or_what_most_clients_send(header: bytes, key: str | None) -> None:
    assert found(headers={b"idempotency-key": header}) == key


@pytest.mark.parametrize("data", [None, "text", 7, [], {}, {"id": None}, {"id": True}, {"id": {}}, {"id": ""}])
def test_data_without_an_id_has_none(data: Any) -> None:
    assert found(field="id", data=data) is None
    assert found("$.id", data=data) is None


@pytest.mark.parametrize("option", [None, "sha256", "header:X-Other", "$.order.number"])
def test_an_id_that_is_too_long_is_refused(option: str | None) -> None:
    with pytest.raises(Rejected) as rejected:
        found(option, of_cloud_event="x" * 513)
    assert rejected.value.status == 400
