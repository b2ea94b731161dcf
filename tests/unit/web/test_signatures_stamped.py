"""Stripe and Slack, by the vectors that stand in Stripe's .NET library and in slack-http-verifier."""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from textwrap import dedent

import pytest

from upwell.web.signatures.scheme import SignatureRejected
from upwell.web.signatures.stamped import Slack, Stripe

STRIPE_SECRET = "webhook_secret"
STRIPE_NOW = datetime.fromtimestamp(1533204620, UTC)
STRIPE_V1 = b"2220f87ef101a04665f11cdf770523143f875572008577fa0f20882ddb9cc3c7"
STRIPE_V0 = b"63f3a72374a733066c4be69ed7f8e5ac85c22c9f0a6a612ab9a025a9e4ee7eef"
STRIPE_BODY = dedent("""\
    {
      "id": "evt_123",
      "object": "event",
      "account": "acct_123",
      "api_version": "2017-05-25",
      "created": 1533204620,
      "data": {
        "object": {
          "id": "cus_123",
          "object": "customer",
          "created": 123456789,
          "email": "test@stripe.com",
          "livemode": false,
          "metadata": {}
        }
      },
      "livemode": false,
      "pending_webhooks": 1,
      "request": {
        "id": "req_123",
        "idempotency_key": "idempotency-key-123"
      },
      "type": "customer.created"
    }
    """).encode()

SLACK_SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
SLACK_NOW = datetime.fromtimestamp(1531420618, UTC)
SLACK_BODY = (
    b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V"
    b"&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text="
    b"&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN"
    b"&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
)
SLACK_HEADERS = {
    b"x-slack-request-timestamp": b"1531420618",
    b"x-slack-signature": b"v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
}


def stripe(header: bytes, *, body: bytes = STRIPE_BODY, secret: str = STRIPE_SECRET, late: float = 0) -> None:
    Stripe([secret]).verify({b"stripe-signature": header}, body, STRIPE_NOW + timedelta(seconds=late))


def slack(*, body: bytes = SLACK_BODY, secret: str = SLACK_SECRET, late: float = 0, **changed: bytes) -> None:
    headers = SLACK_HEADERS | {f"x-slack-{name}".replace("_", "-").encode(): value for name, value in changed.items()}
    Slack([secret]).verify(headers, body, SLACK_NOW + timedelta(seconds=late))


def test_stripe_accepts_its_published_vector() -> None:
    stripe(b"t=1533204620,v1=" + STRIPE_V1 + b",v0=" + STRIPE_V0)


@pytest.mark.parametrize("others", [(b"0" * 64, STRIPE_V1), (STRIPE_V1, b"0" * 64), (b"", STRIPE_V1, b"\xff")])
def test_stripe_accepts_any_v1_of_several_while_secrets_rotate(others: tuple[bytes, ...]) -> None:
    stripe(b"t=1533204620," + b",".join(b"v1=" + one for one in others))


def test_stripe_takes_its_secret_as_text_with_its_prefix() -> None:
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    signature = hmac.new(secret.encode(), b"1533204620.{}", hashlib.sha256).hexdigest().encode()
    stripe(b"t=1533204620, v1=" + signature, body=b"{}", secret=secret)


@pytest.mark.parametrize(
    ("header", "options"),
    [
        (b"t=1533204620,v1=" + STRIPE_V1, {"body": STRIPE_BODY + b" "}),
        (b"t=1533204620,v1=" + STRIPE_V1, {"secret": "another"}),
        (b"t=1533204621,v1=" + STRIPE_V1, {}),
        (b"t=1533204620,v0=" + STRIPE_V1, {}),
        (b"t=1533204620,t=1533204620,v1=" + STRIPE_V1, {}),
        (b"v1=" + STRIPE_V1, {}),
        (b"t=1533204620", {}),
        (b"t=,v1=" + STRIPE_V1, {}),
        (b"t=1533204620,v1=" + STRIPE_V1[:-1], {}),
        (b"t=1533204620,v1=", {}),
        (b"t=1533204620,v1=\xff\xfe", {}),
        (b",,==", {}),
        (b"", {}),
    ],
)
def test_stripe_refuses(header: bytes, options: dict[str, object]) -> None:
    with pytest.raises(SignatureRejected):
        stripe(header, **options)  # type: ignore[arg-type]


def test_slack_accepts_its_published_vector() -> None:
    slack()


@pytest.mark.parametrize(
    "changed",
    [
        {"body": SLACK_BODY + b"&"},
        {"secret": "another"},
        {"request_timestamp": b"1531420619"},
        {"request_timestamp": b""},
        {"signature": b""},
        {"signature": b"v1=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"},
        {"signature": b"v0="},
        {"signature": b"v0=\xff"},
        {"signature": b"a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"},
    ],
)
def test_slack_refuses(changed: dict[str, object]) -> None:
    with pytest.raises(SignatureRejected):
        slack(**changed)  # type: ignore[arg-type]


@pytest.mark.parametrize("late", [-300, 300])
def test_both_accept_a_time_five_minutes_off(late: int) -> None:
    stripe(b"t=1533204620,v1=" + STRIPE_V1, late=late)
    slack(late=late)


@pytest.mark.parametrize(("late", "where"), [(301, "past"), (-301, "future")])
def test_both_refuse_a_time_further_off(late: int, where: str) -> None:
    with pytest.raises(SignatureRejected, match=where):
        stripe(b"t=1533204620,v1=" + STRIPE_V1, late=late)
    with pytest.raises(SignatureRejected, match=where):
        slack(late=late)


def test_the_tolerance_is_the_endpoint_s() -> None:
    headers = {b"stripe-signature": b"t=1533204620,v1=" + STRIPE_V1}
    Stripe([STRIPE_SECRET], tolerance=3600).verify(headers, STRIPE_BODY, STRIPE_NOW + timedelta(seconds=3600))
    with pytest.raises(SignatureRejected):
        Slack([SLACK_SECRET], tolerance=1).verify(SLACK_HEADERS, SLACK_BODY, SLACK_NOW + timedelta(seconds=2))
