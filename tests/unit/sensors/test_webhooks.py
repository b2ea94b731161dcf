from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import pytest

from upwell.definitions.environment import EnvVar
from upwell.errors import DefinitionError
from upwell.web.signatures.registry import SCHEMES
from upwell_sensors import webhook, webhooks
from upwell_sensors.webhooks import Scheme

SECRET = EnvVar("ORDERS_SECRET")


def test_a_webhook_travels_as_plain_data_without_its_secret() -> None:
    on = webhook("orders", secret=SECRET, scheme="github", partition="$.order.date")
    assert (on.source.kind, on.source.name, on.partition) == ("webhook", "webhook:orders", "$.order.date")
    assert on.source.params == {
        "endpoint": "orders",
        "scheme": "github",
        "secrets": [{"env": "ORDERS_SECRET"}],
        "insecure": False,
    }


def test_several_secrets_are_valid_while_they_are_rotated() -> None:
    params = webhook("orders", secret=[SECRET, EnvVar("ORDERS_SECRET_OLD")]).source.params
    assert params["secrets"] == [{"env": "ORDERS_SECRET"}, {"env": "ORDERS_SECRET_OLD"}]
    assert params["scheme"] == "standard"


def test_an_insecure_webhook_has_no_scheme() -> None:
    assert webhook("orders", insecure=True).source.params == {
        "endpoint": "orders",
        "scheme": None,
        "secrets": [],
        "insecure": True,
    }


HMAC = {"secret": SECRET, "scheme": "hmac", "header": "X-Sig"}
CLIENTS = {"scheme": "mtls", "clients": ["subject:CN=shop"]}


def test_what_an_endpoint_is_travels_and_how_a_listener_takes_it_does_not() -> None:
    one = webhook("orders", secret=SECRET, scheme="stripe", tolerance="10m", rate="100/s", filter="$.total > 1")
    other = webhook("orders", secret=SECRET, scheme="stripe", tolerance="10m", rate="100/s", batch="1s")
    assert one.source == other.source
    assert one.source.params["options"] == {"tolerance": 600.0}
    assert one.source.params["rate"] == {"count": 100, "seconds": 1.0}
    assert (one.filter, other.batch) == ("$[?@.total > 1]", 1.0)


def test_a_signature_may_be_described() -> None:
    on = webhook(
        "orders",
        **HMAC,
        prefix="v0=",
        algorithm="sha512",
        encoding="base64url",
        template="v0:{timestamp}:{raw}",
        timestamp_header="X-Time",
        delivery_id="header:X-Id",
        keep_headers=["X-Tenant"],
        origins=["eventgrid.azure.net"],
    )
    assert on.source.params["options"] == {
        "header": "X-Sig",
        "prefix": "v0=",
        "algorithm": "sha512",
        "encoding": "base64url",
        "template": "v0:{timestamp}:{raw}",
        "timestamp_header": "X-Time",
    }
    assert on.source.params["delivery_id"] == "header:X-Id"
    assert on.source.params["keep_headers"] == ["X-Tenant"]
    assert on.source.params["origins"] == ["eventgrid.azure.net"]


@pytest.mark.parametrize("scheme", [scheme for scheme in get_args(Scheme) if scheme not in ("hmac", "mtls")])
def test_every_scheme_can_be_declared_and_is_known_to_the_service(scheme: str) -> None:
    assert scheme in SCHEMES
    assert webhook("orders", secret=SECRET, scheme=scheme).source.params["scheme"] == scheme


def test_every_scheme_of_the_service_can_be_declared() -> None:
    assert set(get_args(Scheme)) == set(SCHEMES)


def test_clients_with_certificates_need_no_secret() -> None:
    params = webhook("orders", **CLIENTS).source.params
    assert (params["secrets"], params["options"]) == ([], {"clients": ["subject:CN=shop"]})


def test_a_package_may_bring_a_scheme(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhooks, "entry_points", lambda **wanted: [wanted["name"]] if wanted["name"] == "acme" else [])
    assert webhook("orders", secret=SECRET, scheme="acme").source.params["scheme"] == "acme"


@pytest.mark.parametrize(
    ("name", "options", "complaint"),
    [
        ("orders", {}, r'anybody could send to it. Write secret=EnvVar\("ORDERS_SECRET"\), or insecure=True'),
        ("new-orders", {"secret": []}, r'EnvVar\("NEW_ORDERS_SECRET"\)'),
        ("orders", {"secret": "hunter2"}, r'a secret does not belong into code.*secret=EnvVar\("ORDERS_SECRET"\)'),
        ("orders", {"secret": [SECRET, "hunter2"]}, "a secret does not belong into code"),
        ("orders", {"secret": 7}, r'secret= takes EnvVar\("NAME"\)'),
        ("orders", {"secret": SECRET, "insecure": True}, "leave out secret and scheme"),
        ("orders", {"secret": SECRET, "scheme": "rot13"}, "scheme='rot13' is unknown; choose github, standard, stripe"),
        ("", {"insecure": True}, "a name has letters, digits"),
        ("a/b", {"insecure": True}, "a name has letters, digits"),
        ("orders", {"insecure": True, "partition": "order date["}, "is no JSONPath"),
        ("orders", {"insecure": True, "tolerance": "5m"}, "scheme 'nothing' takes no tolerance"),
        ("orders", {"secret": SECRET, "scheme": "github", "header": "X"}, "header= is for 'bearer', 'hmac'"),
        ("orders", {"secret": SECRET, "scheme": "bearer", "header": "X Y"}, "header='X Y' is no name of a header"),
        ("orders", {"secret": SECRET, "tolerance": "soon"}, "tolerance='soon' is no duration"),
        ("orders", {"secret": SECRET, "scheme": "hmac"}, "wants the header of the signature"),
        ("orders", {**HMAC, "algorithm": "md5"}, "algorithm='md5'; choose sha256, sha512, sha1"),
        ("orders", {**HMAC, "encoding": "utf-8"}, "encoding='utf-8'; choose hex, base64, base64url"),
        ("orders", {**HMAC, "template": "{body}"}, r"template='{body}' will not do: {body} is unknown"),
        ("orders", {**HMAC, "template": "{"}, "will not do"),
        ("orders", {**HMAC, "timestamp_header": "X-Time"}, "leaves out the time, which then proves nothing"),
        ("orders", {**CLIENTS, "secret": SECRET}, "leave out secret"),
        ("orders", {**CLIENTS, "clients": ["CN=shop"]}, r"clients=\['CN=shop'\] names nobody"),
        ("orders", {**CLIENTS, "clients": []}, "not an empty one"),
        ("orders", {"scheme": "mtls"}, "names nobody"),
        ("orders", {"insecure": True, "delivery_id": "id"}, r'write "\$.id", "header:X-Request-Id" or "sha256"'),
        ("orders", {"insecure": True, "delivery_id": "$["}, "is no JSONPath"),
        ("orders", {"insecure": True, "delivery_id": "header:a b"}, "is no JSONPath"),
        ("orders", {"insecure": True, "keep_headers": ["Authorization"]}, "holds a secret, which is never kept"),
        ("orders", {"insecure": True, "keep_headers": "X-Tenant"}, "takes a list of texts"),
        ("orders", {"insecure": True, "rate": "many"}, "rate='many' is no rate"),
    ],
)
def test_a_wrong_webhook_is_refused_with_its_mend(name: str, options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(DefinitionError, match=complaint):
        webhook(name, **options)


def test_the_error_does_not_repeat_the_secret() -> None:
    with pytest.raises(DefinitionError) as caught:
        webhook("orders", secret="hunter2")  # type: ignore[arg-type]
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("scheme", get_args(Scheme))
def test_the_docs_tell_of_every_scheme(scheme: str) -> None:
    docs = (Path(__file__).parents[3] / "docs" / "sources.md").read_text()
    assert f"| `{scheme}`" in docs.partition("\n## Webhooks\n")[2].partition("\n## ")[0]
