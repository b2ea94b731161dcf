"""Shopify, dbt Cloud and Fivetran publish code and no vectors: theirs are made here as that code makes them.

GitLab signs nothing; GitHub, which has a vector, is in test_signatures.py.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import UTC, datetime
from typing import Any

import pytest

from upwell.web.signatures.bodies import DbtCloud, Fivetran, Shopify
from upwell.web.signatures.scheme import SignatureRejected
from upwell.web.signatures.tokens import Bearer, GitLab

NOW = datetime(2024, 5, 1, tzinfo=UTC)
SECRET = "hush"
BODY = b'{"event":"sync_end","created":"2026-05-22T00:06:08.638Z","data":{"status":"SUCCESSFUL"}}'
DIGEST = hmac.new(SECRET.encode(), BODY, hashlib.sha256).digest()

SHOPIFY = {b"x-shopify-hmac-sha256": base64.b64encode(DIGEST), b"x-shopify-webhook-id": b"b54557e4"}
DBT = {b"authorization": DIGEST.hex().encode()}
FIVETRAN = {b"x-fivetran-signature-256": DIGEST.hex().upper().encode()}

ALL: list[Any] = [
    pytest.param(Shopify, SHOPIFY, id="shopify"),
    pytest.param(DbtCloud, DBT, id="dbt_cloud"),
    pytest.param(Fivetran, FIVETRAN, id="fivetran"),
]


def test_shopify_signs_in_base64_and_names_the_delivery() -> None:
    # As `openssl dgst -sha256 -hmac hush -binary | base64` writes it.
    assert SHOPIFY[b"x-shopify-hmac-sha256"] == b"H+WC0vY5pgspiEKbCFTqQeCOb6e1kZSNqWABO96ou0o="
    assert Shopify([SECRET]).verify(SHOPIFY, BODY, NOW) == "b54557e4"


def test_dbt_cloud_signs_in_the_authorization_header_and_names_the_delivery_in_the_body() -> None:
    scheme = DbtCloud([SECRET])
    assert scheme.verify(DBT, BODY, NOW) is None
    assert scheme.delivery_field == "eventId"


def test_fivetran_signs_in_upper_case_and_a_body_is_its_own_id() -> None:
    scheme = Fivetran([SECRET])
    assert scheme.verify(FIVETRAN, BODY, NOW) == hashlib.sha256(BODY).hexdigest()
    assert scheme.verify({b"x-fivetran-signature-256": DIGEST.hex().encode()}, BODY, NOW)


@pytest.mark.parametrize(("scheme", "headers"), ALL)
def test_each_refuses_another_body_key_or_signature(scheme: Any, headers: dict[bytes, bytes]) -> None:
    header = next(iter(headers))
    wrong: list[tuple[dict[bytes, bytes], bytes, str]] = [
        (headers, BODY + b" ", SECRET),
        (headers, b"", SECRET),
        (headers, BODY, "another"),
        ({}, BODY, SECRET),
        (headers | {header: b""}, BODY, SECRET),
        (headers | {header: headers[header][:-4]}, BODY, SECRET),
        (headers | {header: b"Bearer " + headers[header]}, BODY, SECRET),
        (headers | {header: b"\xff\xc3\xa4"}, BODY, SECRET),
    ]
    for given, body, secret in wrong:
        with pytest.raises(SignatureRejected):
            scheme([secret]).verify(given, body, NOW)


@pytest.mark.parametrize(("scheme", "headers"), ALL)
@pytest.mark.parametrize("secrets", [["new", SECRET], [SECRET, "old"]])
def test_each_accepts_both_secrets_while_they_rotate(
    scheme: Any, headers: dict[bytes, bytes], secrets: list[str]
) -> None:
    scheme(secrets).verify(headers, BODY, NOW)


def test_gitlab_shows_its_token() -> None:
    assert GitLab(["old", SECRET]).verify({b"x-gitlab-token": b"hush"}, BODY, NOW) is None
    for token in (b"", b"hus", b"hush!", b"\xff"):
        with pytest.raises(SignatureRejected):
            GitLab([SECRET]).verify({b"x-gitlab-token": token}, BODY, NOW)


def test_a_token_may_stand_alone_in_a_header_of_its_own() -> None:
    scheme = Bearer([SECRET], header="X-Api-Key")
    assert scheme.proof_headers == (b"x-api-key",)
    scheme.verify({b"x-api-key": b"hush"}, b"", NOW)
    for headers in ({b"x-api-key": b"Bearer hush"}, {b"authorization": b"Bearer hush"}):
        with pytest.raises(SignatureRejected):
            scheme.verify(headers, b"", NOW)
