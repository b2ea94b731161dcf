from __future__ import annotations

from typing import Any

import pytest

from upwell.definitions.resources import EnvVar
from upwell.errors import DefinitionError
from upwell_sensors import webhook

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
    ],
)
def test_a_wrong_webhook_is_refused_with_its_mend(name: str, options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(DefinitionError, match=complaint):
        webhook(name, **options)


def test_the_error_does_not_repeat_the_secret() -> None:
    with pytest.raises(DefinitionError) as caught:
        webhook("orders", secret="hunter2")  # type: ignore[arg-type]
    assert "hunter2" not in str(caught.value)
