from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from importlib.metadata import EntryPoint

import pytest
from standardwebhooks import Webhook

from upwell.web.signatures import registry
from upwell.web.signatures.bodies import GitHub
from upwell.web.signatures.registry import scheme_factory
from upwell.web.signatures.scheme import SignatureRejected
from upwell.web.signatures.standard import StandardWebhooks
from upwell.web.signatures.tokens import Bearer, Insecure

NOW = datetime.fromtimestamp(1614265330, UTC)

# The vectors that the senders publish.
GITHUB_SECRET = "It's a Secret to Everybody"
GITHUB_BODY = b"Hello, World!"
GITHUB_SIGNATURE = b"sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
STANDARD_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
STANDARD_BODY = b'{"test": 2432232314}'
STANDARD_HEADERS = {
    b"webhook-id": b"msg_p5jXN8AQM9LWM0D4loKWxJek",
    b"webhook-timestamp": b"1614265330",
    b"webhook-signature": b"v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
}


def test_github_accepts_its_published_vector_and_names_the_delivery() -> None:
    headers = {b"x-hub-signature-256": GITHUB_SIGNATURE, b"x-github-delivery": b"72d3162e-cc78"}
    assert GitHub([GITHUB_SECRET]).verify(headers, GITHUB_BODY, NOW) == "72d3162e-cc78"


@pytest.mark.parametrize(
    ("signature", "body", "secret"),
    [
        pytest.param(GITHUB_SIGNATURE, b"Hello, World?", GITHUB_SECRET, id="altered body"),
        pytest.param(GITHUB_SIGNATURE, b"", GITHUB_SECRET, id="empty body"),
        pytest.param(GITHUB_SIGNATURE, GITHUB_BODY, "another", id="wrong key"),
        pytest.param(GITHUB_SIGNATURE[:-1], GITHUB_BODY, GITHUB_SECRET, id="truncated"),
        pytest.param(GITHUB_SIGNATURE[7:], GITHUB_BODY, GITHUB_SECRET, id="without its prefix"),
        pytest.param(b"", GITHUB_BODY, GITHUB_SECRET, id="empty"),
        pytest.param(b"sha256=\xff\xc3\xa4", GITHUB_BODY, GITHUB_SECRET, id="not ASCII"),
    ],
)
def test_github_refuses(signature: bytes, body: bytes, secret: str) -> None:
    with pytest.raises(SignatureRejected):
        GitHub([secret]).verify({b"x-hub-signature-256": signature}, body, NOW)


def test_github_refuses_the_old_sha1_header() -> None:
    sha1 = hmac.new(GITHUB_SECRET.encode(), GITHUB_BODY, hashlib.sha1).hexdigest().encode()
    with pytest.raises(SignatureRejected, match="x-hub-signature-256 is missing"):
        GitHub([GITHUB_SECRET]).verify({b"x-hub-signature": b"sha1=" + sha1}, GITHUB_BODY, NOW)


def test_standard_accepts_its_published_vector_and_names_the_delivery() -> None:
    delivery = StandardWebhooks([STANDARD_SECRET]).verify(STANDARD_HEADERS, STANDARD_BODY, NOW)
    assert delivery == "msg_p5jXN8AQM9LWM0D4loKWxJek"


def test_standard_accepts_what_svix_calls_its_headers() -> None:
    headers = {name.replace(b"webhook-", b"svix-"): value for name, value in STANDARD_HEADERS.items()}
    assert StandardWebhooks([STANDARD_SECRET]).verify(headers, STANDARD_BODY, NOW) == "msg_p5jXN8AQM9LWM0D4loKWxJek"


@pytest.mark.parametrize("body", ["", "{}", '{"name": "Zoë"}', "x" * 5000])
def test_standard_accepts_what_the_reference_library_signs(body: str) -> None:
    secret = "whsec_" + base64.b64encode(b"another secret of 32 bytes length").decode()
    signature = Webhook(secret).sign("msg_1", NOW, body)
    headers = {b"webhook-id": b"msg_1", b"webhook-timestamp": b"1614265330", b"webhook-signature": signature.encode()}
    assert StandardWebhooks([secret]).verify(headers, body.encode(), NOW) == "msg_1"


@pytest.mark.parametrize(
    ("changed", "body"),
    [
        pytest.param({}, b'{"test": 2432232315}', id="altered body"),
        pytest.param({b"webhook-id": b"msg_2"}, STANDARD_BODY, id="another id"),
        pytest.param({b"webhook-timestamp": b"1614265331"}, STANDARD_BODY, id="another time"),
        pytest.param({b"webhook-id": b""}, STANDARD_BODY, id="no id"),
        pytest.param({b"webhook-timestamp": b""}, STANDARD_BODY, id="no time"),
        pytest.param({b"webhook-timestamp": b"1e9"}, STANDARD_BODY, id="time is no number"),
        pytest.param({b"webhook-timestamp": b"-1614265330"}, STANDARD_BODY, id="negative time"),
        pytest.param({b"webhook-timestamp": b"9" * 5000}, STANDARD_BODY, id="endless time"),
        pytest.param({b"webhook-signature": b""}, STANDARD_BODY, id="no signature"),
        pytest.param({b"webhook-signature": b"v1"}, STANDARD_BODY, id="only a version"),
        pytest.param({b"webhook-signature": b"v1,a,b ,, v1,"}, STANDARD_BODY, id="malformed list"),
        pytest.param({b"webhook-signature": b"v1,\xff\xfe"}, STANDARD_BODY, id="not ASCII"),
        pytest.param(
            {b"webhook-signature": STANDARD_HEADERS[b"webhook-signature"].replace(b"v1,", b"v1a,")},
            STANDARD_BODY,
            id="of another version",
        ),
    ],
)
def test_standard_refuses(changed: dict[bytes, bytes], body: bytes) -> None:
    with pytest.raises(SignatureRejected):
        StandardWebhooks([STANDARD_SECRET]).verify(STANDARD_HEADERS | changed, body, NOW)


@pytest.mark.parametrize("seconds", [-300, 300])
def test_standard_accepts_a_time_five_minutes_off(seconds: int) -> None:
    now = NOW + timedelta(seconds=seconds)
    assert StandardWebhooks([STANDARD_SECRET]).verify(STANDARD_HEADERS, STANDARD_BODY, now)


@pytest.mark.parametrize(("seconds", "where"), [(301, "past"), (-301, "future")])
def test_standard_refuses_a_time_further_off(seconds: int, where: str) -> None:
    with pytest.raises(SignatureRejected, match=f"301 s in the {where}"):
        StandardWebhooks([STANDARD_SECRET]).verify(STANDARD_HEADERS, STANDARD_BODY, NOW + timedelta(seconds=seconds))


def test_standard_accepts_any_signature_of_the_list() -> None:
    signatures = b"v1a,other v1,AAAA " + STANDARD_HEADERS[b"webhook-signature"]
    headers = STANDARD_HEADERS | {b"webhook-signature": signatures}
    assert StandardWebhooks([STANDARD_SECRET]).verify(headers, STANDARD_BODY, NOW)


# Of Svix's server, `test_asymmetric_key_signing`.
PUBLIC_KEY = "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4="
V1A = b"v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg=="


@pytest.mark.parametrize("secrets", [[PUBLIC_KEY], [STANDARD_SECRET, PUBLIC_KEY]])
def test_standard_accepts_the_published_vector_of_a_public_key(secrets: list[str]) -> None:
    headers = STANDARD_HEADERS | {b"webhook-signature": b"v1a,AAAA v1a,\xff " + V1A}
    assert StandardWebhooks(secrets).verify(headers, STANDARD_BODY, NOW) == "msg_p5jXN8AQM9LWM0D4loKWxJek"


@pytest.mark.parametrize(
    ("changed", "body"),
    [
        ({b"webhook-signature": V1A}, STANDARD_BODY + b" "),
        ({b"webhook-signature": V1A, b"webhook-id": b"msg_2"}, STANDARD_BODY),
        ({b"webhook-signature": V1A.replace(b"v1a,", b"v1,")}, STANDARD_BODY),
        ({b"webhook-signature": b"v1a,"}, STANDARD_BODY),
        ({}, STANDARD_BODY),
    ],
)
def test_standard_refuses_by_a_public_key(changed: dict[bytes, bytes], body: bytes) -> None:
    with pytest.raises(SignatureRejected):
        StandardWebhooks([PUBLIC_KEY]).verify(STANDARD_HEADERS | changed, body, NOW)


@pytest.mark.parametrize(
    ("secret", "complaint"),
    [("whpk_AAAA", "whpk_ and 32 bytes"), ("whpk_!", "whpk_ and 32"), ("whsk_AAAA", "whsk_ is the sender's own")],
)
def test_standard_names_an_unfit_key(secret: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        StandardWebhooks([secret])


@pytest.mark.parametrize("secret", ["whsec_", "whsec_not base64!", "whsec_ä"])
def test_standard_names_an_unfit_secret(secret: str) -> None:
    with pytest.raises(ValueError, match="is base64, usually after whsec_"):
        StandardWebhooks([secret])


def test_bearer_accepts_its_token() -> None:
    assert Bearer(["s3cret"]).verify({b"authorization": b"bearer s3cret"}, b"", NOW) is None


@pytest.mark.parametrize(
    "header", [b"", b"Bearer", b"Bearer ", b"Bearer wrong", b"Basic s3cret", b"s3cret", b"Bearer \xff"]
)
def test_bearer_refuses(header: bytes) -> None:
    with pytest.raises(SignatureRejected):
        Bearer(["s3cret"]).verify({b"authorization": header}, b"", NOW)


@pytest.mark.parametrize("secrets", [["new", GITHUB_SECRET], [GITHUB_SECRET, "old"]])
def test_both_secrets_count_while_they_rotate(secrets: list[str]) -> None:
    GitHub(secrets).verify({b"x-hub-signature-256": GITHUB_SIGNATURE}, GITHUB_BODY, NOW)
    Bearer(secrets).verify({b"authorization": b"Bearer " + GITHUB_SECRET.encode()}, b"", NOW)


def test_insecure_asks_for_nothing() -> None:
    assert Insecure().verify({}, b"anything", NOW) is None


def test_an_unknown_scheme_is_named_with_those_that_exist() -> None:
    with pytest.raises(ValueError, match=r"no signature scheme 'carrier-pigeon'\. Known are bearer, dbt_cloud, "):
        scheme_factory("carrier-pigeon")


def test_a_package_may_bring_a_scheme(monkeypatch: pytest.MonkeyPatch) -> None:
    plugin = EntryPoint(name="acme", value="upwell.web.signatures.tokens:Bearer", group="upwell.signatures")
    monkeypatch.setattr(registry, "entry_points", lambda **wanted: [plugin] if plugin.matches(**wanted) else [])
    assert scheme_factory("acme") is Bearer
