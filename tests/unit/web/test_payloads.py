from __future__ import annotations

from typing import Any

import pytest

from upwell.events import WebhookAccepted, decode, encode
from upwell.web.payloads import MAX_DEPTH, media_type, parse, parse_json
from upwell.web.rejections import Rejected

DEEPEST = b"[" * MAX_DEPTH + b"]" * MAX_DEPTH


@pytest.mark.parametrize(
    ("media", "body", "value"),
    [
        ("application/json", b'{"a": 1}', {"a": 1}),
        ("application/vnd.github.v3+json", b"[1, 2.5, null]", [1, 2.5, None]),
        ("", b'"text"', "text"),
        ("application/json", b"", None),
        ("text/plain", b"", None),
        ("application/json", b'{"a": 1, "a": 2}', {"a": 2}),
        (
            "application/x-www-form-urlencoded",
            b"name=Zo%C3%AB&empty=&tag=a&tag=b",
            {"name": "Zoë", "empty": "", "tag": ["a", "b"]},
        ),
        ("application/x-www-form-urlencoded", b"payload=%7B%22a%22%3A+1%7D", {"a": 1}),
    ],
)
def test_reads(media: str, body: bytes, value: Any) -> None:
    assert parse(media, body) == value


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"NaN",
        b"[Infinity]",
        b"[1e999]",
        b'{"Infinity": [-1e999]}',
        b"1" * 5000,
        b"\xff\xfe",
        b'"\\ud800"',
        b"\xef\xbb\xbf{}",
        b"{} {}",
        b"[" + DEEPEST + b"]",
        b'{"a":' * 150 + b"1" + b"}" * 150,
        b"[" * 100_000,
    ],
)
def test_refuses_malformed_json(body: bytes) -> None:
    with pytest.raises(Rejected) as rejected:
        parse_json(body)
    assert rejected.value.status == 400


def test_takes_many_brackets_that_do_not_nest() -> None:
    assert parse_json(b"[" + b",".join([b"[]"] * 1000) + b"]") == [[]] * 1000


def test_takes_the_word_infinity() -> None:
    assert parse_json(b'["Infinity"]') == ["Infinity"]


@pytest.mark.parametrize("body", [DEEPEST, b"1" * 4000, b'"\\u0000"', b"[-0.0, 1e300, 123456789012345678901234567890]"])
def test_what_is_taken_survives_the_journal(body: bytes) -> None:
    event = WebhookAccepted(source="webhook:x", data=parse_json(body))
    assert decode(event.kind, encode(event)) == event


@pytest.mark.parametrize(
    "media", ["text/plain", "multipart/form-data", "application/xml", "image/svg+xml", "application/jsonx"]
)
def test_refuses_other_media(media: str) -> None:
    with pytest.raises(Rejected) as rejected:
        parse(media, b"{}")
    assert rejected.value.status == 415


def test_tells_a_newcomer_who_posts_json_as_a_form() -> None:
    with pytest.raises(Rejected, match="Content-Type: application/json") as rejected:
        parse("application/x-www-form-urlencoded", b'{"order": 1}')
    assert rejected.value.status == 415


@pytest.mark.parametrize("body", [b"a=%FF", "&".join(f"f{n}=1" for n in range(2000)).encode(), b"payload={"])
def test_refuses_malformed_forms(body: bytes) -> None:
    with pytest.raises(Rejected) as rejected:
        parse("application/x-www-form-urlencoded", body)
    assert rejected.value.status == 400


def test_the_media_type_leaves_out_parameters_and_case() -> None:
    assert media_type({b"content-type": b" Application/JSON; charset=UTF-8"}) == "application/json"
    assert media_type({}) == ""
